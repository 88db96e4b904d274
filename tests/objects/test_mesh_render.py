import numpy as np
import pytest
import torch

from engine.core.camera import Intrinsics
from engine.core.poses import Pose
from engine.kernels.diff_marching import extract
from engine.kernels.raster_embree import EmbreeRasteriser
from engine.objects.cameras import ObjectCamera
from engine.objects.mesh_render import render_mesh, vertex_normals

SIDE = 64
RADIUS = 0.6


def camera(angle=0.0, distance=3.0):
    """Return a camera round the Y axis that looks at the origin, image y downwards."""
    forward = -np.array([np.sin(angle), 0, np.cos(angle)])
    down = np.array([0.0, -1, 0])
    rotation = np.stack([np.cross(down, forward), down, forward], axis=1)
    lens = Intrinsics(SIDE, SIDE, 90.0, 90.0, SIDE / 2, SIDE / 2)
    return ObjectCamera(lens, Pose.from_parts(rotation, -distance * forward), lens)


def matrices(*cameras):
    return (
        torch.from_numpy(np.stack([c.view() for c in cameras])),
        torch.from_numpy(np.stack([c.projection() for c in cameras])),
    )


def ball(points=40):
    axis = torch.linspace(-1, 1, points, dtype=torch.float64)
    x, y, z = torch.meshgrid(axis, axis, axis, indexing="ij")
    surface = extract((x**2 + y**2 + z**2).sqrt() - RADIUS)
    return 2 * surface.vertices / (points - 1) - 1, surface.faces


def exact_ball(view):
    """Return depth and point of a ball at the origin, and where it is hit."""
    rays = view.intrinsics.directions() @ view.T_world_cam.rotation.T
    eye = view.T_world_cam.translation
    a, b = (rays**2).sum(-1), rays @ eye
    root = b**2 - a * (eye @ eye - RADIUS**2)
    depth = (-b - np.sqrt(np.maximum(root, 0))) / a
    return depth, eye + rays * depth[..., None], root > 0


@pytest.fixture(scope="module")
def pictures():
    vertices, faces = ball()
    views = [camera(0.4), camera(-1.9)]
    drawn = render_mesh(
        vertices, faces, *matrices(*views), SIDE, SIDE, EmbreeRasteriser(), lambda p: p / 2 + 0.5
    )
    return views, drawn


def test_a_ball_looks_like_a_ball(pictures):
    views, drawn = pictures
    for i, view in enumerate(views):
        depth, point, hit = exact_ball(view)
        inner = hit & (depth < 3.0 - RADIUS / 3)
        seen = drawn.hard_mask[i, :, :, 0].numpy() > 0
        assert (seen != hit).mean() < 0.01
        assert np.abs(drawn.depth[i, :, :, 0].numpy() - depth)[inner].max() < 0.01
        assert np.abs(drawn.points[i].numpy() - point)[inner].max() < 0.01
        assert np.abs(drawn.normal[i].numpy() - point / RADIUS)[inner].max() < 0.05
        assert np.abs(drawn.color[i].numpy() - point / 2 - 0.5)[inner].max() < 0.01


def test_background_is_white_without_depth_point_or_normal(pictures):
    _, drawn = pictures
    empty = drawn.hard_mask[..., 0] == 0
    assert (drawn.color[empty] == 1).all()
    for picture in (drawn.depth, drawn.points, drawn.normal):
        assert (picture[empty] == 0).all()


def test_the_soft_mask_differs_only_along_the_rim(pictures):
    _, drawn = pictures
    changed = (drawn.mask != drawn.hard_mask)[..., 0]
    assert changed.any()
    hard = drawn.hard_mask[..., 0]
    interior = -torch.nn.functional.max_pool2d(-hard[:, None], 3, 1, 1)[:, 0]
    assert not changed[interior > 0].any()
    assert drawn.mask.min() >= 0
    assert drawn.mask.max() <= 1


