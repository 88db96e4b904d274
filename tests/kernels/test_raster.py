import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core.camera import Intrinsics
from engine.core.poses import Pose
from engine.core.surface import Mesh
from engine.kernels.raster import MeshScene, interpolate
from tests.scenes import look_at

CAMERA = Intrinsics(48, 36, 40.0, 42.0, 23.3, 18.9)


def triangle(a, b, c):
    return Mesh(np.array([a, b, c], np.float32), np.array([[0, 1, 2]], np.int32))


def wall(y, half=1.0):
    """Return a square in the plane y; faces 0 and 1."""
    corners = np.array([[-1, 0, -1], [1, 0, -1], [1, 0, 1], [-1, 0, 1]], np.float32) * half
    return Mesh(corners + np.float32([0, y, 0]), np.array([[0, 1, 2], [0, 2, 3]], np.int32))


def together(*meshes):
    starts = np.cumsum([0, *(len(m.vertices) for m in meshes[:-1])])
    faces = [m.faces + start for m, start in zip(meshes, starts, strict=True)]
    return Mesh(
        np.concatenate([m.vertices for m in meshes]), np.concatenate(faces).astype(np.int32)
    )


poses = st.tuples(*[st.floats(-1.5, 1.5)] * 6).map(Pose.exp)


@settings(max_examples=40)
@given(poses, st.integers(0, 47), st.integers(0, 35), st.floats(0.5, 5))
def test_a_speck_on_a_pixel_centre_is_seen_by_that_pixel_alone(pose, u, v, depth):
    # A triangle a quarter of a pixel wide round the point behind the centre of pixel (u, v).
    size = 0.25 * depth / CAMERA.fx
    middle = CAMERA.directions()[v, u] * depth
    ring = np.array([[1, 0, 0], [-0.5, 0.9, 0], [-0.5, -0.9, 0]]) * size
    mesh = triangle(*pose.apply(middle + ring))
    hits = MeshScene(mesh).render(CAMERA, pose)
    assert np.argwhere(hits.face >= 0).tolist() == [[v, u]]
    assert hits.depth_m[v, u] == pytest.approx(depth, rel=1e-4)
    pixel, inside = CAMERA.project(pose.inverse.apply(mesh.vertices.mean(axis=0).astype(float)))
    assert inside
    np.testing.assert_allclose(pixel, (u + 0.5, v + 0.5), atol=0.02)


@settings(max_examples=30)
@given(poses, st.floats(-0.6, 0.6), st.floats(-0.6, 0.6))
def test_a_tilted_plane_has_the_depth_of_the_formula_at_every_pixel(pose, slope_x, slope_y):
    def plane(x, y):
        return 2 + slope_x * x + slope_y * y

    corners = [(x, y, plane(x, y)) for x, y in ((-30, -30), (60, -30), (-30, 60))]
    hits = MeshScene(triangle(*pose.apply(np.array(corners)))).render(CAMERA, pose)
    x, y = CAMERA.directions()[..., 0], CAMERA.directions()[..., 1]
    assert (hits.face == 0).all()
    np.testing.assert_allclose(hits.depth_m, 2 / (1 - slope_x * x - slope_y * y), rtol=1e-4)


def test_weights_of_the_corners_rebuild_the_point_that_was_hit():
    mesh = together(wall(0.0, 0.7), triangle((0.2, -0.3, 0), (0.6, -0.3, 0.1), (0.3, -0.2, 0.5)))
    pose = look_at(np.array([0.4, -1.5, 0.3]), np.zeros(3))
    hits = MeshScene(mesh).render(CAMERA, pose)
    seen = hits.face >= 0
    assert set(hits.face[seen].tolist()) == {0, 1, 2}
    rebuilt = interpolate(hits, mesh.faces, mesh.vertices)
    points = pose.apply(CAMERA.directions() * hits.depth_m[..., None])
    np.testing.assert_allclose(rebuilt[seen], points[seen], atol=1e-5)
    assert not rebuilt[~seen].any()
    assert not hits.depth_m[~seen].any()


def test_pixels_whose_centre_is_covered_are_covered_and_no_others():
    pose = look_at(np.array([0.0, -1.0, 0.0]), np.zeros(3))
    hits = MeshScene(wall(0.0, 0.2)).render(CAMERA, pose)
    x, y = CAMERA.directions()[..., 0], CAMERA.directions()[..., 1]
    assert np.array_equal(hits.face >= 0, (abs(x) < 0.2) & (abs(y) < 0.2))


def test_a_ray_gives_its_own_parameter_and_the_nearest_face():
    scene = MeshScene(together(wall(1.0), wall(2.0)))
    origins = np.array([[0.1, 0, -0.2]] * 3 + [[0.1, 1.5, -0.2]])
    directions = np.array([[0, 1.0, 0], [0, 0.25, 0], [0, -1.0, 0], [0, 1.0, 0]])
    face, bary, distance = scene.cast(origins, directions)
    assert face.tolist() == [0, 0, -1, 2]
    assert distance[[0, 1, 3]].tolist() == pytest.approx([1, 4, 0.5])
    assert np.isinf(distance[2])
    assert bary.shape == (4, 2)


def test_a_point_is_visible_until_something_is_nearer_by_more_than_the_slack():
    scene = MeshScene(together(wall(1.0, 0.5), wall(2.0, 5.0)))
    eye = np.zeros(3)
    points = np.array([
        [0, 1, 0],  # on the near wall
        [0, 0.5, 0],  # before it
        [0, 1.04, 0],  # within the slack behind it
        [0, 1.06, 0],  # beyond the slack
        [0, 2, 0],  # hidden
        [1.5, 2, 0],  # past the near wall's edge
        [0, -3, 0],  # where nothing is
    ], float)  # fmt: skip
    seen = scene.visible(points, eye, 0.05)
    assert seen.tolist() == [True, True, True, False, False, True, True]
    from_behind = scene.visible(points[:1], np.array([0, 1.5, 0]), 0.05)
    assert from_behind.tolist() == [True]


def test_the_closest_face_is_found_inside_along_edges_and_past_corners():
    mesh = together(wall(0.0), wall(3.0))
    points = np.array([
        [0.5, 0.25, -0.5],  # below the diagonal: face 0
        [-0.5, -0.25, 0.5],  # above it, on the other side: face 1
        [4.0, 0, -0.5],  # past an edge
        [4.0, 4.0, 1.0],  # past an edge and before the plane
        [-4.0, 7.0, 4.0],  # past a corner
    ])  # fmt: skip
    distance, face = MeshScene(mesh).closest(points)
    expected = [0.25, 0.25, 3, np.hypot(3, 1), np.sqrt(9 + 16 + 9)]
    np.testing.assert_allclose(distance, expected, atol=1e-5)
    assert face[[0, 1, 4]].tolist() == [0, 1, 3]
    assert face[2] == 0
    assert face[3] in (2, 3)
