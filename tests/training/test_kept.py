"""Batches on disk: drawn once, and read back as they were."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from engine.core.faults import BadInput
from engine.training.data import Sample
from engine.training.kept import KeptWorlds, read
from tests.training.planes import Planes, Room


class Counted(Planes):
    """Worlds that note what is drawn."""

    def __init__(self) -> None:
        super().__init__((16, 24), 3, 2)
        self.drawn: list[tuple[str, int]] = []

    def walk(self, index: int) -> Room:
        self.drawn.append(("walk", index))
        return super().batch(index)

    def held_out_walk(self, number: int, frames: int) -> Room:
        self.drawn.append(("held out", number))
        return super().held_out_walk(number, frames)


def half(sample: Sample) -> Tensor:
    return sample.depth[..., ::2, ::2] * 1.1


def test_walks_are_drawn_once_and_come_again_with_their_depth(tmp_path: Path) -> None:
    worlds = Counted()
    kept = KeptWorlds(worlds, tmp_path, 2, half)
    found = [kept.walk(index) for index in range(5)]
    assert worlds.drawn == [("walk", 0), ("walk", 1)]
    again = KeptWorlds(worlds, tmp_path, 2, half).walk(3)
    assert worlds.drawn == [("walk", 0), ("walk", 1)]
    true = Planes((16, 24), 3, 2).batch(1)
    for sample in (found[1], found[3], again):
        torch.testing.assert_close(sample.depth, true.depth, atol=0, rtol=1e-3)
        torch.testing.assert_close(sample.pictures, true.pictures, atol=1 / 500, rtol=0)
        assert torch.equal(sample.T_world_cam, true.T_world_cam)
        estimated = getattr(sample, "estimated", None)
        assert estimated is not None
        torch.testing.assert_close(estimated, half(true), atol=0, rtol=2e-3)
    assert not torch.equal(found[0].depth, found[1].depth)


def test_held_out_walks_are_no_batches(tmp_path: Path) -> None:
    worlds = Counted()
    kept = KeptWorlds(worlds, tmp_path, 1, half)
    # More of them than batches are kept.
    several = [kept.held_out_walk(number, 3) for number in (0, 1, 0)]
    kept.walk(0)
    assert worlds.drawn == [("held out", 0), ("held out", 1), ("walk", 0)]
    assert torch.equal(several[0].depth, several[2].depth)
    assert not torch.equal(several[0].depth, several[1].depth)


def test_without_an_estimator_there_is_no_estimate(tmp_path: Path) -> None:
    sample = KeptWorlds(Counted(), tmp_path, 1).walk(0)
    assert getattr(sample, "estimated", 0) is None
    with pytest.raises(BadInput, match="recording"):
        sample.distance(torch.zeros(2, 1, 3))


def test_a_damaged_file_is_refused_with_a_remedy(tmp_path: Path) -> None:
    KeptWorlds(Counted(), tmp_path, 1).walk(0)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(BadInput, match="cannot be read"):
        read(path)
