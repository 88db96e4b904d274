import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core.faults import BadInput
from engine.core.poses import Pose
from engine.core.surface import Mesh, TexturedMesh
from engine.meshing.clip import cropped
from engine.meshing.count import counted
from engine.meshing.edits import moved
from tests.meshing.painted import frozen, painted
from tests.meshing.test_simplify import ball, sheet

number = st.floats(-0.4, 0.4)
edge = st.floats(0.2, 1.2)


def plain_area(mesh: Mesh, T_world_box: Pose, size) -> float:
    """Return the area in the box, one triangle and one side at a time (Sutherland, Hodgman)."""
    corners = T_world_box.inverse.apply(mesh.vertices.astype(np.float64))
    return sum(area_of(clipped(corners[face], np.array(size) / 2)) for face in mesh.faces)


def clipped(polygon, half):
    for axis, sign in [(axis, sign) for axis in range(3) for sign in (-1, 1)]:
        kept = []
        for a, b in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
            da, db = half[axis] - sign * a[axis], half[axis] - sign * b[axis]
            kept += [a] if da >= 0 else []
            kept += [a + (b - a) * da / (da - db)] if da * db < 0 else []
        if not kept:
            return np.zeros((0, 3))
        polygon = np.array(kept)
    return polygon


def area_of(polygon) -> float:
    if len(polygon) < 3:
        return 0.0
    fan = np.cross(polygon[1:-1] - polygon[0], polygon[2:] - polygon[0])
    return float(np.linalg.norm(fan.sum(axis=0)) / 2)


@given(st.tuples(*[number] * 6), st.tuples(edge, edge, edge))
@settings(max_examples=25, deadline=None)
def test_what_is_left_lies_in_the_box_and_is_all_that_does(twist, size):
    mesh, box = ball(2), Pose.exp(twist)
    want = plain_area(mesh, box, size)
    if want < 1e-3:
        return
    left = cropped(mesh, box, size)
    assert left.area_m2() == pytest.approx(want, rel=1e-4)
    inside = np.abs(box.inverse.apply(left.vertices.astype(np.float64))) - np.array(size) / 2
    assert inside.max() < 2e-6
    # Cut triangles look the way they did: outward.
    outward = (left.face_normals() * left.vertices[left.faces].mean(axis=1)).sum(axis=1)
    assert outward.min() > -1e-9


def test_a_ball_cut_in_two_has_one_rim_and_stays_in_one_piece_across_the_seams():
    whole = painted(ball(3))
    assert len(whole.mesh.vertices) > len(ball(3).vertices)
    half = cropped(whole, Pose.from_parts(np.eye(3), (0, 0, 1)), (4, 4, 2))
    told = counted(half)
    assert (told.pieces, told.holes) == (1, 1)
    assert told.area_m2 == pytest.approx(counted(whole).area_m2 / 2, rel=0.01)


def test_what_vertices_carry_runs_on_to_the_cut():
    plain = sheet(7)
    assert plain.colors is not None
    ramp = np.stack([250 * plain.vertices[:, 0], 250 * plain.vertices[:, 1]], axis=1)
    colors = np.column_stack([ramp, ramp[:, 0]]).astype(np.uint8)
    seen = plain.vertices[:, 0] < 0.5
    uv = plain.vertices[:, :2] * np.float32(0.5) + np.float32(0.25)
    mesh = Mesh(plain.vertices, plain.faces, colors, seen)
    sheet_in = TexturedMesh(mesh, uv, np.zeros((4, 4, 3), np.uint8))
    box = Pose.from_parts(Pose.exp([0, 0, 0.3, 0, 0, 0]).rotation, (0.5, 0.5, 0))
    left = cropped(sheet_in, box, (0.61, 0.43, 1))
    assert isinstance(left, TexturedMesh)
    assert left.texture is sheet_in.texture
    at = left.mesh.vertices
    assert left.uv == pytest.approx(at[:, :2] * 0.5 + 0.25, abs=1e-6)
    assert left.mesh.colors is not None
    assert left.mesh.colors[:, :2].astype(float) == pytest.approx(250 * at[:, :2], abs=1.6)
    assert left.mesh.area_m2() == pytest.approx(0.61 * 0.43, rel=1e-5)
    observed = left.mesh.is_observed
    assert observed is not None
    # Where one end of an edge was not observed, its cut is not; a cell is a seventh wide.
    assert observed[at[:, 0] < 0.28].all()
    assert not observed[at[:, 0] >= 0.58].any()
    assert observed.any()
    assert not observed.all()


def test_a_cut_along_edges_makes_no_slivers():
    mesh = sheet(8)
    left = cropped(mesh, Pose.from_parts(np.eye(3), (0.5, 0.5, 0)), (0.5, 0.5, 1))
    assert len(left.faces) == 2 * 4 * 4
    assert len(left.vertices) == 5 * 5
    # Through the corners of its cells, from edge to edge.
    turned = Pose.from_parts(Pose.exp([0, 0, np.pi / 4, 0, 0, 0]).rotation, (0.5, 0.5, 0))
    diamond = cropped(mesh, turned, (2**-0.5, 2**-0.5, 1))
    assert diamond.area_m2() == pytest.approx(0.5, rel=1e-5)
    assert np.linalg.norm(diamond.face_normals(), axis=1).min() > 1e-3
    told = counted(diamond)
    assert (told.pieces, told.holes) == (1, 1)


def test_a_box_round_everything_changes_nothing_and_a_cut_leaves_the_input_alone():
    mesh = frozen(painted(ball(2)))
    whole = cropped(mesh, Pose.identity(), (3, 3, 3))
    assert (whole.mesh.vertices == mesh.mesh.vertices).all()
    assert (whole.mesh.faces == mesh.mesh.faces).all()
    cropped(mesh, Pose.identity(), (0.5, 3, 3))


def test_cropping_twice_is_cropping_once():
    mesh, box = moved(ball(3), Pose.exp([0.2, 0.1, 0, 3, 4, 5])), Pose.exp([0.3, 0, 0, 3, 4, 5])
    once = cropped(mesh, box, (0.7, 0.8, 0.6))
    again = cropped(once, box, (0.7, 0.8, 0.6))
    assert again.area_m2() == pytest.approx(once.area_m2(), rel=1e-6)
    assert len(again.faces) == pytest.approx(len(once.faces), abs=3)


@pytest.mark.parametrize("size", [(0, 1, 1), (-1, 1, 1), (np.nan, 1, 1), (np.inf, 1, 1)])
def test_a_box_without_volume_is_refused(size):
    with pytest.raises(BadInput, match="no volume"):
        cropped(ball(1), Pose.identity(), size)


def test_a_box_beside_the_surface_is_refused():
    with pytest.raises(BadInput, match="Nothing"):
        cropped(ball(1), Pose.from_parts(np.eye(3), (5, 0, 0)), (1, 1, 1))
