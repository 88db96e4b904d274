import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core.faults import MissingPart
from engine.kernels.raster_embree import EmbreeRasteriser
from engine.kernels.raster_nvdiffrast import NvdiffrastRasteriser
from engine.kernels.rasterise import fragments, interpolate, pixel_centres

H, W = 13, 17
NEAR, FAR = 0.1, 100.0


def perspective(focal=1.3):
    """Return the matrix from camera axes (looking along -z) to clip space, rows growing with y."""
    matrix = torch.zeros(4, 4, dtype=torch.float64)
    matrix[0, 0] = matrix[1, 1] = focal
    matrix[2, 2], matrix[2, 3] = (FAR + NEAR) / (NEAR - FAR), 2 * FAR * NEAR / (NEAR - FAR)
    matrix[3, 2] = -1
    return matrix


def to_clip(vertices, matrix=None):
    ones = torch.ones_like(vertices[:, :1])
    return (torch.cat([vertices, ones], 1) @ (perspective() if matrix is None else matrix).T)[None]


def soup(seed, faces=12):
    """Return unconnected random triangles before the camera."""
    generator = torch.Generator().manual_seed(seed)
    points = torch.rand(3 * faces, 3, generator=generator, dtype=torch.float64) * 2 - 1
    points[:, 2] = points[:, 2] - 2.5
    return points, torch.arange(3 * faces).reshape(-1, 3)


def by_hand(clip, faces, height, width):
    """Return ids, and which pixels are too near to an edge to tell: every face at every pixel."""
    centre = pixel_centres(torch.arange(height * width), height, width)
    corners = clip[0][faces]
    e = corners[None, :, :, :2] - centre[:, None, None] * corners[None, :, :, 3:]
    e0, e1, e2 = e.unbind(2)

    def cross(a, b):
        return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]

    share = torch.stack([cross(e1, e2), cross(e2, e0), cross(e0, e1)], -1)
    weights = share / share.sum(-1, keepdim=True)
    depth = (weights * corners[..., 2]).sum(-1) / (weights * corners[..., 3]).sum(-1)
    inside = (weights > 0).all(-1)
    unsure = ((weights.abs() < 1e-4) & (weights > -1e-4).all(-1, keepdim=True)).any((-1, -2))
    depth = torch.where(inside, depth, torch.inf)
    nearest = depth.argmin(-1)
    ids = torch.where(inside.any(-1), nearest, -1)
    two = depth.sort(-1).values[:, :2]
    unsure |= (two[:, 1] - two[:, 0]) < 1e-5
    return ids.reshape(height, width), unsure.reshape(height, width)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_ids_are_those_of_testing_every_face_at_every_pixel(seed):
    vertices, faces = soup(seed)
    clip = to_clip(vertices)
    ids = EmbreeRasteriser().face_ids(clip, faces, H, W)[0]
    expected, unsure = by_hand(clip, faces, H, W)
    assert torch.equal(ids[~unsure], expected[~unsure])
    assert (~unsure).double().mean() > 0.9


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_interpolated_points_lie_on_the_ray_of_their_pixel(seed):
    vertices, faces = soup(seed)
    clip = to_clip(vertices)
    seen = fragments(EmbreeRasteriser().face_ids(clip, faces, H, W), clip, faces)
    points = to_clip(interpolate(vertices, seen, faces))[0]
    here = points[:, :2] / points[:, 3:]
    torch.testing.assert_close(here, pixel_centres(seen.pixel, H, W), atol=1e-6, rtol=0)
    torch.testing.assert_close(points[:, 2] / points[:, 3], seen.depth, atol=1e-6, rtol=0)
    torch.testing.assert_close(seen.weights.sum(1), torch.ones_like(seen.depth))


