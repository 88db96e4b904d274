import numpy as np

from engine.core.surface import Mesh
from engine.export.weld import places, smooth_normals, welded
from tests.export.shapes import ball


def test_places_are_found_and_zero_has_one_sign():
    vertices = np.array([[1, 0, 2], [3, 0, 1], [1, -0.0, 2], [1, 0, 2.0001]], np.float32)
    first, where = places(vertices)
    assert len(first) == 3
    assert where[0] == where[2]
    assert np.array_equal(vertices[first][where], vertices)


def test_a_mesh_torn_into_triangles_is_joined_again():
    mesh = ball()
    torn = Mesh(
        mesh.vertices[mesh.faces].reshape(-1, 3), np.arange(3 * len(mesh.faces)).reshape(-1, 3)
    )
    joined = welded(torn)
    assert len(joined.vertices) == len(np.unique(mesh.vertices, axis=0))
    assert np.array_equal(joined.vertices[joined.faces], mesh.vertices[mesh.faces])


def test_normals_do_not_break_at_seams():
    mesh = ball()
    torn = Mesh(
        mesh.vertices[mesh.faces].reshape(-1, 3), np.arange(3 * len(mesh.faces)).reshape(-1, 3)
    )
    assert np.allclose(
        smooth_normals(torn), smooth_normals(mesh)[mesh.faces].reshape(-1, 3), atol=1e-5
    )
    # The exact normal of an ellipsoid is its position over the squared half axes.
    exact = (mesh.vertices - (10.0, -20.0, 0.5)) / np.square((3.0, 2.0, 1.0))
    exact /= np.linalg.norm(exact, axis=1, keepdims=True)
    assert np.einsum("ni,ni->n", smooth_normals(mesh), exact).min() > 0.9
