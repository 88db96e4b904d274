import time

import numpy as np
import pytest

from engine.core.edits import Crop, FillHoles, Level, RemoveIslands, Simplify
from engine.core.faults import BadInput
from engine.core.poses import Pose
from engine.core.surface import Mesh, TexturedMesh
from engine.meshing.count import counted
from engine.meshing.edits import edited, reduced
from engine.meshing.parts import untextured
from tests.meshing.painted import frozen, painted, tint
from tests.meshing.test_floor import joined
from tests.meshing.test_simplify import ball, sheet, without

EDITS = [
    Crop(Pose.identity(), (0.9, 1, 1)),
    Level((0.0, 0.0, 0.5), (0.1, 0.0, 1.0)),
    RemoveIslands(100),
    FillHoles(30),
    Simplify(300),
]


def holed_ball_and_crumb() -> Mesh:
    whole = ball(3)
    top = whole.vertices[whole.faces].mean(axis=1)[:, 2] > 0.485
    both = joined(without(whole, top), ball(1, 2.0, 0.1))
    return Mesh(both.vertices, both.faces, tint(both.vertices).astype(np.uint8))


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("has_texture", [False, True])
def test_no_edit_writes_to_the_surface_it_was_given(edit, has_texture):
    mesh = holed_ball_and_crumb()
    before = frozen(painted(mesh) if has_texture else mesh)
    after = edited(before, edit).surface
    assert counted(after) != counted(before)


def test_counts_see_through_the_seams_of_an_atlas():
    mesh = holed_ball_and_crumb()
    told, told_painted = counted(mesh), counted(painted(mesh))
    assert (told.pieces, told.holes) == (2, 1)
    assert told_painted == told
    assert told.size_m == pytest.approx((2.6, 2.6, 2.6), abs=0.02)
    assert counted(sheet(3)).holes == 1
    nothing = Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))
    assert counted(nothing).faces == 0


def test_a_crumb_goes_and_what_stays_keeps_its_texture():
    surface = painted(holed_ball_and_crumb())
    left = edited(surface, RemoveIslands(100)).surface
    assert isinstance(left, TexturedMesh)
    assert left.texture is surface.texture
    told = counted(left)
    assert (told.pieces, told.faces) == (1, counted(surface).faces - 80)
    assert edited(left, RemoveIslands(100)).surface is left


def test_a_closed_hole_has_no_texture_but_the_colours_of_its_rim():
    surface = painted(holed_ball_and_crumb())
    closed = edited(surface, FillHoles(60)).surface
    assert isinstance(closed, Mesh)
    assert counted(closed).holes == 0
    assert closed.colors is not None
    assert np.abs(closed.colors.astype(float) - tint(closed.vertices)).max() < 12
    # No hole so small: nothing to do, so the texture stays.
    assert edited(surface, FillHoles(3)).surface is surface


def test_a_reduced_surface_takes_its_colours_from_the_texture_and_says_what_was_observed():
    surface = painted(ball(4))
    bare = TexturedMesh(
        Mesh(
            surface.mesh.vertices,
            surface.mesh.faces,
            None,
            surface.mesh.vertices[:, 0] > 0,
        ),
        surface.uv,
        surface.texture,
    )
    fewer = edited(bare, Simplify(1500)).surface
    assert isinstance(fewer, Mesh)
    assert len(fewer.faces) == pytest.approx(1500, abs=3)
    assert counted(fewer).holes == 0
    assert fewer.colors is not None
    assert np.abs(fewer.colors.astype(float) - tint(fewer.vertices)).mean() < 6
    assert fewer.is_observed is not None
    sure = np.abs(fewer.vertices[:, 0]) > 0.05
    assert (fewer.is_observed == (fewer.vertices[:, 0] > 0))[sure].all()
    assert edited(bare, Simplify(10**6)).surface is bare


def test_untextured_joins_what_the_atlas_split():
    plain = ball(3)
    assert len(untextured(painted(plain)).vertices) == len(plain.vertices)


@pytest.mark.parametrize(
    "edit", [RemoveIslands(0), RemoveIslands(10**6), FillHoles(2), Simplify(0), Simplify(-5)]
)
def test_edits_that_leave_nothing_or_mean_nothing_are_refused(edit):
    with pytest.raises(BadInput):
        edited(holed_ball_and_crumb(), edit)


def test_nothing_can_be_done_to_nothing():
    nothing = Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))
    for edit in EDITS:
        with pytest.raises(BadInput, match="empty"):
            edited(nothing, edit)


def test_reducing_to_a_few_faces_leaves_some_or_says_that_it_cannot():
    assert not reduced(ball(2), 4).is_empty
    with pytest.raises(BadInput):
        reduced(ball(2), 0)


@pytest.mark.slow
@pytest.mark.parametrize("edit", EDITS)
def test_a_scan_of_three_hundred_thousand_faces_takes_under_two_seconds(edit):
    big = sheet(390, 0.002)
    started = time.process_time()
    edited(Mesh(big.vertices - np.float32(0.5), big.faces, big.colors), edit)
    assert time.process_time() - started < 2