def test_rows_grow_with_y_and_columns_with_x():
    corner = torch.tensor([[0.2, 0.2, -1], [2, 0.2, -1], [0.2, 2, -1]], dtype=torch.float64)
    ids = EmbreeRasteriser().face_ids(to_clip(corner), torch.tensor([[0, 1, 2]]), H, W)[0]
    assert ids[-1, W // 2 + 3] == 0
    assert (ids[: H // 2] == -1).all()
    assert (ids[:, : W // 2] == -1).all()


def test_the_first_weight_belongs_to_the_first_corner():
    vertices = torch.tensor([[-1, -1, -1], [1, -1, -1], [-1, 1, -1]], dtype=torch.float64)
    faces = torch.tensor([[0, 1, 2]])
    clip = to_clip(vertices)
    seen = fragments(EmbreeRasteriser().face_ids(clip, faces, H, W), clip, faces)
    nearest_corner = seen.weights[0]
    assert seen.pixel[0] == 0
    assert nearest_corner[0] > 0.7


def test_faces_are_seen_from_both_sides_the_nearer_one_wins_and_none_behind_the_eye():
    square = torch.tensor([[-9, -9, -1], [9, -9, -1], [0, 9, -1]], dtype=torch.float64)
    vertices = torch.cat([square * 3, square, square * torch.tensor([1, 1, -1])])
    faces = torch.tensor([[0, 1, 2], [5, 4, 3], [6, 7, 8]])
    ids = EmbreeRasteriser().face_ids(to_clip(vertices), faces, 4, 4)
    assert (ids == 1).all()
    assert (EmbreeRasteriser().face_ids(to_clip(vertices), faces[2:], 4, 4) == -1).all()
    assert (EmbreeRasteriser().face_ids(to_clip(vertices), faces[:0], 4, 4) == -1).all()


def test_several_views_are_several_pictures():
    vertices, faces = soup(5)
    clips = [to_clip(vertices), to_clip(vertices + torch.tensor([0.3, 0, 0]))]
    both = EmbreeRasteriser().face_ids(torch.cat(clips), faces, H, W)
    for view, clip in enumerate(clips):
        assert torch.equal(both[view], EmbreeRasteriser().face_ids(clip, faces, H, W)[0])
    seen = fragments(both, torch.cat(clips), faces)
    per_view = interpolate(torch.stack([vertices, vertices + 1]), seen, faces)
    plain = interpolate(vertices, seen, faces)
    torch.testing.assert_close(per_view - plain, seen.view[:, None].double().expand(-1, 3))


def test_gradient_of_weights_and_interpolation():
    vertices, faces = soup(8, faces=5)
    ids = EmbreeRasteriser().face_ids(to_clip(vertices), faces, 16, 16)

    def drawn(points):
        seen = fragments(ids, to_clip(points), faces)
        return interpolate(points, seen, faces), seen.depth

    assert len(drawn(vertices)[1]) > 5
    assert torch.autograd.gradcheck(drawn, (vertices.requires_grad_(),), fast_mode=True)


def test_a_face_seen_edge_on_gives_numbers():
    flat = torch.tensor([[0, -1, -2], [0, 1, -2], [0, 0, -3]], dtype=torch.float64)
    seen = fragments(
        torch.zeros(1, 1, 1, dtype=torch.int64), to_clip(flat), torch.tensor([[0, 1, 2]])
    )
    assert torch.isfinite(seen.weights).all()


def test_pictures_hold_the_background_elsewhere():
    vertices, faces = soup(1, faces=2)
    clip = to_clip(vertices)
    seen = fragments(EmbreeRasteriser().face_ids(clip, faces, H, W), clip, faces)
    picture = seen.picture(interpolate(vertices, seen, faces), 7.0)
    empty = seen.mask()[..., 0] == 0
    assert (picture[empty] == 7.0).all()
    assert not (picture[~empty] == 7.0).any()


def test_without_nvdiffrast_a_sentence_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "nvdiffrast", None)
    monkeypatch.setitem(sys.modules, "nvdiffrast.torch", None)
    with pytest.raises(MissingPart, match="nvdiffrast is not installed"):
        NvdiffrastRasteriser()


@pytest.mark.gpu
def test_nvdiffrast_sees_what_the_free_twin_sees():
    pytest.importorskip("nvdiffrast", reason="optional, not on the package index")
    vertices, faces = soup(2, faces=40)
    clip = to_clip(vertices).float().cuda()
    ours = EmbreeRasteriser().face_ids(clip, faces.cuda(), 128, 128)
    theirs = NvdiffrastRasteriser().face_ids(clip, faces.cuda(), 128, 128)
    # Coverage within a sixteenth of a pixel of an edge is decided otherwise there.
    assert (ours != theirs).float().mean() < 0.02


def test_pixel_centres_span_the_picture():
    centres = pixel_centres(torch.arange(6), 2, 3).reshape(2, 3, 2)
    np.testing.assert_allclose(centres[0, :, 0], [-2 / 3, 0, 2 / 3], atol=1e-12)
    np.testing.assert_allclose(centres[:, 0, 1], [-0.5, 0.5])
