"""Clicks beside edges of noisy boxes and rooms whose sizes are known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core.faults import BadInput
from engine.core.poses import Pose
from engine.core.surface import Mesh
from ui.measure import (
    area_of_plane,
    area_of_polygon,
    between,
    box_of,
    distance,
    plane_at,
    snap,
)
from ui.planes import connected_parts, patch_round
from ui.units import METRES_A_FOOT, Units, length_in_words, size_in_words

NOISE_M = 0.002
SIDES = [(axis, sign) for axis in range(3) for sign in (-1, 1)]


def sheet(origin, u, v, step):
    """Triangles of a rectangle from a corner along two edges, facing u x v."""
    origin, u, v = (np.asarray(part, float) for part in (origin, u, v))
    columns = max(round(np.linalg.norm(u) / step), 1)
    rows = max(round(np.linalg.norm(v) / step), 1)
    a, b = np.meshgrid(np.linspace(0, 1, columns + 1), np.linspace(0, 1, rows + 1))
    points = origin + a.reshape(-1, 1) * u + b.reshape(-1, 1) * v
    at = np.arange(len(points)).reshape(rows + 1, columns + 1)
    p, q, r, s = (part.ravel() for part in (at[:-1, :-1], at[:-1, 1:], at[1:, 1:], at[1:, :-1]))
    return points, np.concatenate([np.stack([p, q, r], 1), np.stack([p, r, s], 1)])


def joined(parts):
    """One mesh of several sheets, welded where corners coincide."""
    points = np.concatenate([part[0] for part in parts])
    starts = np.cumsum([0] + [len(part[0]) for part in parts[:-1]])
    faces = np.concatenate([part[1] + s for part, s in zip(parts, starts, strict=True)])
    _, first, back = np.unique(np.round(points, 6), axis=0, return_index=True, return_inverse=True)
    return points[first], back.ravel()[faces]


def box_parts(size, step, inward=False):
    """Six sheets of a box round the origin that face outwards, or inwards as walls do."""
    parts = []
    for axis, sign in SIDES:
        u, v = np.zeros(3), np.zeros(3)
        u[(axis + 1) % 3], v[(axis + 2) % 3] = size[(axis + 1) % 3], size[(axis + 2) % 3]
        corner = -np.asarray(size, float) / 2
        corner[axis] *= -sign
        if (sign > 0) == inward:
            u, v = v, u
        parts.append(sheet(corner, u, v, step))
    return parts


def mesh_of(points, faces, noise_m=NOISE_M, seed=0):
    noise = np.random.default_rng(seed).normal(0, noise_m, points.shape)
    return Mesh((points + noise).astype(np.float32), faces.astype(np.int32))


def rounded(points, size, radius):
    """The surface of a box whose edges are rounded as fused ones are."""
    inner = np.clip(points, -np.asarray(size) / 2 + radius, np.asarray(size) / 2 - radius)
    away = points - inner
    return inner + radius * away / np.linalg.norm(away, axis=1, keepdims=True)


SIZE = (1.0, 0.6, 0.4)
POINTS, FACES = joined(box_parts(SIZE, 0.01))


def click_near(corner, miss):
    """A point on the top of the box, missing its corner by a little, as a hand does."""
    return np.array(corner) - np.sign(corner) * [miss[0], miss[1], 0.0]


def test_faces_of_the_test_boxes_look_outwards_and_inwards():
    assert mesh_of(POINTS, FACES, 0).area_m2() == pytest.approx(2 * (0.6 + 0.4 + 0.24), rel=1e-6)
    for inward, way in ((False, 1), (True, -1)):
        points, faces = joined(box_parts(SIZE, 0.1, inward))
        mesh = mesh_of(points, faces, 0)
        middles = mesh.vertices[mesh.faces].mean(axis=1)
        assert (way * (middles * mesh.face_normals()).sum(axis=1) > 0).all()


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 999),
    miss=st.tuples(st.floats(0.002, 0.018), st.floats(0.002, 0.018)),
    twist=st.lists(st.floats(-3, 3), min_size=6, max_size=6),
)
def test_a_known_edge_is_measured_within_a_centimetre(seed, miss, twist):
    pose = Pose.exp(twist)
    mesh = mesh_of(pose.apply(rounded(POINTS, SIZE, 0.008)), FACES, seed=seed)
    clicks = [click_near((x, 0.3, 0.2), miss) for x in (-0.5, 0.5)]
    ends = [snap(mesh, pose.apply(click)) for click in clicks]
    assert [end.kind for end in ends] == ["corner", "corner"]
    assert distance(*(end.point_m for end in ends)).metres == pytest.approx(1.0, abs=0.005)


def test_without_snapping_such_clicks_would_miss():
    clicks = [click_near((x, 0.3, 0.2), (0.018, 0.018)) for x in (-0.5, 0.5)]
    assert abs(distance(*clicks).metres - 1.0) > 0.01


def test_a_click_near_an_edge_lands_on_it_and_one_on_a_wall_stays():
    mesh = mesh_of(POINTS, FACES)
    beside = snap(mesh, np.array([0.1, 0.285, 0.2]))
    assert beside.kind == "edge"
    np.testing.assert_allclose(beside.point_m, [0.1, 0.3, 0.2], atol=0.004)
    away = np.array([0.1, 0.2, 0.2])
    alone = snap(mesh, away)
    assert alone.kind == "surface"
    np.testing.assert_array_equal(alone.point_m, away)


def test_a_table_and_a_wall_that_do_not_touch_make_no_edge():
    wall = sheet((0, 0, 0), (0, 2, 0), (0, 0, 2), 0.02)
    table = sheet((0.08, 0.5, 0.7), (0.6, 0, 0), (0, 1, 0), 0.02)
    mesh = mesh_of(*joined([wall, table]))
    assert snap(mesh, np.array([0.0, 1.0, 0.71])).kind == "surface"


def test_two_large_triangles_a_wall_are_enough():
    points, faces = joined(box_parts((4.0, 3.0, 2.5), 100.0, inward=True))
    mesh = mesh_of(points, faces, 0)
    assert len(mesh.faces) == 12
    found = snap(mesh, np.array([1.99, 1.48, -1.25]))
    assert found.kind == "corner"
    np.testing.assert_allclose(found.point_m, [2, 1.5, -1.25], atol=1e-6)
    plane = plane_at(mesh, np.array([2.0, 0.3, 0.2]), np.array([-1.0, 0, 0]))
    assert plane.area_m2 == pytest.approx(3.0 * 2.5)
    assert plane.normal[0] == pytest.approx(-1)


def test_walls_of_a_room_have_a_distance_and_neighbours_an_angle():
    points, faces = joined(box_parts((2.0, 1.5, 1.2), 0.02, inward=True))
    mesh = mesh_of(points, faces)
    left = plane_at(mesh, np.array([-1.0, 0.2, 0.1]), np.array([1.0, 0, 0]))
    right = plane_at(mesh, np.array([1.0, -0.3, 0.2]), np.array([-1.0, 0, 0]))
    back = plane_at(mesh, np.array([0.3, 0.75, 0.2]), np.array([0, -1.0, 0]))
    across = between(left, right)
    assert across.metres == pytest.approx(2.0, abs=0.002)
    line = across.points_m
    assert np.linalg.norm(line[1] - line[0]) == pytest.approx(across.metres)
    turned = between(left, back)
    assert turned.metres is None
    assert turned.degrees == pytest.approx(90, abs=0.5)
    assert left.area_m2 == pytest.approx(1.5 * 1.2, rel=0.03)


def test_the_angle_of_a_bay_window_is_the_one_a_protractor_shows():
    turn = np.radians(60)
    parts = [
        sheet((0, 0, 0), (0, 0, 1), (1, 0, 0), 0.02),
        sheet((1, 0, 0), (0, 0, 1), (np.cos(turn), np.sin(turn), 0), 0.02),
    ]
    mesh = mesh_of(*joined(parts))
    sides = [
        plane_at(mesh, np.array([0.5, 0, 0.5]), np.array([0.0, 1, 0])),
        plane_at(
            mesh,
            np.array([1 + 0.5 * np.cos(turn), 0.5 * np.sin(turn), 0.5]),
            np.array([-np.sin(turn), np.cos(turn), 0]),
        ),
    ]
    assert between(*sides).degrees == pytest.approx(120, abs=0.7)


def test_the_area_of_a_table_does_not_take_in_the_floor_or_a_table_as_high():
    parts = [
        sheet((0, 0, 0), (3, 0, 0), (0, 3, 0), 0.03),
        sheet((0.5, 0.5, 0.7), (1.2, 0, 0), (0, 0.6, 0), 0.015),
        sheet((2.0, 0.5, 0.7), (0.6, 0, 0), (0, 0.6, 0), 0.015),
    ]
    mesh = mesh_of(*joined(parts))
    area = area_of_plane(plane_at(mesh, np.array([1.0, 0.8, 0.7]), np.array([0, 0, 1.0])))
    assert area.square_metres == pytest.approx(0.72, rel=0.03)
    assert np.ptp(area.points_m[:, 2]) < 0.02
    assert sorted(np.ptp(area.points_m, axis=0)[:2]) == pytest.approx([0.6, 1.2], abs=0.05)


def test_a_seam_of_the_atlas_does_not_cut_a_plane_in_two():
    halves = [sheet((x, 0, 0), (1, 0, 0), (0, 1, 0), 0.1) for x in (0.0, 1.0)]
    points = np.concatenate([half[0] for half in halves])
    faces = np.concatenate([halves[0][1], halves[1][1] + len(halves[0][0])])
    mesh = mesh_of(points, faces, 0)
    plane = plane_at(mesh, np.array([0.5, 0.5, 0.0]), np.array([0, 0, 1.0]))
    assert plane.area_m2 == pytest.approx(2.0)
    assert len(set(connected_parts(mesh.vertices[mesh.faces].astype(float)))) == 1


def test_nothing_flat_is_said_to_be_so():
    angle = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    height = np.linspace(-0.98, 0.98, 30)
    a, h = np.meshgrid(angle, height)
    width = np.sqrt(1 - h**2)
    ball = 0.04 * np.stack([width * np.cos(a), width * np.sin(a), h], -1).reshape(-1, 3)
    at = np.arange(len(ball)).reshape(30, 60)
    p, q = at[:-1], np.roll(at[:-1], -1, 1)
    r, s = np.roll(at[1:], -1, 1), at[1:]
    faces = np.concatenate([np.stack([p, q, r], -1), np.stack([p, r, s], -1)]).reshape(-1, 3)
    mesh = mesh_of(ball, faces, 0)
    assert snap(mesh, ball[900]).kind == "surface"
    with pytest.raises(BadInput, match="Nothing flat"):
        plane_at(mesh, np.array([3.0, 3, 3]), np.array([0, 0, 1.0]))
    assert len(patch_round(mesh, np.array([3.0, 3, 3]), 0.1)) == 0


def test_a_polygon_has_its_area_whatever_its_place_and_needs_three_points():
    square = np.array([(0, 0, 0), (2, 0, 0), (2, 3, 0), (0, 3, 0)], float)
    pose = Pose.exp([0.3, -0.7, 1.1, 5, 6, 7])
    assert area_of_polygon(list(pose.apply(square))).square_metres == pytest.approx(6.0)
    bent = np.array([(0, 0, 0), (2, 0, 0), (2, 2, 0), (1, 1, 0), (0, 2, 0)], float)
    assert area_of_polygon(list(bent)).square_metres == pytest.approx(3.0)
    with pytest.raises(BadInput, match="three points"):
        area_of_polygon([np.zeros(3), np.ones(3)])


def test_a_box_tells_its_edges_and_its_volume():
    box = box_of(Pose.identity(), (2.0, 1.0, 0.5))
    assert box.cubic_metres == pytest.approx(1.0)
    assert box.in_words(Units.METRIC) == "2.00 × 1.00 × 0.50 m, 1.00 m³"
    assert "35.3 cu ft" in box.in_words(Units.IMPERIAL)


@pytest.mark.parametrize(
    ("metres", "metric", "imperial"),
    [
        (1.2344, "1.234 m", "4' 0 5/8\""),
        (1.0, "1.000 m", "3' 3 3/8\""),
        (METRES_A_FOOT, "0.305 m", "1' 0\""),
        (2 * METRES_A_FOOT - 0.0005, "0.609 m", "2' 0\""),
        (0.0127, "0.013 m", "0' 0 1/2\""),
        (0.0, "0.000 m", "0' 0\""),
    ],
)
def test_lengths_are_said_as_people_say_them(metres, metric, imperial):
    assert length_in_words(metres, Units.METRIC) == metric
    assert length_in_words(metres, Units.IMPERIAL) == imperial


@given(st.floats(0, 1000))
def test_feet_and_inches_can_be_read_back(metres):
    words = length_in_words(metres, Units.IMPERIAL).rstrip('"')
    feet, rest = words.split("' ")
    inches = sum(
        float(part.split("/")[0]) / float((part + "/1").split("/")[1]) for part in rest.split()
    )
    assert inches < 12
    assert (int(feet) * 12 + inches) * 0.0254 == pytest.approx(metres, abs=0.0254 / 16 + 1e-9)


def test_a_size_is_three_lengths():
    assert size_in_words((1, 2, 3), Units.METRIC) == "1.00 × 2.00 × 3.00 m"
    assert size_in_words((METRES_A_FOOT,) * 3, Units.IMPERIAL) == "1' 0\" × 1' 0\" × 1' 0\""
