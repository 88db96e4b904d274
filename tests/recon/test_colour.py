import numpy as np

from engine.core.frames import Photo
from engine.core.surface import Mesh
from engine.recon.colour import UNSEEN, coloured
from engine.runtime.progress import run_job
from tests.recon.test_surface import ball
from tests.scenes import BALL_CENTER, BALL_RADIUS, orbit


def run(job):
    return run_job(job, lambda _: None, lambda: False)


def photos(count=9):
    return [Photo(f.color, f.intrinsics, f.T_world_cam, f.index) for f in orbit(count)]


def ball_mesh():
    """Return the ball of the pictures, from samples of another ball."""
    mesh = run(ball(4).mesh())
    unit = mesh.vertices - mesh.vertices.mean(axis=0)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    vertices = (BALL_CENTER + BALL_RADIUS * unit).astype(np.float32)
    return Mesh(vertices, mesh.faces)


def test_vertices_take_the_colour_of_the_place_and_grey_where_nobody_looked():
    mesh = run(coloured(ball_mesh(), photos()))
    away = mesh.vertices[:, 1] - BALL_CENTER[1]
    front, back = away < -0.2, away > 0.35
    truth = 128 + 100 * np.sin(9 * mesh.vertices[front].astype(np.float64))
    assert np.abs(mesh.colors[front] - truth).mean() < 6
    assert front.sum() > 500
    # The far side is hidden by the near one.
    assert (mesh.colors[back] == UNSEEN).mean() > 0.95


def test_without_photographs_nothing_is_coloured():
    mesh = ball_mesh()
    assert run(coloured(mesh, [])) is mesh
    empty = Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))
    assert run(coloured(empty, photos(1))) is empty
