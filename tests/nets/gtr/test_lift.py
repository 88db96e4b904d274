from dataclasses import replace

import numpy as np
import pytest
import torch

from engine.nets.gtr.config import FieldConfig, GeneratorConfig, GtrConfig, LiftConfig
from engine.nets.gtr.lift import SlabConv, both_sides, cell_axis, cell_centres, surface_points
from engine.nets.gtr.model import Gtr
from engine.nets.gtr.rays import eyes, project, projections
from engine.objects.cameras import turntable
from engine.objects.views import Views

PX = 48
CONFIG = GtrConfig(
    GeneratorConfig(
        plane_resolution=4, out_channels=6, patch_size=16, model_channels=16, num_layers=1,
        num_heads=2, num_head_channels=8, gradient_checkpointing=False, upsample_factor=4,
        ff_mult=2, lift=LiftConfig(features=4, grid=8, widths=(4, 8), kept=3),
    ),
    FieldConfig(in_dim=18, layer_width=8, num_samples_per_ray=8),
)  # fmt: skip


def cylinder_views(radius: float = 0.5, half: float = 0.6) -> tuple[Views, torch.Tensor]:
    """Views of an upright cylinder, by asking many of its points where they are seen."""
    cameras = turntable([10, 100, 190, 280], elevation_deg=15, distance=4, fov_deg=40, size_px=PX)
    axis = torch.linspace(-1, 1, 101)
    x, y, z = torch.cartesian_prod(axis, axis, axis).unbind(-1)
    solid = torch.stack([x, y, z], -1)[(x * x + z * z < radius**2) & (y.abs() < half)]
    mask = np.zeros((4, PX, PX, 1), np.float32)
    for number, camera in enumerate(cameras):
        uv, _ = camera.intrinsics.project(camera.T_world_cam.inverse.apply(solid.double().numpy()))
        column, row = np.floor(uv).astype(int).T
        mask[number, row, column] = 1
    color = np.full((4, PX, PX, 3), 0.5, np.float32) * mask + 1 - mask
    return Views(color, mask, cameras), solid


def test_cameras_are_read_off_their_rays() -> None:
    views, _ = cylinder_views()
    P = projections(views.network_input())
    points = torch.rand(20, 3, generator=torch.Generator().manual_seed(0)) * 1.6 - 0.8
    place = project(points, P)
    for number, camera in enumerate(views.cameras):
        there = camera.T_world_cam.inverse.apply(points.double().numpy())
        uv, _ = camera.intrinsics.project(there)
        np.testing.assert_allclose(place[number].numpy(), uv / PX * 2 - 1, atol=1e-5)
        np.testing.assert_allclose(eyes(P)[number], camera.T_world_cam.translation, atol=1e-4)
    behind = torch.from_numpy(2 * views.cameras[0].T_world_cam.translation[None]).float()
    assert (project(behind, P)[0].abs() > 1).all()


def test_nothing_stays_outside_the_silhouettes_and_all_of_the_object_inside() -> None:
    torch.manual_seed(0)
    network = Gtr(CONFIG).eval()
    views, solid = cylinder_views()
    with torch.no_grad():
        _, logits = network.generator.with_occupancy(views.network_input()[None])
    assert logits is not None
    cells = cell_centres(16, solid)
    x, y, z = cells.unbind(-1)
    is_solid = (x * x + z * z < 0.4**2) & (y.abs() < 0.5)
    # What is in front of all cameras' empty pixels, and not near the rim of any picture.
    is_empty = (x * x + z * z > 0.65**2) & (y.abs() < 0.4) & (x * x + z * z < 0.9**2)
    assert logits[0][is_empty].max() < -8 < logits[0][is_solid].min()


def test_sides_meet_the_surface_where_it_is() -> None:
    n = 32
    axis = cell_axis(n, torch.zeros(1))
    x, y, z = torch.meshgrid(axis, axis, axis, indexing="ij")
    inside = (x.abs() < 0.5) & (y > -0.25) & (y < 0.75) & (z.abs() < 0.125)
    logits = torch.where(inside, 20.0, -20.0)[None]
    opacity, depth = both_sides(logits)
    points = surface_points(depth)[0]
    low = torch.tensor([-0.5, -0.25, -0.125])
    high = torch.tensor([0.5, 0.75, 0.125])
    for plane, away in enumerate((2, 1, 0)):
        for side, wanted in enumerate((low, high)):
            hit = opacity[0, plane, side] > 0.5
            assert hit.any()
            met = points[plane, side][hit]
            assert (met[:, away] - wanted[away]).abs().max() < 1e-5
            others = [axis for axis in range(3) if axis != away]
            assert (met[:, others] > low[others]).all()
            assert (met[:, others] < high[others]).all()


def test_a_slab_convolution_is_the_convolution() -> None:
    torch.manual_seed(0)
    ours = SlabConv(3, 5, 3, padding=1)
    cells = torch.randn(2, 3, 4, 5, 6)
    plain = torch.nn.functional.conv3d(cells, ours.weight, ours.bias, padding=1)
    torch.testing.assert_close(ours(cells), plain, atol=1e-5, rtol=1e-5)


def test_batches_and_the_order_of_views_do_not_matter() -> None:
    torch.manual_seed(0)
    network = Gtr(CONFIG).eval()
    views = cylinder_views()[0].network_input()
    other = views[[2, 0, 3, 1]]
    with torch.no_grad():
        one, both = network(views), network(torch.stack([views, other]))
    torch.testing.assert_close(both[0], one, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(both[1], one, atol=1e-4, rtol=1e-4)


def test_the_configuration_survives_json_and_the_published_one_says_nothing_of_it() -> None:
    assert GtrConfig.from_dict(CONFIG.as_dict()) == CONFIG
    assert "lift" not in GtrConfig().as_dict()["generator"]
    assert not any("lift" in name for name in Gtr(_without()).state_dict())
    with pytest.raises(ValueError, match="levels"):
        LiftConfig(grid=9)
    with pytest.raises(ValueError, match="not known"):
        LiftConfig.from_dict({"wide": 3})


def _without() -> GtrConfig:
    return replace(CONFIG, generator=replace(CONFIG.generator, lift=None))
