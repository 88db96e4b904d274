import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ui.gl.orbit import FARTHEST_M, NEAREST_M, Orbit

ANGLES = st.floats(-180, 180)
TILTS = st.floats(-89, 89)
ASPECTS = st.floats(0.4, 3.0)
PLACES = st.tuples(st.floats(-0.95, 0.95), st.floats(-0.95, 0.95))


def projected(orbit, points, aspect):
    clip = np.c_[points, np.ones(len(points))] @ orbit.T_clip_world(aspect).T
    return clip[:, :3] / clip[:, 3:], clip[:, 3]


@given(ANGLES, TILTS, ASPECTS, PLACES, st.floats(0.5, 20))
def test_what_lies_in_a_direction_is_seen_there(azimuth, tilt, aspect, place, far):
    orbit = Orbit(np.array([0.3, -0.2, 1.1]), 4.0, azimuth, tilt)
    point = orbit.eye_m() + orbit.direction(*place, aspect) * far
    at, ahead = projected(orbit, point[None], aspect)
    assert np.allclose(at[0, :2], place, atol=1e-6)
    assert ahead[0] > 0


@given(ANGLES, TILTS, ASPECTS, st.tuples(*[st.floats(0.6, 9)] * 3))
def test_a_box_that_was_approached_fills_the_picture_and_fits(azimuth, tilt, aspect, size):
    orbit = Orbit(azimuth_deg=azimuth, elevation_deg=tilt)
    low = np.array([1.0, -3.0, 0.2])
    high = low + size
    assert orbit.approach(low, high, aspect, 1.0) > 0
    steps = [[i & 1, i >> 1 & 1, i >> 2 & 1] for i in range(8)]
    at, ahead = projected(orbit, low + np.array(steps) * (high - low), aspect)
    assert (ahead > 0).all()
    assert 0.94 < abs(at[:, :2]).max() < 0.95
    assert (abs(at[:, 2]) < 1).all()
    assert orbit.approach(low, high, aspect, 1.0) < 1e-9


def test_turning_keeps_the_distance_and_stops_at_the_poles():
    orbit = Orbit()
    orbit.turn(30, 500)
    assert orbit.elevation_deg == 90
    assert np.isclose(np.linalg.norm(orbit.eye_m() - orbit.centre_m), orbit.distance_m)
    assert np.isfinite(orbit.T_clip_world(1.5)).all()


def test_zooming_has_ends():
    orbit = Orbit()
    before = orbit.distance_m
    orbit.zoom(2)
    assert orbit.distance_m == before / 2
    orbit.zoom(1e9)
    assert orbit.distance_m == NEAREST_M
    orbit.zoom(1e-9)
    assert orbit.distance_m == FARTHEST_M
