import numpy as np
import pytest

from engine.core.faults import BadInput
from engine.core.settings import TextureSettings
from engine.core.surface import Mesh, TexturedMesh
from engine.kernels.raster import MeshScene
from engine.kernels.shade import render_textured
from engine.texturing.bake import texture
from tests.scenes import look_at
from tests.texturing.worlds import (
    CAMERA,
    around,
    ball,
    finish,
    joined,
    photograph,
    picture,
    plate,
    waves,
)

SMALL = TextureSettings(size_px=512)


def psnr_from(textured: TexturedMesh, eye: np.ndarray) -> float:
    scene = MeshScene(textured.mesh)
    T_world_cam = look_at(eye, np.zeros(3))
    drawn, covered = render_textured(textured, scene, CAMERA, T_world_cam)
    truth = picture(scene, T_world_cam, waves)
    error = (drawn[covered].astype(float) - truth[covered]) ** 2
    return float(10 * np.log10(255**2 / error.mean()))


def texel_colors(textured: TexturedMesh, faces: np.ndarray) -> np.ndarray:
    """Return the texture at the centres of faces, levels."""
    size = textured.texture.shape[0]
    uv = textured.uv[textured.mesh.faces[faces]].mean(axis=1)
    column, row = (uv[:, 0] * size).astype(int), ((1 - uv[:, 1]) * size).astype(int)
    return textured.texture[row, column].astype(float)


@pytest.fixture(scope="module")
def painted_ball() -> TexturedMesh:
    mesh = ball()
    return finish(texture(mesh, photograph(mesh, around(16), waves), SMALL))


def test_looks_like_the_truth_from_where_no_photograph_was_taken(painted_ball: TexturedMesh):
    for eye in ([1.1, 0.9, 0.7], [-1.2, 0.4, -0.9], [0.2, -1.5, 0.3]):
        assert psnr_from(painted_ball, np.array(eye)) > 32


def test_no_background_at_the_third_mip_level(painted_ball: TexturedMesh):
    # The ball is nowhere darker than 38 and the photographs' background is black.
    small = painted_ball.texture.reshape(64, 8, 64, 8, 3).mean(axis=(1, 3))
    assert small.min() > 25
    assert painted_ball.texture.min() > 20


def test_geometry_and_uv_survive(painted_ball: TexturedMesh):
    mesh = ball()
    assert (painted_ball.mesh.vertices[painted_ball.mesh.faces] == mesh.vertices[mesh.faces]).all()
    assert painted_ball.uv.min() >= 0
    assert painted_ball.uv.max() <= 1


def test_exposures_are_balanced_and_leave_no_seam():
    mesh = plate(0.0, 0.5, 24)
    eyes = [np.array([x, -0.9, z]) for x in (-0.35, 0.35) for z in (-0.25, 0.25)]
    exposures = [0.7, 1.1, 0.9, 1.3]

    def grey(points: np.ndarray) -> np.ndarray:
        return np.full((*points.shape[:-1], 3), 120.0)

    textured = finish(texture(mesh, photograph(mesh, eyes, grey, exposures), SMALL))
    seen = texel_colors(textured, np.arange(len(mesh.faces)))[:, 0]
    # Where one photograph takes over from another, they themselves differ by up to 72 levels.
    grid = seen.reshape(2, 24, 24)[0]
    steps = np.concatenate([np.abs(np.diff(grid, axis=0)).ravel(), np.abs(np.diff(grid)).ravel()])
    assert steps.max() < 20
    assert np.mean(steps) < 4
    assert np.median(seen) == pytest.approx(120, abs=15)


def test_hidden_faces_take_nothing_from_what_hides_them():
    back, front = plate(0.3, 0.5, 24), plate(0.0, 0.15, 8)
    mesh = joined(back, front)

    def two(points: np.ndarray) -> np.ndarray:
        return np.where(points[..., 1:2] < 0.15, [250.0, 0, 0], [20.0, 120, 200])

    eyes = [np.array([x, -1.2, z]) for x in (-0.9, 0.0, 0.9) for z in (-0.9, 0.0, 0.9)]
    textured = finish(texture(mesh, photograph(mesh, eyes, two), SMALL))
    behind = texel_colors(textured, np.arange(len(back.faces)))
    before = texel_colors(textured, np.arange(len(back.faces), len(mesh.faces)))
    assert np.abs(behind - [20, 120, 200]).max() < 30
    assert np.abs(before - [250, 0, 0]).max() < 30


def test_unseen_faces_continue_their_neighbours():
    mesh = ball()

    def halves(points: np.ndarray) -> np.ndarray:
        return np.where(points[..., 2:3] > 0, [200.0, 60, 60], [60.0, 60, 200])

    one_side = photograph(mesh, [np.array([0.0, -1.6, 0.0])], halves)
    textured = finish(texture(mesh, one_side, SMALL))
    centers = mesh.vertices[mesh.faces].mean(axis=1)
    hidden = centers[:, 1] > 0.2
    colors = texel_colors(textured, np.flatnonzero(hidden))
    up = centers[hidden, 2]
    assert colors.min() > 40
    assert colors.max() < 220
    # Red spreads over the top and blue over the bottom.
    assert (colors[up > 0.25, 0] > colors[up > 0.25, 2]).all()
    assert (colors[up < -0.25, 2] > colors[up < -0.25, 0]).all()


def test_unseen_faces_follow_the_vertex_colours():
    bare = ball()
    true_colors = waves(bare.vertices.astype(np.float64)).astype(np.uint8)
    # The volume saw everything a little darker than the one photograph shows it.
    mesh = Mesh(bare.vertices, bare.faces, (true_colors * 0.8).astype(np.uint8))
    one_side = photograph(mesh, [np.array([0.0, -1.6, 0.0])], waves)
    textured = finish(texture(mesh, one_side, SMALL))
    centers = mesh.vertices[mesh.faces].mean(axis=1)
    hidden = np.flatnonzero(centers[:, 1] > 0.2)
    truth = waves(centers[hidden].astype(np.float64))
    assert np.abs(texel_colors(textured, hidden) - truth).mean() < 25


def test_without_photographs_the_vertex_colours_are_painted():
    bare = ball(3)
    mesh = Mesh(bare.vertices, bare.faces, waves(bare.vertices.astype(np.float64)).astype(np.uint8))
    textured = finish(texture(mesh, [], SMALL))
    centers = mesh.vertices[mesh.faces].mean(axis=1).astype(np.float64)
    assert np.abs(texel_colors(textured, np.arange(len(mesh.faces))) - waves(centers)).mean() < 12
    assert textured.mesh.colors is not None


def test_nothing_to_paint_with_is_said_clearly():
    with pytest.raises(BadInput, match="neither a photograph nor a vertex colour"):
        finish(texture(ball(1), [], SMALL))


def test_a_mesh_without_surface_is_refused():
    empty = Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))
    flat = Mesh(np.zeros((3, 3), np.float32), np.array([[0, 1, 2]], np.int32))
    photos = photograph(ball(1), around(1), waves)
    for mesh in (empty, flat):
        with pytest.raises(BadInput, match="without surface"):
            finish(texture(mesh, photos, SMALL))


def test_equal_input_gives_equal_texture():
    mesh = ball(2)
    photos = photograph(mesh, around(4), waves)
    first = finish(texture(mesh, photos, TextureSettings(size_px=256)))
    second = finish(texture(mesh, photos, TextureSettings(size_px=256)))
    assert (first.texture == second.texture).all()
