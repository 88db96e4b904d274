"""The distance of a painted wall, found from photographs whose poses have any unit."""

from dataclasses import replace

import numpy as np
import pytest

from engine.core.poses import Pose
from engine.depth.scene_scale import median_depth
from tests.depth.painted import CAMERA, Painted, beside, look

WALL = Painted(distance_m=1.6)


def photos(unit, wall=WALL, places=(0.0, 0.2, 0.4)):
    taken = [look([wall], beside(x), CAMERA.scaled_to(320, 240)) for x in places]
    return [
        replace(
            photo,
            T_world_cam=Pose.from_parts(
                photo.T_world_cam.rotation, unit * photo.T_world_cam.translation
            ),
        )
        for photo in taken
    ]


@pytest.mark.parametrize("unit", [0.01, 1.0, 37.0])
def test_the_depth_is_in_the_unit_of_the_poses(unit):
    assert median_depth(photos(unit)) == pytest.approx(1.6 * unit, rel=0.01)


def test_pictures_from_one_spot_say_nothing():
    assert median_depth(photos(1.0, places=(0.0, 0.0, 0.0))) is None


def test_pictures_that_share_nothing_say_nothing():
    blank = [replace(photo, color=np.full_like(photo.color, 90)) for photo in photos(1.0)]
    assert median_depth(blank) is None
    assert median_depth(photos(1.0)[:1]) is None
    assert median_depth([]) is None
