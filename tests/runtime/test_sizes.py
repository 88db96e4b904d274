from dataclasses import dataclass

import numpy as np

from engine.core.camera import Intrinsics
from engine.core.frames import Frame
from engine.core.poses import Pose
from engine.runtime.sizes import bytes_of


@dataclass(frozen=True, slots=True)
class Parcel:
    name: str
    inside: object


def test_arrays_count_wherever_they_are():
    array = np.zeros((3, 5), np.float32)
    assert bytes_of(array) == 60
    assert bytes_of(Parcel("a", array)) == 60
    assert bytes_of(Parcel("a", (array, [array, {"b": array}]))) == 180
    assert bytes_of(Parcel("a", Parcel("b", None))) == 0
    assert bytes_of(Parcel) == 0


def test_a_frame_is_as_large_as_its_pictures_and_little_more():
    camera = Intrinsics(64, 48, 60, 60, 32, 24)
    frame = Frame(
        0,
        0,
        camera,
        color=np.zeros((48, 64, 3), np.uint8),
        depth_m=np.zeros((48, 64), np.float32),
        depth_intrinsics=camera,
        T_world_cam=Pose.identity(),
    )
    pictures = 48 * 64 * (3 + 4)
    assert pictures <= bytes_of(frame) < pictures + 1000
