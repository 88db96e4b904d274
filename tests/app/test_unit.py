"""Recordings without a unit are scaled to a room's size, and say so; others stay as they are."""

from dataclasses import replace

import numpy as np
import pytest

from app.headless import scan
from app.unit import with_unit
from engine.core.frames import Frame
from engine.core.poses import Pose
from engine.core.settings import MeshSettings, Settings
from engine.depth.views import TYPICAL_DEPTH_M
from engine.sources.base import SourceInfo
from tests.app.fakes import FakeSource
from tests.depth.painted import CAMERA, Painted, beside, look

LARGE = CAMERA.scaled_to(320, 240)
WALL_M = 1.6
UNIT = 23.0


class Walk(FakeSource):
    """A walk past a painted wall, whose poses are in a unit of their own."""

    def __init__(self, is_metric=False, has_depth=False, unit=UNIT):
        self._info = SourceInfo(
            "walk",
            "test",
            8,
            has_color=True,
            has_depth=has_depth,
            has_poses=True,
            color_camera=LARGE,
            is_metric=is_metric,
        )
        self._unit = unit
        self.skipped = {"too dark": 1}
        self.is_closed = False

    def describe(self):
        return self._info

    def frames(self):
        for index in range(8):
            T = beside(0.14 * index, 0.03 * (index % 2))
            photo = look([Painted(distance_m=WALL_M)], T, LARGE)
            pose = Pose.from_parts(T.rotation, self._unit * T.translation)
            yield Frame(index, index, LARGE, photo.color, T_world_cam=pose)

    def close(self):
        self.is_closed = True


def test_lengths_are_brought_to_a_rooms_and_the_guess_is_told():
    source = Walk()
    scaled = with_unit(source)
    info = scaled.describe()
    factor = info.details["metres_a_unit"]
    assert factor == pytest.approx(TYPICAL_DEPTH_M / (UNIT * WALL_M), rel=0.01)
    assert not info.is_metric
    assert "size is a guess" in info.warnings[-1]
    for before, after in zip(source.frames(), scaled.frames(), strict=True):
        assert np.allclose(
            after.T_world_cam.translation, factor * before.T_world_cam.translation, atol=1e-12
        )
        assert np.array_equal(after.T_world_cam.rotation, before.T_world_cam.rotation)
        assert np.array_equal(after.color, before.color)
    assert scaled.skipped == {"too dark": 1}
    with scaled:
        pass
    assert source.is_closed


@pytest.mark.parametrize("known", [{"is_metric": True}, {"has_depth": True}])
def test_what_has_a_unit_keeps_it(known):
    source = Walk(**known)
    assert with_unit(source) is source


def test_a_scene_whose_distance_cannot_be_found_stays_as_it_is():
    class Dark(Walk):
        def frames(self):
            return (replace(f, color=np.zeros_like(f.color)) for f in super().frames())

    source = Dark()
    assert with_unit(source) is source


def test_a_scan_of_it_gives_the_wall_and_a_warning(tmp_path):
    settings = Settings(mesh=MeshSettings(min_island_faces=50))
    outcome = scan(Walk(), tmp_path / "out", settings, lambda _: None, with_texture=False)
    depth = outcome.surface.vertices[:, 2]
    assert np.quantile(np.abs(depth - TYPICAL_DEPTH_M), 0.9) < 0.04
    assert outcome.report["faces"] > 500
    assert any("size is a guess" in line for line in outcome.report["source"]["warnings"])
