import dataclasses

import numpy as np

from app.preview import preview
from engine.core.poses import Pose
from tests.app.fakes import frame_at


def test_the_preview_is_small_and_tints_unknown_depth():
    frame = frame_at(0, 10)
    picture = preview(frame, width_px=32)
    assert picture.shape == (24, 32, 3)
    plain = frame.color[::2, ::2]
    assert np.array_equal(picture[4:], plain[4:])
    assert (picture[:4, :, 0] >= 127).all()


def test_the_preview_finds_depth_of_a_second_camera_where_it_falls():
    beside = Pose.from_parts(np.eye(3), [0.4, 0, 0])
    frame = frame_at(0, 10)
    frame = dataclasses.replace(frame, depth_m=np.full_like(frame.depth_m, 1.0), T_cam_depth=beside)
    tinted = (preview(frame, width_px=64) != frame.color).any(axis=2)
    # The depth camera sits 40 cm to the right: at one metre, that is 24 of 64 pixels.
    assert tinted[:, :16].all()
    assert not tinted[:, 32:].any()


def test_the_preview_of_a_frame_without_colour_shows_near_bright_and_unknown_apart():
    frame = frame_at(0, 10)
    depth = np.full_like(frame.depth_m, 1.0)
    depth[:, 32:], depth[:10] = 4.0, 0.0
    picture = preview(dataclasses.replace(frame, color=None, depth_m=depth), width_px=64)
    assert picture[20, 10, 0] > picture[20, 50, 0] + 50
    assert picture[0, 0, 0] > picture[0, 0, 2]
    assert preview(dataclasses.replace(frame, color=None, depth_m=None)) is None
