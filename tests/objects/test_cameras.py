import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.camera import Intrinsics
from engine.core.faults import BadInput
from engine.objects.cameras import (
    ObjectCamera,
    look_at_origin,
    read_camera,
    released_frustum,
    six_view_rig,
    turntable,
    write_camera,
)

TEXT = """extrinsic
0.866025 0.000000 -0.500000 0.000000
0.171010 -0.939693 0.296198 -0.000000
-0.469846 -0.342020 -0.813798 4.000000
0 0 0 1

intrinsic fx, fy, cx, cy, height, width
300.5 310.25 130.0 97.0 200 256"""


# Off-centre on purpose.
LENS = Intrinsics(80, 60, 70.0, 75.0, 33.5, 31.0)


def camera(eye=(2.0, 1.0, -3.0)) -> ObjectCamera:
    return ObjectCamera(LENS, look_at_origin(np.asarray(eye)), LENS)


@given(
    st.integers(0, 59),
    st.integers(0, 79),
    st.floats(0.5, 20),
    st.tuples(*[st.floats(-4, 4).filter(lambda x: abs(x) > 0.2)] * 3),
)
def test_a_point_along_a_ray_is_drawn_in_the_ray_s_pixel(row, column, distance, eye):
    seen = camera(eye)
    origin, directions = seen.rays(60, 80)
    point = origin + distance * directions[row, column]
    x, y, _, w = seen.mvp() @ [*point, 1]
    # Rows grow with normalised y, and pixel centres are halves.
    assert x / w == pytest.approx((2 * column + 1) / 80 - 1, abs=1e-9)
    assert y / w == pytest.approx((2 * row + 1) / 60 - 1, abs=1e-9)


def test_rays_are_unit_and_scale_with_the_picture():
    _, fine = camera().rays(120, 160)
    _, coarse = camera().rays(60, 80)
    np.testing.assert_allclose(np.linalg.norm(fine, axis=-1), 1)
    middle = fine.reshape(60, 2, 80, 2, 3).mean((1, 3))
    np.testing.assert_allclose(
        middle / np.linalg.norm(middle, axis=-1, keepdims=True), coarse, atol=2e-5
    )


def test_depth_is_clipped_at_the_near_and_far_planes():
    seen = camera()
    forward = seen.T_world_cam.rotation[:, 2]
    for distance, expected in ((0.1, -1), (100, 1)):
        *_, z, w = seen.mvp() @ [*(seen.T_world_cam.translation + distance * forward), 1]
        assert z / w == pytest.approx(expected)


def test_view_has_opengl_axes():
    x, y, z, _ = camera().view() @ [0, 0, 0, 1]
    assert (x, y) == pytest.approx((0, 0))
    assert z == pytest.approx(-np.linalg.norm((2, 1, -3)))
    above = camera().view() @ [0, 0.1, 0, 1]
    assert above[1] > 0


def test_reading_gives_the_camera_of_the_file():
    seen = read_camera(TEXT)
    lens = seen.intrinsics
    assert (lens.width, lens.height, lens.fx, lens.fy) == (256, 200, 300.5, 310.25)
    assert (lens.cx, lens.cy) == (130, 97)
    np.testing.assert_allclose(
        seen.T_world_cam.translation, [4 * 0.469846, 4 * 0.34202, 4 * 0.813798], atol=1e-4
    )


def test_files_come_back_word_for_word():
    for seen in six_view_rig():
        text = write_camera(seen)
        again = write_camera(read_camera(text))
        assert again.replace("-0.000000", "0.000000") == text.replace("-0.000000", "0.000000")


