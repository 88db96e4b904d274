"""Geometry under autocast, memory formats, and export."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from engine.nets.finerecon.crop import Crop, Views
from engine.nets.finerecon.model import FineRecon
from engine.nets.finerecon.projection import (
    apply_33,
    feature_sums,
    mean,
    project,
    seen,
    world_to_camera,
)
from engine.nets.finerecon.volumes import read_nearest, read_trilinear
from tests.nets.finerecon.worlds import HW, SMALL, VOXEL_M, crops, network, queries, scenes

NARROW = [torch.bfloat16, torch.float16]


def far_scene() -> tuple[Views, Crop, torch.Tensor]:
    """Return a scene far from the origin, where narrow numbers are metres apart."""
    shift = torch.tensor([400.0, -300.0, 200.0])
    views, crop = scenes(), crops()
    T_world_cam = views.T_world_cam_bv44.clone()
    T_world_cam[..., :3, 3] += shift
    views = views._replace(T_world_cam_bv44=T_world_cam)
    return views, crop._replace(center_b3=crop.center_b3 + shift), queries() + shift


def geometry(net: FineRecon, views: Views, crop: Crop, query: torch.Tensor) -> list[torch.Tensor]:
    """Return everything that is arithmetic on places."""
    T, K = world_to_camera(views.T_world_cam_bv44[0]), views.K_color_b33[0]
    voxels, points = crop.voxels(VOXEL_M)[0], query[0]
    local = crop.inside(query, VOXEL_M)[0]
    maps = torch.rand(len(T), 2, HW[0] // 4, HW[1] // 4, generator=torch.Generator().manual_seed(0))
    volume = maps[0].reshape(6, -1)[None, :, :48].reshape(1, 6, 8, 6)
    total, count = feature_sums(maps, points, K, HW, T, True)
    guided = net.guidance_sums(views.depth_bvhw[0], voxels, views.K_depth_b33[0], T)
    return [
        *(T, voxels, local, total, count, *guided, mean(total, count)),
        *project(points, K, T[0]),
        seen(points, K, HW, T),
        read_trilinear(volume, local, torch.zeros(3), VOXEL_M),
        read_nearest(volume, local, torch.zeros(3), VOXEL_M),
    ]


@pytest.mark.parametrize("dtype", NARROW)
def test_geometry_is_untouched_by_autocast(dtype: torch.dtype) -> None:
    net, scene = network(), far_scene()
    exact = geometry(net, *scene)
    points, R = scene[2][0], scene[1].rotation_b33[0]
    with torch.autocast("cpu", dtype):
        # Not vacuous: a product of matrices is narrowed here, and would move points far.
        assert (points @ R.T).dtype == dtype
        assert (apply_33(R, points) - points @ R.T).abs().max() > 0.05
        narrow = geometry(net, *scene)
    assert len(exact) == len(narrow) > 10
    for before, after in zip(exact, narrow, strict=True):
        assert after.dtype == before.dtype
        assert torch.equal(before, after)


@torch.no_grad()
@pytest.mark.parametrize("dtype", NARROW)
def test_the_whole_pass_under_autocast_keeps_guidance_and_masks(dtype: torch.dtype) -> None:
    net, given = network(), (scenes(), crops(), queries())
    wide = net(*given)
    with torch.autocast("cpu", dtype):
        narrow = net(*given)
    for name in ("guidance_bxyz", "guidance_bn", "is_trusted_bn", "is_seen_bn"):
        assert torch.equal(getattr(wide, name), getattr(narrow, name))
    assert narrow.tsdf_logits_bn.dtype == narrow.occ_logits_bn.dtype == torch.float32
    for name in ("tsdf_logits_bn", "occ_logits_bn"):
        error = (getattr(wide, name) - getattr(narrow, name)).abs().max()
        assert 0 < error < 0.1


@torch.no_grad()
def test_the_layout_in_memory_does_not_change_numbers() -> None:
    plain, last = network(), network()
    last.cnn2d.to(memory_format=torch.channels_last)
    last.cnn2d_pb.to(memory_format=torch.channels_last)
    last.cnn3d.to(memory_format=torch.channels_last_3d)
    views, crop, query = scenes(), crops(), queries()
    a, b = plain(views, crop, query), last(views, crop, query)
    for left, right in zip(a, b, strict=True):
        torch.testing.assert_close(left, right, atol=2e-5, rtol=1e-4)


class Surface(nn.Module):
    """The heads as one module, since export takes modules."""

    def __init__(self, net: FineRecon) -> None:
        super().__init__()
        self.net = net

    def forward(
        self, image_cn: torch.Tensor, voxel_cn: torch.Tensor, guidance_n: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        return self.net.surface(image_cn, voxel_cn, guidance_n), self.net.occupancy(voxel_cn)


@torch.no_grad()
@pytest.mark.parametrize("part", ["cnn2d", "cnn3d", "heads", "crop"])
def test_every_part_exports_without_breaks(part: str) -> None:
    net = network(replace(SMALL, unet_blocks=1))
    widths = SMALL.image_feature_dim, SMALL.unet_up_widths[-1]
    module, given = {
        "cnn2d": (net.cnn2d, (torch.rand(2, 3, *HW),)),
        "cnn3d": (net.cnn3d, (torch.rand(1, SMALL.volume_channels, 8, 4, 4),)),
        "heads": (
            Surface(net),
            (torch.rand(widths[0], 9), torch.rand(widths[1], 9), torch.rand(9)),
        ),
        "crop": (net, (scenes(views=1), crops(), queries())),
    }[part]
    # Strict means traced by bytecode, which refuses what it cannot follow; for the whole pass,
    # which is long, the quick way must do.
    exported = torch.export.export(module, given, strict=part != "crop").module()
    for ours, theirs in zip(_flat(module(*given)), _flat(exported(*given)), strict=True):
        torch.testing.assert_close(theirs, ours)


def _flat(result: object) -> list[torch.Tensor]:
    return list(result) if isinstance(result, tuple) else [result]


@pytest.mark.gpu
@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.float32, *NARROW])
def test_the_gpu_agrees(dtype: torch.dtype) -> None:
    net, given = network(), (scenes(), crops(), queries())
    expected = net(*given)
    views = type(given[0])(*(part.cuda() for part in given[0]))
    crop = crops()
    crop = crop._replace(center_b3=crop.center_b3.cuda(), rotation_b33=crop.rotation_b33.cuda())
    with torch.autocast("cuda", dtype, enabled=dtype != torch.float32):
        found = net.cuda()(views, crop, given[2].cuda())
    assert (found.is_seen_bn.cpu() == expected.is_seen_bn).float().mean() > 0.99
    tolerance = 2e-3 if dtype == torch.float32 else 0.1
    error = (found.tsdf_logits_bn.cpu() - expected.tsdf_logits_bn).abs()
    assert error.quantile(0.99) < tolerance
