"""Walks of training: as a person scans, the same whenever asked."""

import pytest
import torch

from engine.core.faults import BadInput
from engine.training import views
from engine.training.walks import walk, walk_draws
from engine.training.worlds import Plan, TrainingWorlds, WorldSample

PLAN = Plan(batch=2, views=6, height=24, width=32, portrait_share=0.0)


@pytest.fixture(scope="module")
def worlds() -> TrainingWorlds:
    return TrainingWorlds("cpu", 5, plan=PLAN)


@pytest.fixture(scope="module")
def held_out(worlds: TrainingWorlds) -> WorldSample:
    return worlds.held_out_walk(3, 20)


def test_a_walk_depends_on_its_index_alone(worlds: TrainingWorlds) -> None:
    first = worlds.walk(1)
    assert first.pictures.shape == (2, 6, 3, 24, 32)
    again = TrainingWorlds("cpu", 5, plan=PLAN).walk(1)
    assert torch.equal(first.pictures, again.pictures)
    assert torch.equal(first.T_world_cam, again.T_world_cam)
    assert not torch.equal(first.T_true, worlds.batch(1).T_true)


def test_neighbours_suit_stereo_and_nothing_is_touched(held_out: WorldSample) -> None:
    T = held_out.T_true
    assert held_out.depth.shape == (1, 20, 24, 32)
    distance, metres = views.pose_distance(T[:, :-1], T[:, 1:])
    assert 0.05 < float(metres.median()) < 0.25
    assert float(metres.max()) < 0.3
    assert float(distance.max()) < 0.5
    assert float(held_out.distance(T[..., :3, 3]).min()) > views.CLEAR_M - 1e-3
    K, hw = held_out.K[:, 0], (24, 32)
    for i in range(19):
        depth = views.probe(held_out.worlds, K, hw, T[:, i : i + 1])[:, 0]
        share = views.seen_share(K, hw, T[:, i : i + 1], T[:, i + 1 : i + 2], depth)
        assert float(share) > 0.5


def test_a_walk_covers_more_than_one_view(held_out: WorldSample) -> None:
    T, K, hw = held_out.T_true, held_out.K[:, 0], (24, 32)
    depth = views.probe(held_out.worlds, K, hw, T[:, :1])[:, 0]
    share = views.seen_share(K, hw, T[:, :1], T[:, 1:], depth)
    assert float(share.min()) < 0.6


def test_held_out_walks_are_asked_for_with_sense(worlds: TrainingWorlds) -> None:
    with pytest.raises(BadInput, match="held-out"):
        worlds.held_out_walk(20, 4)
    with pytest.raises(BadInput, match="walk"):
        worlds.held_out_walk(0, 1)


def test_walks_are_chosen_without_asking_the_device(held_out: WorldSample) -> None:
    """Meta tensors have no numbers: whoever asks for one raises."""
    packed = type(held_out.worlds)(
        *(getattr(held_out.worlds, n).to("meta") for n in ("table", "lamps", "low", "high"))
    )
    draws = walk_draws(torch.Generator(), 1, 5, torch.device("meta"))
    T, speed = walk(packed, torch.zeros(1, 3, 3, device="meta"), (24, 32), 5, draws)
    assert T.shape == (1, 5, 4, 4)
    assert speed.shape == (1, 5, 6)
