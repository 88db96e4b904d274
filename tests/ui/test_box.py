import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.poses import Pose
from ui.gl.box import HANDLES, SMALLEST_M, Box
from ui.gl.picking import Ray
from ui.gl.shaders import unit_of_box

SIZE = (2.0, 1.0, 0.5)
TURNED = Pose.exp(np.array([0.4, -0.2, 0.9, 1.0, 2.0, 0.5]))


def ray_to(point, origin=(9.0, 7.0, 5.0)):
    way = np.asarray(point) - origin
    return Ray(np.array(origin), way / np.linalg.norm(way))


@given(st.sampled_from(range(6)), st.floats(-0.3, 2.0))
def test_a_pulled_face_follows_the_pointer_and_the_opposite_one_stays(handle, by_m):
    box = Box(TURNED, SIZE)
    axis, side = HANDLES[handle]
    start = box.handles_m()[handle]
    goal = start + box.T_world_box.rotation[:, axis] * side * by_m
    pulled = box.pulled(handle, ray_to(goal))
    assert np.allclose(pulled.handles_m()[handle], goal, atol=1e-6)
    assert np.allclose(pulled.handles_m()[handle ^ 1], box.handles_m()[handle ^ 1], atol=1e-6)
    assert np.array_equal(pulled.T_world_box.rotation, box.T_world_box.rotation)
    others = [i for i in range(3) if i != axis]
    assert [pulled.size_m[i] for i in others] == [SIZE[i] for i in others]


def test_a_face_pushed_through_the_opposite_one_stops_before_it():
    box = Box(TURNED, SIZE)
    goal = box.handles_m()[0] + 3 * (box.handles_m()[1] - box.handles_m()[0])
    pulled = box.pulled(0, ray_to(goal))
    assert pulled.size_m[0] == pytest.approx(SMALLEST_M)


def test_a_ray_along_the_way_moves_nothing():
    box = Box(Pose.identity(), SIZE)
    assert box.pulled(1, Ray(np.array([5.0, 0.0, 0.0]), np.array([-1.0, 0.0, 0.0]))) is box


def test_edges_join_corners_and_have_the_lengths_of_the_box():
    lengths = np.linalg.norm(np.diff(Box(TURNED, SIZE).edges_m(), axis=1), axis=-1).ravel()
    assert np.allclose(sorted(lengths), sorted(SIZE * 4))
    assert len(np.unique(Box(TURNED, SIZE).edges_m().round(6).reshape(-1, 6), axis=0)) == 12


def test_the_unit_cube_of_a_box_is_its_inside():
    box = Box(TURNED, SIZE)
    unit = unit_of_box(TURNED.inverse.matrix, SIZE)
    faces = box.handles_m() @ unit[:3, :3].T + unit[:3, 3]
    assert np.allclose(np.abs(faces).max(axis=1), 1)
