"""The losses: nothing for a perfect prediction, and every rule by hand."""

import pytest
import torch

from engine.nets.simplerecon import losses
from engine.nets.simplerecon.losses import MultiViewLoss, Normals, all_losses, valid_depth
from tests.nets.simplerecon.small import views


def truth_of_the_scene() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return truth (1, 4, 1, 48, 64), cameras of its size and poses."""
    scene = views()
    K = torch.from_numpy(scene.K[:3, :3]).expand(1, 4, 3, 3) * torch.tensor([0.5, 0.5, 1])[:, None]
    depth = valid_depth(torch.from_numpy(scene.depth))[None, :, None]
    return depth, K, torch.from_numpy(scene.poses)[None]


def of(log_depths: tuple[torch.Tensor, ...]) -> losses.Losses:
    truth, K, T = truth_of_the_scene()
    return all_losses(log_depths, truth, K, T, Normals(48, 64), MultiViewLoss(48, 64))


def log_truth() -> torch.Tensor:
    truth = truth_of_the_scene()[0][:, 0]
    return truth.nan_to_num(nan=1.0).log()


def test_valid_depth_is_between_a_millimetre_and_ten_metres():
    kept = valid_depth(torch.tensor([0.0, 0.0005, 0.5, 9.9, 10.0, torch.nan]))
    assert torch.isfinite(kept).tolist() == [False, False, True, True, False, False]


def test_perfect_prediction_costs_nothing():
    perfect = log_truth()
    found = of((perfect,) * 4)
    # Sources are read at their nearest pixel, a fraction of a pixel off on the tilted wall.
    assert found.mv_loss < 5e-3
    rest = found._replace(mv_loss=torch.zeros(()), loss=found.loss - 0.2 * found.mv_loss)
    assert max(float(term) for term in rest) < 1e-6


def test_a_constant_factor_costs_its_logarithm():
    factor = 1.3
    found = of((log_truth() + torch.tensor(factor).log(),) * 4)
    log = torch.tensor(factor).log()
    assert torch.isclose(found.log_l1_loss, log, rtol=1e-4)
    assert torch.isclose(found.ms_loss, (1 + 0.5 + 0.25 + 0.125) * log, rtol=1e-4)
    assert torch.isclose(found.si_loss, (1 - 0.85) ** 0.5 * log, rtol=1e-4)
    truth = truth_of_the_scene()[0][:, 0]
    known = torch.isfinite(truth)
    assert torch.isclose(found.abs_loss, (factor - 1) * truth[known].mean(), rtol=1e-4)
    wanted = (1 - 1 / factor) * (1 / truth[known]).mean()
    assert torch.isclose(found.inv_abs_loss, wanted, rtol=1e-4)
    terms = found.ms_loss + found.grad_loss + found.normals_loss + 0.2 * found.mv_loss
    assert torch.isclose(found.loss, terms)


def test_coarse_predictions_are_enlarged_by_repetition():
    coarse = log_truth()[..., ::8, ::8] + 0.1
    fine = coarse.repeat_interleave(8, 2).repeat_interleave(8, 3)
    truth = truth_of_the_scene()[0][:, 0]
    found = losses.multi_scale_loss((log_truth(), coarse), truth)
    known = torch.isfinite(truth)
    assert torch.isclose(found, (fine - log_truth())[known].abs().mean() / 2, rtol=1e-5)


def test_gradient_of_a_ramp_is_its_slope():
    ramp = torch.arange(8.0).expand(1, 1, 6, 8)
    gradient = losses.spatial_gradient(ramp)
    assert torch.allclose(gradient[0, 0, 0, :, 1:-1], torch.ones(6, 6))
    assert gradient[0, 0, 1].abs().max() < 1e-6
    assert torch.allclose(gradient[0, 0, 0, :, 0], torch.full((6,), 0.5))


def test_levels_without_a_whole_neighbourhood_add_nothing_to_the_gradient():
    truth = torch.full((1, 1, 32, 32), 2.0)
    # Nine whole pixels around a known one are left at the finest level alone.
    truth[..., ::5, ::5] = torch.nan
    ramp = (2 + torch.arange(32.0) / 10).expand(1, 1, 32, 32).clone().requires_grad_()
    found = losses.gradient_loss(ramp, truth)
    known = torch.isfinite(losses.spatial_gradient(truth))
    finest = losses.spatial_gradient(ramp)[known].abs().mean()
    assert torch.allclose(found, finest)
    found.backward()
    assert torch.isfinite(ramp.grad).all()
    assert ramp.grad.abs().sum() > 0


def test_normals_of_the_wall():
    truth, K, _ = truth_of_the_scene()
    found = Normals(48, 64)(truth[:, 0], K[:, 0])
    wanted = torch.tensor([-0.2, 0, 1]) / 1.04**0.5
    inner = found[0, :, 10:-4, 14:-4]
    assert (inner - wanted[:, None, None]).abs().max() < 2e-3
    assert torch.isnan(found[0, :, :6, :9]).all()


def test_unknown_truth_gives_finite_gradients():
    log_depth = (log_truth() + 0.05).requires_grad_()
    of((log_depth,) * 4).loss.backward()
    assert torch.isfinite(log_depth.grad).all()
    assert log_depth.grad.abs().sum() > 0


def test_predictions_behind_a_source_are_skipped():
    log_depth = log_truth().clone()
    # The third source stands a metre ahead.
    log_depth[..., 20:30, 20:30] = torch.tensor(0.5).log()
    log_depth.requires_grad_()
    loss = of((log_depth,) * 4).mv_loss
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(log_depth.grad).all()


def test_multi_view_loss_by_hand():
    """Two cameras a metre apart in depth: 3 m is 2 m there, 2.2 m is 1.2 m."""
    truth = torch.full((1, 2, 1, 2, 4), 3.0)
    truth[0, 1] = 2.0
    K = torch.tensor([[1e3, 0, 2], [0, 1e3, 1], [0, 0, 1]]).expand(1, 2, 3, 3)
    T = torch.eye(4).repeat(1, 2, 1, 1)
    T[0, 1, 2, 3] = 1.0
    predicted = torch.full((1, 1, 2, 4), 2.2)
    found = MultiViewLoss(2, 4)(predicted, truth, K, T)
    # The wider half of the picture is magnified out of the source.
    assert torch.isclose(found, torch.log(torch.tensor(2.0 / 1.2)), rtol=1e-5)
    # A source's surface 5 % before the point hides it; a hidden point leaves nothing to compare.
    truth[0, 1] = 2.0 / 1.06
    assert torch.isnan(MultiViewLoss(2, 4)(predicted, truth, K, T))
    truth[0, 1] = 2.0 / 1.04
    assert torch.isfinite(MultiViewLoss(2, 4)(predicted, truth, K, T))


@pytest.mark.parametrize("blind", [1, 2, 3])
def test_a_source_without_valid_pixels_spoils_the_mean(blind):
    truth, K, T = truth_of_the_scene()
    truth[:, blind] = torch.nan
    depth = truth[:, 0].nan_to_num(nan=1.0)
    assert torch.isnan(MultiViewLoss(48, 64)(depth, truth, K, T))


def test_inverse_loss_leaves_out_predictions_nearer_than_ten_centimetres():
    depth, truth = torch.tensor([0.05, 0.2, 1.0]), torch.tensor([1.0, 1.0, 1.0])
    assert torch.isclose(losses.inverse_loss(depth, truth), torch.tensor(2.0))
