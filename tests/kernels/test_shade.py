import numpy as np
import pytest

from engine.core.camera import Intrinsics
from engine.core.surface import Mesh, TexturedMesh
from engine.kernels.raster import MeshScene
from engine.kernels.shade import render_colored, render_textured
from tests.scenes import look_at

CAMERA = Intrinsics(80, 60, 60.0, 60.0, 40.0, 30.0)
FRONT = look_at(np.array([0.0, -1.0, 0.0]), np.zeros(3))


def square(half: float) -> Mesh:
    """Return a square facing the camera; its vertices run round from the lower left."""
    corners = np.array([[-1, 0, -1], [1, 0, -1], [1, 0, 1], [-1, 0, 1]], np.float32) * half
    colors = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]], np.uint8)
    return Mesh(corners, np.array([[0, 1, 2], [0, 2, 3]], np.int32), colors)


def hung(texture: np.ndarray, half: float) -> TexturedMesh:
    uv = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    return TexturedMesh(square(half), uv, texture)


def test_texture_hangs_upright_and_in_place():
    texture = np.zeros((60, 80, 3), np.uint8)
    texture[:30, :40] = (255, 0, 0)  # upper left
    texture[30:, 40:] = (0, 0, 255)  # lower right
    picture = hung(texture, 0.4)
    color, covered = render_textured(picture, MeshScene(picture.mesh), CAMERA, FRONT)
    assert color.shape == (60, 80, 3)
    assert tuple(color[20, 30]) == (255, 0, 0)
    assert tuple(color[40, 50]) == (0, 0, 255)
    assert color[20, 50].max() == 0
    assert covered.sum() == pytest.approx(48 * 48, abs=8)
    assert color[~covered].max() == 0


def test_a_texture_the_size_of_the_picture_comes_back_as_it_was():
    rng = np.random.default_rng(0)
    texture = rng.integers(0, 256, (48, 48, 3), np.uint8)
    picture = hung(texture, 0.4)
    color, covered = render_textured(picture, MeshScene(picture.mesh), CAMERA, FRONT, 1)
    assert covered[6:54, 16:64].all()
    assert np.abs(color[6:54, 16:64].astype(int) - texture).max() <= 12


def test_fine_texture_does_not_alias():
    # One black and one white texel by turns: grey from afar, whatever the phase.
    stripes = np.zeros((1024, 1024, 3), np.uint8)
    stripes[:, ::2] = 255
    picture = hung(stripes, 0.4)
    color, covered = render_textured(picture, MeshScene(picture.mesh), CAMERA, FRONT)
    assert np.abs(color[covered].astype(int) - 127).max() < 8


def test_vertex_colours_are_interpolated():
    mesh = square(0.4)
    color, covered = render_colored(mesh, MeshScene(mesh), CAMERA, FRONT)
    assert covered[30, 40]
    assert np.abs(color[30, 40].astype(int) - (128, 0, 128)).max() < 8
    grey, _ = render_colored(Mesh(mesh.vertices, mesh.faces), MeshScene(mesh), CAMERA, FRONT)
    assert tuple(grey[30, 40]) == (128, 128, 128)


def test_nothing_in_view_is_black_and_uncovered():
    away = look_at(np.array([0.0, -1.0, 0.0]), np.array([0.0, -2.0, 0.0]))
    picture = hung(np.full((8, 8, 3), 200, np.uint8), 0.4)
    color, covered = render_textured(picture, MeshScene(picture.mesh), CAMERA, away)
    assert not covered.any()
    assert color.max() == 0