def test_no_faces_give_an_empty_picture():
    faces = torch.zeros(0, 3, dtype=torch.int64)
    drawn = render_mesh(
        torch.zeros(0, 3), faces, *matrices(camera()), 4, 5, EmbreeRasteriser(), lambda p: p
    )
    assert drawn.mask.shape == drawn.depth.shape == (1, 4, 5, 1)
    assert drawn.mask.sum() == drawn.depth.abs().sum() == drawn.points.abs().sum() == 0
    assert (drawn.normal == torch.tensor([0.0, 0, 1])).all()
    assert (drawn.color == 1).all()


class Frozen:
    """A rasteriser that keeps the faces it saw first, as an infinitesimal step would."""

    def __init__(self):
        self.ids = None

    def face_ids(self, clip, faces, height, width):
        if self.ids is None:
            self.ids = EmbreeRasteriser().face_ids(clip, faces, height, width)
        return self.ids


def test_gradient_to_vertices_is_the_difference_quotient():
    vertices, faces = ball(8)
    side = 24
    rasteriser = Frozen()
    torch.manual_seed(1)
    weights = torch.randn(3, 1, side, side, 1, dtype=torch.float64)

    def drawn(points):
        p = render_mesh(points, faces, *matrices(camera(0.3)), side, side, rasteriser)
        parts = (p.mask, p.depth, p.normal.sum(-1, True))
        sums = [(w * picture).sum() for w, picture in zip(weights, parts, strict=True)]
        return *sums, (p.points * weights[0]).sum()

    vertices = vertices + 0.01 * torch.randn(vertices.shape, dtype=torch.float64)
    assert drawn(vertices)[0] != 0
    assert torch.autograd.gradcheck(drawn, (vertices.requires_grad_(),), fast_mode=True)


def test_depth_reaches_the_grid_through_marching_cubes():
    axis = torch.linspace(-1, 1, 12, dtype=torch.float64)
    x, y, z = torch.meshgrid(axis, axis, axis, indexing="ij")
    grid = ((x**2 + y**2 + z**2).sqrt() - RADIUS).requires_grad_()
    surface = extract(grid)
    vertices = 2 * surface.vertices / 11 - 1
    drawn = render_mesh(
        vertices, surface.faces, *matrices(camera()), SIDE, SIDE, EmbreeRasteriser()
    )
    (gradient,) = torch.autograd.grad(drawn.depth.sum(), grid)
    # Larger values shrink the ball, away from the camera on +Z: depth grows on the near side and
    # the far side is not seen.
    assert gradient[:, :, 6:].sum() > 0
    assert gradient[:, :, :5].abs().sum() == 0


def test_autocast_changes_nothing():
    vertices, faces = (part.float() if part.is_floating_point() else part for part in ball(12))
    args = vertices, faces, *matrices(camera(0.7)), SIDE, SIDE, EmbreeRasteriser()
    plain = render_mesh(*args)
    with torch.autocast("cpu", torch.bfloat16):
        cast = render_mesh(*args)
    for name in ("mask", "depth", "points", "normal"):
        assert torch.equal(getattr(cast, name), getattr(plain, name))


def test_vertices_without_area_point_up_the_z_axis():
    vertices = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [5, 5, 5], [2, 0, 0]])
    normals = vertex_normals(vertices, torch.tensor([[0, 2, 1], [0, 1, 4]]))
    assert normals[:3].tolist() == [[0, 0, -1]] * 3
    assert normals[3:].tolist() == [[0, 0, 1]] * 2


def test_large_faces_weigh_more():
    vertices = torch.tensor([[0.0, 0, 0], [3, 0, 0], [0, 3, 0], [0, 0, 1]])
    normals = vertex_normals(vertices, torch.tensor([[0, 1, 2], [0, 2, 3]]))
    expected = torch.tensor([3.0, 0, 9.0]) / 90**0.5
    torch.testing.assert_close(normals[0], expected)
