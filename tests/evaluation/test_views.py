from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.core.surface import Mesh
from engine.evaluation.fused import fuse
from engine.evaluation.geometry import compare
from engine.evaluation.reference import sensor_reference
from engine.evaluation.views import View, pick_one_a_cell, seen_by_any, views_of_frames
from engine.sources.detect import open_source
from tests.evaluation.shapes import CAMERA
from tests.scenes import look_at, orbit

SAMPLE = Path(__file__).resolve().parents[2].parent / "shared/data/realsense/f200-handheld-box"


def _wall_view() -> View:
    """A wall two metres ahead of a camera at the origin, its left half unknown."""
    depth = np.full((CAMERA.height, CAMERA.width), 2.0, np.float32)
    depth[:, : CAMERA.width // 2] = 0
    return View(CAMERA, look_at(np.zeros(3), np.array([0.0, 1.0, 0.0])), depth)


@pytest.mark.parametrize(
    ("point", "seen"),
    [
        ((0.3, 2.0, 0.0), True),
        ((0.2, 1.0, 0.0), True),
        ((0.3, 2.09, 0.0), True),
        ((0.3, 2.2, 0.0), False),
        ((-0.3, 2.0, 0.0), False),
        ((5.0, 2.0, 0.0), False),
        ((0.3, -2.0, 0.0), False),
    ],
    ids=["on", "in front", "within slack", "behind", "unknown", "beside", "at the back"],
)
def test_a_view_sees_what_it_should(point, seen):
    points = np.array([point])
    assert _wall_view().sees(points, 0.1).tolist() == [seen]
    assert seen_by_any([_wall_view()], points, 0.1).tolist() == [seen]


def test_frames_become_views_within_reach_and_segment():
    frames = orbit(4)
    mixed = [
        replace(frames[0], depth_m=None),
        frames[1],
        replace(frames[2], segment=1),
        replace(frames[3], T_world_cam=None),
        frames[0],
    ]
    views = views_of_frames(mixed, max_m=1.3)
    assert [view.T_world_cam for view in views] == [frames[1].T_world_cam, frames[0].T_world_cam]
    assert 0 < views[0].depth_m.max() <= 1.3
    assert (frames[1].depth_m > 1.3).any()


def test_one_point_a_cell_is_one_of_the_points():
    points = np.random.default_rng(0).uniform(-1, 1, (5000, 3))
    picked = pick_one_a_cell(points, 0.1)
    cells = np.floor(picked / 0.1).astype(int)
    assert len(np.unique(cells, axis=0)) == len(picked)
    assert len(picked) == len(np.unique(np.floor(points / 0.1).astype(int), axis=0))
    assert (picked[:, None] == points[None]).all(axis=2).any(axis=1).all()


@pytest.mark.skipif(not SAMPLE.is_dir(), reason="the shared recordings are not here")
def test_a_recording_is_a_reference():
    with open_source(str(SAMPLE)) as source:
        views = views_of_frames(source.frames(), max_m=1.0)[::2]
    reference = sensor_reference(views)
    assert f"{len(views)} frames fused by Open3D" in reference.describe()
    mesh = fuse(views)
    assert compare(mesh, reference, samples=10_000).f1[0] > 0.99
    moved = Mesh(mesh.vertices + np.float32([0, 0, 0.08]), mesh.faces)
    assert compare(moved, reference, samples=10_000).f1[0] < 0.5
