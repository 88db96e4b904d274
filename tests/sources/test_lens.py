import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.camera import Intrinsics
from engine.core.faults import BadFrame
from engine.sources.lens import Undistorter, fit_camera

PHONE = Intrinsics(1920, 1440, 1500.0, 1500.0, 960.0, 720.0)
BENT = Intrinsics(320, 240, 260.0, 262.0, 155.0, 123.0, (0.26, -0.9, -0.005, 0.003, 1.1))


def test_a_camera_follows_the_picture_found() -> None:
    fitted = fit_camera(PHONE, 256, 192, "depth")
    assert (fitted.width, fitted.height, fitted.fx, fitted.cx) == (256, 192, 200.0, 128.0)


@given(st.integers(200, 4000), st.integers(200, 4000), st.integers(32, 4000))
def test_rounding_a_size_is_never_refused(width: int, height: int, new_width: int) -> None:
    new_height = max(1, round(height * new_width / width))
    camera = Intrinsics(width, height, 500.0, 500.0, width / 2, height / 2)
    assert fit_camera(camera, new_width, new_height, "colour").width == new_width


@pytest.mark.parametrize("size", [(192, 256), (256, 256), (640, 360), (1440, 1920)])
def test_another_shape_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(BadFrame, match="does not fit its camera of 1920x1440"):
        fit_camera(PHONE, *size, "depth")


def distorted_pixel(point: tuple[float, float, float]) -> np.ndarray:
    lens = np.array(BENT.distortion)
    there, _ = cv2.projectPoints(
        np.array([point]), np.zeros(3), np.zeros(3), BENT.opencv_matrix(), lens
    )
    return there.ravel()


@pytest.mark.parametrize("point", [(-0.45, -0.3, 1.0), (0.4, 0.3, 1.0), (0.05, -0.02, 1.0)])
def test_a_spot_moves_to_where_the_ideal_camera_sees_it(point: tuple[float, float, float]) -> None:
    v, u = np.mgrid[:240, :320]
    x, y = distorted_pixel(point)
    spot = (255 * np.exp(-((u - x) ** 2 + (v - y) ** 2) / 18)).astype(np.uint8)
    straight = Undistorter().smooth(np.repeat(spot[..., None], 3, -1), BENT)[..., 0].astype(float)
    centre = np.array([(straight * (u + 0.5)).sum(), (straight * (v + 0.5)).sum()]) / straight.sum()
    expected, _ = BENT.project(np.array([point]))
    np.testing.assert_allclose(centre, expected[0], atol=0.4)


def test_depth_is_straightened_without_new_values() -> None:
    random = np.random.default_rng(1)
    depth = random.choice(np.float32([0.0, 1.0, 3.0]), size=(240, 320)).astype(np.float32)
    straight = Undistorter().nearest(depth, BENT)
    assert straight.dtype == np.float32
    assert set(np.unique(straight)) == {0.0, 1.0, 3.0}
    assert np.mean(straight != depth) > 0.1


def test_a_straight_lens_costs_no_copy() -> None:
    depth = np.ones((1440, 1920), np.float32)
    assert Undistorter().nearest(depth, PHONE) is depth
