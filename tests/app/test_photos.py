import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.photos import PhotoAlbum
from engine.core.camera import Intrinsics
from engine.core.frames import Frame
from engine.core.poses import Pose
from engine.core.settings import KeyframeSettings

CAMERA = Intrinsics(32, 24, 30.0, 30.0, 16.0, 12.0)
SETTINGS = KeyframeSettings(texture_move_m=0.1, texture_turn_deg=10)
NOISE = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)


def blurred(by_px):
    return NOISE if by_px == 0 else cv2.GaussianBlur(NOISE, (0, 0), by_px)


def frame(index, x_m=0.0, blur_px=0.0, turn_deg=0.0):
    pose = Pose.exp([0, 0, np.radians(turn_deg), 0, 0, 0])
    pose = Pose.from_parts(pose.rotation, [x_m, 0, 0])
    return Frame(index, index, CAMERA, blurred(blur_px), T_world_cam=pose)


def indices(album):
    return [photo.index for photo in album.photos()]


def test_of_every_stretch_the_sharpest_is_kept():
    album = PhotoAlbum(SETTINGS, 100)
    blurs = [2, 0.5, 3, 2, 1, 4, 0.7, 4, 5]
    for i, blur in enumerate(blurs):  # three stretches of three frames, 12 cm long each
        album.offer(frame(i, 0.12 * (i // 3) + 0.03 * (i % 3), blur))
    assert indices(album) == [1, 4, 6]
    for photo in album.photos():
        assert np.array_equal(photo.color, blurred(blurs[photo.index]))
        assert photo.intrinsics == CAMERA


def test_turning_on_the_spot_starts_a_new_stretch_too():
    album = PhotoAlbum(SETTINGS, 100)
    for i in range(12):
        album.offer(frame(i, turn_deg=4.0 * i))
    assert indices(album) == [0, 3, 6, 9]


def test_standing_still_is_one_photograph():
    album = PhotoAlbum(SETTINGS, 100)
    for i in range(50):
        album.offer(frame(i, 0.001 * (i % 7)))
    assert len(album.photos()) == 1


def test_frames_without_colour_or_pose_are_passed_over():
    album = PhotoAlbum(SETTINGS, 100)
    album.offer(Frame(0, 0, CAMERA, T_world_cam=Pose.identity()))
    album.offer(Frame(1, 1, CAMERA, NOISE))
    assert album.photos() == []


@settings(max_examples=15)
@given(st.integers(1, 12), st.integers(1, 250), st.floats(0.02, 0.3))
def test_a_walk_of_any_length_costs_bounded_memory_and_stays_covered(limit, count, step_m):
    album = PhotoAlbum(SETTINGS, limit)
    for i in range(count):
        album.offer(frame(i, step_m * i))
        assert len(album.photos()) <= 2 * limit
    kept = indices(album)
    assert kept == sorted(kept)
    length_m = step_m * (count - 1)
    places = [0, *(step_m * i for i in kept), length_m]
    if length_m > 0.1:
        assert len(kept) >= min(limit, length_m / 0.4)
    # No gap is longer than what a fair share of the walk, or a stretch and a step, comes to.
    assert max(np.diff(places)) <= max(3 * length_m / limit, 2 * (0.1 + 2 * step_m))


@pytest.mark.parametrize("limit", [3, 8])
def test_a_long_walk_uses_the_photographs_it_may_keep(limit):
    album = PhotoAlbum(SETTINGS, limit)
    for i in range(300):
        album.offer(frame(i, 0.11 * i))
    assert limit <= len(album.photos()) <= 2 * limit


def test_large_photographs_are_bounded_by_their_bytes(monkeypatch):
    monkeypatch.setattr("app.photos.MAX_BYTES", 6 * NOISE.nbytes)
    album = PhotoAlbum(SETTINGS, 1000)
    for i in range(60):
        album.offer(frame(i, 0.15 * i))
        assert len(album.photos()) <= 7
    kept = indices(album)
    assert kept[0] < 15
    assert kept[-1] > 45


def test_photographs_follow_their_frames_and_leave_with_them():
    album = PhotoAlbum(SETTINGS, 100)
    for i in range(6):
        album.offer(frame(i, 0.12 * i))
    there = Pose.from_parts(np.eye(3), [0, 5, 0])
    album.move({1: there, 3: None, 5: there, 77: None})
    assert indices(album) == [0, 1, 2, 4, 5]
    poses = {photo.index: photo.T_world_cam for photo in album.photos()}
    assert poses[1] == poses[5] == there
    assert poses[2] == frame(2, 0.24).T_world_cam
    # A new stretch begins: the sharpest of the last one is not weighed against what comes.
    album.offer(frame(6, 0.6, blur_px=3))
    assert indices(album) == [0, 1, 2, 4, 5, 6]


def test_frames_that_were_not_photographed_change_nothing():
    album = PhotoAlbum(SETTINGS, 100)
    album.offer(frame(0, blur_px=2))
    album.move({1: None, 2: Pose.identity()})
    album.offer(frame(3, 0.01))
    # Still the same stretch, of which one is kept.
    assert indices(album) == [3]