@given(st.tuples(*[st.floats(-9, 9)] * 3).filter(lambda e: abs(e[0]) + abs(e[2]) > 0.1))
def test_reading_returns_what_was_written(eye):
    seen = camera(eye)
    again = read_camera(write_camera(seen))
    np.testing.assert_allclose(again.T_world_cam.matrix, seen.T_world_cam.matrix, atol=1e-4)
    assert again.intrinsics == seen.intrinsics


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: t.rsplit("\n", 1)[0], "7 lines instead of 8"),
        (lambda t: "", "0 lines instead of 8"),
        (lambda t: t.replace("0 0 0 1\n", "", 1), "7 lines"),
        (lambda t: t.replace("0 0 0 1", "0 0 1"), "instead of 4 numbers"),
        (lambda t: t.replace("0.866025", "nan"), "instead of 4 numbers"),
        (lambda t: t.replace("4.000000", "inf"), "instead of 4 numbers"),
        (lambda t: t.replace("0.866025", "x"), "instead of 4 numbers"),
        (lambda t: t.replace(" 200 256", " 256"), "instead of 6 numbers"),
        (lambda t: t.replace(" 200 256", " 200.5 256"), "not whole pixels"),
        (lambda t: t.replace(" 200 256", " 0 256"), "256x0 pixels cannot"),
        (lambda t: t.replace("300.5", "0"), "not a camera"),
        (lambda t: t.replace("0.866025", "0.1"), "not rigid"),
        (lambda t: t.replace("-0.813798", "0.813798"), "not rigid|mirrors"),
        (lambda t: t.replace("0 0 0 1", "0 0 0 2"), "last row"),
        (lambda t: "\n".join(["e", *["0 0 0 0"] * 3, *t.split("\n")[4:]]), "not rigid|mirrors"),
    ],
)
def test_a_damaged_file_is_refused_with_a_sentence(change, says):
    with pytest.raises(BadInput, match=says):
        read_camera(change(TEXT))


def test_six_views_stand_around_the_object():
    rig = six_view_rig()
    eyes = np.array([seen.T_world_cam.translation for seen in rig])
    np.testing.assert_allclose(np.linalg.norm(eyes, axis=1), 4, atol=1e-6)
    np.testing.assert_allclose(np.degrees(np.arcsin(eyes[:, 1] / 4)), [20, -10] * 3, atol=1e-5)
    # 30, 90, ... degrees from the front view, which would stand on +Z.
    np.testing.assert_allclose(
        np.degrees(np.arctan2(eyes[:, 0], eyes[:, 2])) % 360,
        [30, 90, 150, 210, 270, 330],
        atol=1e-4,
    )
    for seen in rig:
        np.testing.assert_allclose(
            seen.T_world_cam.rotation[:, 2], -seen.T_world_cam.translation / 4, atol=1e-6
        )
        assert 2 * np.degrees(np.arctan(256 / seen.intrinsics.fx)) == pytest.approx(30)


def test_turntable_circles_at_one_height_upright():
    for azimuth, seen in zip((0, 90, 250), turntable((0, 90, 250)), strict=True):
        a, e = np.radians(azimuth), np.radians(20)
        eye = 3.5 * np.array([np.cos(e) * np.cos(a), np.sin(e), np.cos(e) * np.sin(a)])
        np.testing.assert_allclose(seen.T_world_cam.translation, eye)
        np.testing.assert_allclose(np.linalg.det(seen.T_world_cam.rotation), 1)
        right, down, _ = seen.T_world_cam.rotation.T
        assert right[1] == pytest.approx(0, abs=1e-12)
        assert down[1] < -0.9
        assert seen.projection()[0, 0] == pytest.approx(1 / np.tan(np.radians(25)))


def test_a_camera_overhead_is_refused():
    with pytest.raises(BadInput, match="straight above"):
        look_at_origin(np.array([0.0, 3.0, 0.0]))


def test_released_frustum_keeps_both_faults():
    # A file of 256 x 128 pixels whose picture was scaled to 512 x 512.
    scaled = Intrinsics(256, 128, 300.0, 200.0, 100.0, 70.0).scaled_to(512, 512)
    lens = released_frustum(scaled, 256, 128)
    projection = ObjectCamera(scaled, look_at_origin(np.array([1.0, 1, 1])), lens).projection()
    fov_x, fov_y = 2 * np.arctan(256 / 2 / 600), 2 * np.arctan(128 / 2 / 800)
    assert projection[0, 0] == pytest.approx(1 / np.tan(fov_x / 2))
    assert projection[1, 1] == pytest.approx(-1 / np.tan(fov_y / 2))
    assert (projection[0, 2], projection[1, 2]) == (0, 0)
