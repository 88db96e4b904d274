"""Surfaces whose scores are known by hand, and pictures of how far off they are."""

import numpy as np
import pytest

from engine.core.camera import Intrinsics
from engine.core.frames import Photo
from engine.core.surface import Mesh
from engine.depth.base import DepthMap
from engine.evaluation.depth_protocol import Case
from engine.evaluation.reference import MeshReference, WorldReference
from engine.evaluation.suite_sheet import (
    CELL_PX,
    depth_cells,
    depth_picture,
    error_picture,
    sheet,
    surface_cells,
)
from engine.evaluation.suite_surface import surface_group
from tests.evaluation.shapes import CAMERA, BallWorld, down_from, plane

FLOOR = plane(2, 2)
ABOVE = down_from((1, 0.9, 3), (1, 1, 0))
PHOTO = Photo(np.full((72, 96, 3), 200, np.uint8), CAMERA, ABOVE)


def test_a_surface_three_centimetres_off_is_found_and_one_seven_off_is_not():
    near = surface_group(plane(2, 2, 0.03), MeshReference(FLOOR))
    assert near["f1_5cm"] == 1
    assert near["chamfer_m"] == pytest.approx(0.03, abs=1e-4)
    far = surface_group(plane(2, 2, 0.07), MeshReference(FLOOR))
    assert far["f1_5cm"] == 0
    assert far["chamfer_m"] == pytest.approx(0.07, abs=1e-4)


def test_half_a_surface_is_right_but_not_complete():
    half = surface_group(plane(1, 2), MeshReference(FLOOR))
    assert half["precision_5cm"] == 1
    assert half["recall_5cm"] == pytest.approx(0.525, abs=0.005)
    assert half["f1_5cm"] == pytest.approx(2 * 0.525 / 1.525, abs=0.005)


def test_no_surface_finds_nothing_nor_does_one_that_no_camera_saw():
    nothing = Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))
    world = BallWorld()
    for mesh in (None, nothing, plane(1, 1, x_m=50)):
        group = surface_group(mesh, WorldReference(world, world.all_round(count=3)))
        assert (group["f1_5cm"], group["recall_5cm"], group["chamfer_m"]) == (0, 0, None)


def test_surfaces_are_blue_where_right_and_red_where_ten_centimetres_off():
    meshes = [("right", FLOOR), ("off", plane(2, 2, 0.12)), ("missing", None)]
    cells = surface_cells(PHOTO, meshes, MeshReference(FLOOR))
    assert [caption.split()[0] for caption, _ in cells] == ["picture", "right", "off", "missing"]
    right, off, missing = (picture[90, 120].astype(int) for _, picture in cells[1:])
    assert right[2] > right[0]
    assert off[0] > 2 * off[2]
    assert (missing == 255).all()


def test_depth_and_errors_are_told_apart_from_what_is_unknown():
    true = np.array([[1.0, 1.0, 0.0, 2.0]], np.float32)
    found = np.array([[1.0, 1.3, 1.0, 0.0]], np.float32)
    error = error_picture(found, true)[0].astype(int)
    assert error[0].max() < 10
    assert error[1].min() > 150
    assert (error[2] == error[3]).all()
    depth = depth_picture(true)[0].astype(int)
    assert not depth[2].any()
    assert depth[0][0] > depth[3][0]


def test_a_sheet_holds_every_row_and_its_captions():
    camera = Intrinsics(40, 30, 35.0, 35.0, 20.0, 15.0)
    picture = np.full((30, 40, 3), (250, 10, 10), np.uint8)
    deep = np.full((30, 40), 2, np.float32)
    case = Case(Photo(picture, camera, ABOVE), (), deep, camera)
    mine, other = (DepthMap(deep * f, deep / 2, camera) for f in (1, 1.1))
    alone, both = depth_cells(case, mine, mine), depth_cells(case, mine, other)
    assert (len(alone), len(both)) == (5, 7)
    whole = sheet([("a", alone), ("b", both)])
    assert whole.shape[1] >= 7 * CELL_PX
    assert whole.shape[0] > 2 * 180
    assert (whole == (250, 10, 10)).all(-1).sum() > 2 * 170 * 230
    # Names and captions are written in dark on white.
    assert (whole[:38].min(axis=-1) < 100).any()
