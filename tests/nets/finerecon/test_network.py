from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from engine.nets.finerecon import unet3d
from engine.nets.finerecon.backbone import Block
from engine.nets.finerecon.config import DEPTH_WEIGHTINGS, FineReconConfig
from engine.nets.finerecon.crop import Views
from engine.nets.finerecon.features2d import Features2d
from engine.nets.finerecon.guidance import fill
from engine.nets.finerecon.losses import losses
from engine.nets.finerecon.model import CropResult, FineRecon
from engine.nets.finerecon.projection import feature_sums, mean, world_to_camera
from engine.nets.finerecon.unet3d import UNet3d, reach_voxels
from engine.nets.finerecon.volumes import read_trilinear
from tests.nets.finerecon.worlds import HW, SMALL, VOXEL_M, crops, network, queries, scenes


def test_features_are_a_quarter_of_the_picture() -> None:
    images = torch.rand(2, 3, 32, 80)
    assert Features2d(SMALL).eval()(images).shape == (2, SMALL.image_feature_dim, 8, 20)


def test_the_volume_keeps_its_size() -> None:
    volume = torch.rand(1, SMALL.volume_channels, 8, 12, 4)
    assert UNet3d(SMALL).eval()(volume).shape == (1, SMALL.unet_up_widths[-1], 8, 12, 4)


@torch.no_grad()
def test_the_parts_called_one_by_one_give_the_pass_over_a_crop() -> None:
    net, views, crop, query = network(), scenes(), crops(), queries()
    result: CropResult = net(views, crop, query)
    images, depth, K, K_depth = (part[0] for part in views[:4])
    T = world_to_camera(views.T_world_cam_bv44[0])

    points = crop.voxels(VOXEL_M)[0]
    coarse = net.coarse_features(images)
    means = mean(*feature_sums(coarse, points, K, HW, T, False)).view(-1, *crop.dims)
    guidance = fill(*net.guidance_sums(depth, points, K_depth, T), net.unseen).view(crop.dims)
    unet = net.unet(net.volume_input(means, guidance))
    torch.testing.assert_close(unet, result.unet_bcxyz[0])

    local = crop.inside(query, VOXEL_M)[0]
    voxel = read_trilinear(unet, local, torch.zeros(3), VOXEL_M)
    image = mean(*feature_sums(net.fine_features(images), query[0], K, HW, T, True))
    at_points = fill(*net.guidance_sums(depth, query[0], K_depth, T), net.unseen)
    torch.testing.assert_close(net.surface(image, voxel, at_points), result.tsdf_logits_bn[0])
    torch.testing.assert_close(net.occupancy(voxel), result.occ_logits_bn[0])
    assert result.image_feat_bcn is not None
    features = net.point_features(net.point_norm(image))
    torch.testing.assert_close(features, result.image_feat_bcn[0])


@torch.no_grad()
def test_a_residual_network_begins_at_plain_fusion() -> None:
    result = network(replace(SMALL, is_residual=True))(scenes(), crops(), queries())
    # Guidance is in margins of three voxels, positive behind; 1 is nothing known.
    fused = -3 * result.guidance_bn
    known = result.guidance_bn < 0.999
    assert 0.1 < known.float().mean() < 0.99
    torch.testing.assert_close(result.tsdf_logits_bn[known], fused[known])
    assert (result.tsdf_logits_bn[~known] == 0).all()


@torch.no_grad()
def test_the_volume_is_told_how_many_views_there_are() -> None:
    net = network(replace(SMALL, counts_views=True))
    views, crop = scenes(), crops()
    T = world_to_camera(views.T_world_cam_bv44[0])
    points = crop.voxels(VOXEL_M)[0]
    total, count = feature_sums(
        net.coarse_features(views.images_bv3hw[0]), points, views.K_color_b33[0], HW, T, False
    )
    signed, depths = net.guidance_sums(views.depth_bvhw[0], points, views.K_depth_b33[0], T)
    grids = [n.view(crop.dims) for n in (fill(signed, depths, net.unseen), depths, count)]
    volume = net.volume_input(mean(total, count).view(-1, *crop.dims), *grids)
    torch.testing.assert_close(volume[-2], torch.log1p(grids[1]) / 2)
    torch.testing.assert_close(volume[-1], torch.log1p(grids[2]) / 2)
    assert len(depths.unique()) > 2
    torch.testing.assert_close(net.unet(volume), net(views, crop, queries()).unet_bcxyz[0])


@torch.no_grad()
def test_scenes_of_a_batch_do_not_touch_each_other() -> None:
    net, views, crop, query = network(), scenes(2), crops(2), queries(2)
    both = net(views, crop, query)
    for b in range(2):
        one_views = Views(*(part[b : b + 1] for part in views))
        one_crop = crop._replace(
            center_b3=crop.center_b3[b : b + 1], rotation_b33=crop.rotation_b33[b : b + 1]
        )
        alone = net(one_views, one_crop, query[b : b + 1])
        torch.testing.assert_close(both.tsdf_logits_bn[b], alone.tsdf_logits_bn[0])
        torch.testing.assert_close(both.occ_logits_bn[b], alone.occ_logits_bn[0])
    assert not torch.allclose(both.tsdf_logits_bn[0], both.tsdf_logits_bn[1])


