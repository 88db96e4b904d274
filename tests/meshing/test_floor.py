import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core.edits import Level
from engine.core.faults import BadInput
from engine.core.poses import Pose
from engine.core.surface import Mesh
from engine.meshing.edits import edited, moved
from tests.meshing.test_simplify import ball, sheet

FLOOR_M, TABLE_M, ROOM_M = -0.4, 0.3, 2.0


def placed(mesh: Mesh, size_m: float, T_world_mesh: Pose) -> Mesh:
    grown = Mesh(mesh.vertices * np.float32(size_m), mesh.faces)
    result = moved(grown, T_world_mesh)
    assert isinstance(result, Mesh)
    return result


def joined(*meshes: Mesh) -> Mesh:
    starts = np.cumsum([0, *(len(m.vertices) for m in meshes)])
    faces = [m.faces + np.int32(s) for m, s in zip(meshes, starts, strict=False)]
    return Mesh(np.concatenate([m.vertices for m in meshes]), np.concatenate(faces))


def room() -> Mesh:
    """A floor of 3 x 3 m, rough, a table of 1.5 m on it, a ceiling, two walls; crumbs below."""
    wall = Pose.exp([-np.pi / 2, 0, 0, 0, 0, 0])
    return joined(
        placed(sheet(40, 0.0015), 3, Pose.from_parts(np.eye(3), (-1, -1, FLOOR_M))),
        placed(sheet(20, 0.002), 1.5, Pose.from_parts(np.eye(3), (0, 0, TABLE_M))),
        placed(sheet(20), 3, Pose.from_parts(np.diag([1.0, -1, -1]), (-1, 2, ROOM_M))),
        placed(sheet(20), 3, Pose.from_parts(wall.rotation, (-1, 2, FLOOR_M + 3))),
        placed(ball(1), 0.1, Pose.from_parts(np.eye(3), (0.3, 0.3, -2))),
    )


ROOM = room()


@given(st.floats(-0.3, 0.3), st.floats(-0.3, 0.3), st.floats(-3, 3), st.floats(-5, 5))
@settings(max_examples=10, deadline=None)
def test_a_tilted_room_is_stood_on_its_floor(pitch, roll, yaw, height_m):
    tilt = Pose.exp([pitch, roll, 0, 1, 2, height_m]) @ Pose.exp([0, 0, yaw, 0, 0, 0])
    result = edited(moved(ROOM, tilt), Level())
    assert result.T_new_old is not None
    stood = result.T_new_old @ tilt
    up = stood.rotation @ [0, 0, 1]
    assert np.degrees(np.arccos(min(up[2], 1))) < 0.3
    middle = stood.apply(np.array([0.5, 0.5, FLOOR_M]))
    assert abs(middle[2]) < 0.01
    # The least turn: what lay north of something still does.
    before = tilt.rotation @ [1, 0, 0]
    after = stood.rotation @ [1, 0, 0]
    assert (
        np.degrees(np.arccos(np.clip(before @ after, -1, 1)))
        < np.degrees(np.hypot(pitch, roll)) + 0.5
    )
    mesh = result.surface
    assert isinstance(mesh, Mesh)
    assert mesh.vertices == pytest.approx(stood.apply(ROOM.vertices.astype(float)), abs=1e-4)


def test_a_click_says_which_plane_is_the_floor_and_a_rough_normal_is_enough():
    on_table = Level((0.7, 0.7, TABLE_M + 0.003), (0.2, -0.1, 1.0))
    stood = edited(ROOM, on_table).T_new_old
    assert stood is not None
    assert stood.rotation[2, 2] > np.cos(np.radians(0.3))
    assert stood.apply(np.array([0.7, 0.7, TABLE_M]))[2] == pytest.approx(0, abs=0.005)


def test_a_room_on_its_head_is_turned_round_by_a_click():
    upside = Pose.from_parts(np.diag([1.0, -1, -1]), (0, 0, 0))
    point, normal = upside.apply(np.array([0.2, 0.2, FLOOR_M])), (0.0, 0.0, -1.0)
    T_new_old = edited(moved(ROOM, upside), Level(tuple(point), normal)).T_new_old
    assert T_new_old is not None
    stood = T_new_old @ upside
    assert (stood.rotation @ [0, 0, 1])[2] > 0.9999
    assert stood.apply(np.array([0.2, 0.2, FLOOR_M]))[2] == pytest.approx(0, abs=0.005)


def test_a_point_away_from_the_surface_is_taken_at_its_word():
    T_new_old = edited(ROOM, Level((9, 9, 9), (0, 1, 1))).T_new_old
    assert T_new_old is not None
    assert T_new_old.apply(np.array([9.0, 9, 9])) == pytest.approx([9, 9, 0], abs=1e-9)
    assert T_new_old.rotation @ [0, 2**-0.5, 2**-0.5] == pytest.approx([0, 0, 1], abs=1e-9)


@pytest.mark.parametrize(
    "surface", [ball(3), placed(sheet(9), 3, Pose.exp([np.pi / 2, 0, 0, 0, 0, 0]))]
)
def test_where_nothing_is_flat_and_large_no_floor_is_made_up(surface):
    with pytest.raises(BadInput, match="No floor"):
        edited(surface, Level())


@pytest.mark.parametrize(
    "edit",
    [
        Level((0, 0, 0)),
        Level(None, (0, 0, 1)),
        Level((0, 0, 0), (0, 0, 0)),
        Level((np.nan, 0, 0), (0, 0, 1)),
    ],
)
def test_half_a_plane_is_refused(edit):
    with pytest.raises(BadInput):
        edited(ROOM, edit)
