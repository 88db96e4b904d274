import numpy as np
import pytest

from engine.core.faults import BadInput
from engine.core.surface import Mesh, TexturedMesh

# A box of 1 x 2 x 3 m with one corner in the origin; corner i at the bits of i.
CORNERS = np.array([[i & 1, i >> 1 & 1, i >> 2] for i in range(8)], np.float32) * [1, 2, 3]
SIDES = [(0, 4, 6, 2), (1, 3, 7, 5), (0, 1, 5, 4), (2, 6, 7, 3), (0, 2, 3, 1), (4, 5, 7, 6)]
FACES = np.array([f for a, b, c, d in SIDES for f in ((a, b, c), (a, c, d))], np.int32)


def box():
    return Mesh(CORNERS.astype(np.float32), FACES)


def test_a_box_has_the_area_bounds_and_normals_of_a_box():
    mesh = box()
    assert mesh.area_m2() == pytest.approx(2 * (1 * 2 + 2 * 3 + 1 * 3))
    low, high = mesh.bounds_m()
    assert (low.tolist(), high.tolist()) == ([0, 0, 0], [1, 2, 3])
    outward = mesh.vertices[mesh.faces].mean(axis=1) - [0.5, 1, 1.5]
    assert ((mesh.face_normals() * outward).sum(axis=1) > 0).all()
    assert np.linalg.norm(mesh.face_normals(), axis=1).sum() / 2 == pytest.approx(22)
    # Counter-clockwise seen from outside: the divergence theorem gives a positive volume.
    a, b, c = mesh.vertices[mesh.faces].transpose(1, 0, 2)
    assert np.einsum("ij,ij->", a, np.cross(b, c)) / 6 == pytest.approx(6)


def test_vertex_normals_are_unit_length_and_weigh_faces_by_area():
    flat = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 3]], np.float32)
    mesh = Mesh(flat, np.array([[0, 1, 2], [0, 3, 1]], np.int32))
    normals = mesh.vertex_normals()
    np.testing.assert_allclose(normals[2], (0, 0, 1), atol=1e-6)
    np.testing.assert_allclose(normals[3], (0, 1, 0), atol=1e-6)
    np.testing.assert_allclose(normals[0], np.array([0, 3, 1]) / np.sqrt(10), atol=1e-6)


def test_a_vertex_without_a_face_has_no_normal():
    mesh = Mesh(np.zeros((4, 3), np.float32), np.zeros((0, 3), np.int32))
    assert mesh.is_empty
    assert mesh.area_m2() == 0
    assert not mesh.vertex_normals().any()
    assert not box().is_empty


@pytest.mark.parametrize(
    ("vertices", "faces", "colors", "says"),
    [
        (np.zeros((4, 2)), FACES[:0], None, "vertices"),
        (np.zeros(3), FACES[:0], None, "vertices"),
        (CORNERS, FACES.reshape(-1, 4), None, "faces must"),
        (CORNERS, np.array([[0, 1, 8]]), None, "do not exist"),
        (CORNERS, np.array([[0, 1, -1]]), None, "do not exist"),
        (CORNERS[:0], np.array([[0, 0, 0]]), None, "do not exist"),
        (CORNERS, FACES, np.zeros((7, 3), np.uint8), "one colour"),
        (CORNERS, FACES, np.zeros((8, 4), np.uint8), "one colour"),
    ],
)
def test_arrays_that_are_no_mesh_are_refused(vertices, faces, colors, says):
    with pytest.raises(BadInput, match=says):
        Mesh(vertices, faces, colors)


def test_a_texture_needs_one_uv_a_vertex():
    picture = np.zeros((4, 4, 3), np.uint8)
    TexturedMesh(box(), np.zeros((8, 2), np.float32), picture)
    for uv in (np.zeros((7, 2), np.float32), np.zeros((8, 3), np.float32)):
        with pytest.raises(BadInput, match="one uv"):
            TexturedMesh(box(), uv, picture)


@pytest.mark.parametrize("flags", [np.ones(2, bool), np.ones((3, 1), bool), np.ones(3, np.uint8)])
def test_a_mesh_knows_of_every_vertex_whether_it_was_observed_or_of_none(flags):
    corners, face = np.eye(3, dtype=np.float32), np.array([[0, 1, 2]], np.int32)
    assert Mesh(corners, face, None, np.array([True, False, True])).is_observed.sum() == 2
    with pytest.raises(BadInput, match="every vertex whether it was observed"):
        Mesh(corners, face, None, flags)