@torch.no_grad()
def test_border_weights_are_for_evaluation_only(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    original = FineRecon.points

    def listening(net, views, features, points, border_weighted, **more):
        asked.append(border_weighted)
        return original(net, views, features, points, border_weighted, **more)

    monkeypatch.setattr(FineRecon, "points", listening)
    net = network()
    net(scenes(), crops(), queries())
    net.train()(scenes(), crops(), queries())
    # The volume, then the query points; in evaluation, then in training.
    assert asked == [False, True, False, False]


@pytest.mark.parametrize(
    "change",
    [
        *({"bp_weighting": w} for w in DEPTH_WEIGHTINGS),
        {"guidance": "density"},
        {"guidance": "none", "point_guidance": False},
        {"point_backprojection": False},
        {"point_backprojection": False, "point_guidance": False},
        {"is_residual": True, "counts_views": True},
        {"is_residual": True, "point_falloff": 4.0},
    ],
)
def test_every_ablation_runs_and_trains(change: dict[str, object]) -> None:
    net = network(replace(SMALL, **change)).train()
    result = net(scenes(), crops(), queries())
    target = torch.rand(1, 200) * 2 - 1
    losses(result, target, torch.ones(1, 200)).total.backward()
    untouched = [name for name, p in net.named_parameters() if p.grad is None]
    assert not untouched
    assert all(torch.isfinite(p.grad).all() for p in net.parameters() if p.grad is not None)


@torch.no_grad()
def test_ablations_change_the_result() -> None:
    given = scenes(), crops(), queries()
    plain = network()(*given).tsdf_logits_bn
    for change in ({"bp_weighting": "soft-12cm"}, {"guidance": "density"}):
        other = network(replace(SMALL, **change))(*given).tsdf_logits_bn
        assert (other - plain).abs().max() > 1e-3


def test_a_dropped_branch_vanishes_and_the_others_grow() -> None:
    double = torch.nn.Sequential(torch.nn.Identity())
    block = Block(double, is_residual=True, drop=0.25)
    x = torch.rand(4000, 1, 1, 1) + 1
    torch.manual_seed(0)
    factor = (block.train()(x) / x).flatten()
    kept = factor > 1.5
    torch.testing.assert_close(factor[kept], torch.full_like(factor[kept], 1 + 1 / 0.75))
    torch.testing.assert_close(factor[~kept], torch.ones_like(factor[~kept]))
    assert kept.float().mean().item() == pytest.approx(0.75, abs=0.03)
    assert torch.equal(block.eval()(x), 2 * x)


def test_drop_chances_rise_through_the_backbone_and_can_be_switched_off() -> None:
    def chances(config: FineReconConfig) -> list[float]:
        return [m.drop for m in Features2d(config).modules() if isinstance(m, Block)]

    assert chances(FineReconConfig()) == pytest.approx([0.005 * k for k in range(16)])
    still = network(replace(SMALL, block_drop_step=0.0)).train()
    images = torch.rand(2, 3, 32, 32)
    first, second = still.cnn2d(images), still.cnn2d(images)
    assert torch.equal(first, second)
    lively = network(replace(SMALL, block_drop_step=0.1)).train()
    assert not torch.equal(lively.cnn2d(images), lively.cnn2d(images))


@pytest.mark.parametrize(("blocks", "stated"), [(2, 52), (1, 32)])
def test_the_3d_network_reaches_as_far_as_it_states(
    blocks: int, stated: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A mean lets gradients through everywhere where a maximum would pick one voxel.
    monkeypatch.setattr(unet3d, "halve", lambda x: F.avg_pool3d(x, 2))
    config = replace(
        FineReconConfig(), unet_widths=(2, 2, 2), unet_up_widths=(2, 2, 2), unet_blocks=blocks
    )
    assert reach_voxels(config) == stated
    net = UNet3d(config).double().eval()
    length = 2 * stated + 16 - (2 * stated) % 4
    volume = torch.rand(1, 48, length, 4, 4, dtype=torch.float64, requires_grad=True)
    middle = length // 2
    far = 0
    for at in range(middle, middle + 4):
        (gradient,) = torch.autograd.grad(net(volume)[0, :, at].sum(), volume)
        touched = gradient.abs().amax((0, 1, 3, 4)).nonzero()[:, 0]
        far = max(far, at - int(touched[0]), int(touched[-1]) - at)
    assert far == stated


def test_voxels_no_view_sees_hold_the_norm_of_zero() -> None:
    net = network()
    means = torch.zeros(SMALL.image_feature_dim, 4, 4, 4)
    volume = net.volume_input(means, torch.ones(4, 4, 4))
    bn = net.fusion.bn
    assert isinstance(bn, torch.nn.BatchNorm3d)
    assert bn.running_mean is not None
    assert bn.running_var is not None
    expected = -bn.running_mean / (bn.running_var + 1e-5).sqrt() * bn.weight + bn.bias
    torch.testing.assert_close(volume[:-1, 1, 2, 3], expected)
    assert (volume[-1] == 1).all()
    assert expected.abs().min() > 0
