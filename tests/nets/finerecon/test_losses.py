import math

import pytest
import torch

from engine.nets.finerecon.losses import Losses, log_transform, losses
from engine.nets.finerecon.model import CropResult
from tests.nets.finerecon.worlds import crops, network, queries, scenes

NAN = math.nan


def predicted(
    tsdf_logits: list[float], occ_logits: list[float], trusted: list[bool], seen: list[bool]
) -> CropResult:
    empty = torch.empty(0)
    return CropResult(
        empty,
        empty,
        empty,
        torch.tensor([trusted]),
        torch.tensor([seen]),
        None,
        empty,
        empty,
        torch.tensor([tsdf_logits], requires_grad=True),
        torch.tensor([occ_logits], requires_grad=True),
    )


def of(result: CropResult, tsdf: list[float], occ: list[float]) -> Losses:
    return losses(result, torch.tensor([tsdf]).float(), torch.tensor([occ]).float())


def t(x: float) -> float:
    return math.copysign(math.log(abs(x) + 1), x)


def softplus(x: float) -> float:
    return math.log1p(math.exp(x))


def test_the_transform_is_odd_and_steepest_at_the_surface() -> None:
    x = torch.tensor([-0.5, 0.0, 0.5])
    torch.testing.assert_close(log_transform(x), torch.tensor([t(v) for v in x.tolist()]))


def test_only_what_is_known_and_seen_counts() -> None:
    result = predicted(
        [0.3, -0.2, 9, 9, 9, 9],
        [1.0, -2.0, 0.5, 7, 7, -1.0],
        [True, True, True, False, True, True],
        [True, True, False, True, True, True],
    )
    # In turn: counts; counts; its point unseen; its voxel not trusted; occupancy unknown; empty.
    loss = of(result, [0.1, -0.6, 0.2, 0.2, 0.2, 0.9], [1, 1, 1, 1, NAN, 0])
    tsdf = (abs(t(math.tanh(0.3)) - t(0.1)) + abs(t(math.tanh(-0.2)) - t(-0.6))) / 2
    bce = (softplus(-1.0) + softplus(2.0) + softplus(-0.5) + softplus(-1.0)) / 4
    assert loss.tsdf.item() == pytest.approx(tsdf, rel=1e-5)
    assert loss.bce.item() == pytest.approx(bce, rel=1e-5)
    assert loss.total.item() == pytest.approx(tsdf + bce, rel=1e-5)


def test_unknown_distance_does_not_count() -> None:
    result = predicted([0.3, 0.4], [1.0, 1.0], [True, True], [True, True])
    alone = abs(t(math.tanh(0.3)) - t(0.1))
    assert of(result, [0.1, NAN], [1, 1]).tsdf.item() == pytest.approx(alone, rel=1e-5)


def test_without_any_surface_occupancy_is_learned_alone() -> None:
    result = predicted([0.3, 0.4], [1.0, 1.0], [True, True], [True, True])
    loss = of(result, [NAN, 0.5], [1, 0])
    assert loss.tsdf.item() == 0
    assert loss.total.item() == loss.bce.item() > 0
    loss.total.backward()
    assert result.tsdf_logits_bn.grad is not None
    assert (result.tsdf_logits_bn.grad == 0).all()


def test_nothing_known_gives_zero_and_finite_gradients() -> None:
    result = predicted([0.3], [1.0], [False], [False])
    loss = of(result, [NAN], [NAN])
    assert loss.total.item() == 0
    loss.total.backward()
    assert result.occ_logits_bn.grad is not None
    assert result.occ_logits_bn.grad.item() == 0


def test_a_few_steps_of_training_learn_one_scene() -> None:
    net = network().train()
    views, crop, query = scenes(views=4), crops(), queries(points=400)
    target = (query[..., 2] * 4).clamp(-1, 1)
    occ = (target.abs() < 0.9).float()
    optimiser = torch.optim.Adam(net.parameters(), lr=3e-3)
    history = []
    for _ in range(25):
        optimiser.zero_grad()
        loss = losses(net(views, crop, query), target, occ)
        torch.autograd.backward(loss.total)
        optimiser.step()
        history.append(loss.total.item())
    assert history[-1] < 0.7 * history[0]
