"""What a network says beside what was measured: one surface, without cracks between the two."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from engine.core.grid import unpack
from engine.core.surface import Grade
from engine.kernels.integrate import ABSENT, REFINED_ONE
from engine.kernels.marching import UNSEEN
from engine.meshing.blocks import BlockMesher
from engine.meshing.seams import weld
from engine.recon.lattice import Lattice
from engine.recon.surface import FineSurface
from engine.runtime.progress import run_job
from tests.meshing.fields import (
    LOCAL,
    TRUNCATION_M,
    VOXEL_M,
    ball_m,
    cube_of_bricks,
    empty_volume,
    fill,
    open_edges,
    points_of,
)

BRICKS = cube_of_bricks(-2, 2)
BALL = ball_m(np.array([0.03, -0.01, 0.02]), 0.45)
# Another opinion on where the same ball is.
ASIDE = ball_m(np.array([0.04, -0.004, 0.012]), 0.447)


def said(distance_m):
    """Return distances in metres as a network tells them."""
    unit = np.rint(np.clip(distance_m / TRUNCATION_M, -1, 1) * REFINED_ONE).astype(np.int16)
    return np.where(unit == 0, 1, unit)


def words(keys, distance_m):
    """Return what a network says of whole bricks (n, 16, 16, 16)."""
    return np.stack([said(distance_m(points_of(cell))) for cell in unpack(keys)])


def meshed(volume):
    mesher = BlockMesher(volume, 0.5)
    mesher.update(volume.pool.keys())
    return mesher


def triangles(mesh, places):
    """Return the faces as sets of named places."""
    gap, name = places.query(mesh.vertices)
    assert gap.max() < 1e-6
    return set(map(tuple, np.sort(name[mesh.faces], axis=1).tolist()))


@pytest.fixture
def draft():
    volume = empty_volume()
    fill(volume, BRICKS, BALL)
    return volume


@pytest.mark.parametrize(
    "is_spoken_of",
    [
        lambda cells: cells.sum(axis=1) % 2 == 0,
        lambda cells: cells[:, 0] < 0,
        lambda cells: np.ones(len(cells), bool),
    ],
    ids=["every other brick", "half", "all"],
)
def test_refined_and_draft_bricks_meet_without_a_crack(draft, is_spoken_of):
    refined = BRICKS[is_spoken_of(unpack(BRICKS))]
    draft.refine(refined, words(refined, ASIDE))
    mesher = meshed(draft)
    mesh = weld(mesher.patches.values())
    assert open_edges(mesh) == 0
    off = np.abs([BALL(mesh.vertices), ASIDE(mesh.vertices)])
    assert off.min(axis=0).max() < 0.5 * np.abs(BALL(mesh.vertices) - ASIDE(mesh.vertices)).max()
    # A border vertex is the same from every brick that has it, to the bit.
    seen = {}
    for patch in mesher.patches.values():
        # A brick that only brings a corner of the surface may have no edge of its own.
        if patch.key not in refined or len(patch.faces) > 50:
            assert patch.grade is (Grade.REFINED if patch.key in refined else Grade.DRAFT)
        looks = zip(
            patch.vertex_keys.tolist(),
            patch.vertices.tolist(),
            patch.colors.tolist(),
            patch.is_observed.tolist(),
            strict=True,
        )
        for key, *look in looks:
            assert seen.setdefault(key, look) == look
    assert len(seen) == len(mesh.vertices)


@settings(max_examples=10)
@given(st.integers(0, 2**31), st.floats(0.05, 0.9), st.floats(0.02, 0.98))
def test_however_the_two_are_mixed_the_surface_is_closed(seed, share_inside, share_refined):
    dice = np.random.default_rng(seed)
    keys = cube_of_bricks(-1, 2)

    def noise(points):
        voxel = np.rint(points / VOXEL_M).astype(int)
        inside = dice.random(points.shape[:-1]) < share_inside
        rim = ((voxel <= -16) | (voxel >= 31)).any(axis=-1)
        return np.where(inside & ~rim, -1, 1) * dice.uniform(0.001, 0.1, inside.shape)

    volume = empty_volume()
    fill(volume, keys, noise)
    says = words(keys, noise)
    volume.refine(keys, np.where(dice.random(says.shape) < share_refined, says, 0).astype(np.int16))
    mesh = weld(meshed(volume).patches.values())
    assert len(mesh.faces) > 10_000
    assert open_edges(mesh) == 0


def test_what_is_said_overrules_what_was_measured_and_can_be_unsaid(draft):
    before = weld(meshed(draft).patches.values())
    draft.refine(BRICKS, words(BRICKS, ASIDE))
    mesh = weld(meshed(draft).patches.values())
    # Across a voxel the distance bends by voxel^2 / 8 radius.
    assert np.abs(ASIDE(mesh.vertices)).max() < VOXEL_M**2 / (8 * 0.447) + 3e-5
    draft.unrefine(BRICKS)
    after = weld(meshed(draft).patches.values())
    assert np.array_equal(before.vertices, after.vertices)
    assert np.array_equal(before.faces, after.faces)


def test_where_the_network_says_there_is_nothing_the_draft_is_gone():
    volume = empty_volume()
    small = ball_m(np.array([0.4, 0.4, 0.4]), 0.12)
    fill(volume, BRICKS, lambda points: np.minimum(BALL(points), small(points)))
    draft = weld(meshed(volume).patches.values())
    assert (np.abs(small(draft.vertices)) < 0.004).sum() > 100
    says = np.stack([
        np.where(np.abs(ASIDE(points_of(c))) < 0.06, said(ASIDE(points_of(c))), ABSENT)
        for c in unpack(BRICKS)
    ]).astype(np.int16)  # fmt: skip
    volume.refine(BRICKS, says)
    mesh = weld(meshed(volume).patches.values())
    assert open_edges(mesh) == 0
    assert np.abs(ASIDE(mesh.vertices)).max() < 4e-4
    volume.refine(BRICKS, np.full_like(says, ABSENT))
    assert meshed(volume).patches == {}


def test_a_refined_brick_that_nothing_measured_has_surface_of_its_own():
    volume = empty_volume()
    volume.refine(BRICKS, words(BRICKS, BALL))
    mesh = weld(meshed(volume).patches.values())
    assert open_edges(mesh) == 0
    assert not mesh.is_observed.any()
    assert (mesh.colors == UNSEEN).all()


def test_a_vertex_is_observed_within_two_voxels_of_the_measured_surface():
    volume = empty_volume()
    # Measured: the plane x = 0. Said: a plane that tilts away from it.
    fill(volume, BRICKS, lambda points: points[..., 0])
    slope = 0.2
    tilted = words(BRICKS, lambda points: points[..., 0] - slope * points[..., 1])
    volume.refine(BRICKS, tilted)
    mesh = weld(meshed(volume).patches.values())
    away = np.abs(mesh.vertices[:, 0])
    assert mesh.is_observed[away < 2 * VOXEL_M - 1e-4].all()
    assert not mesh.is_observed[away > 2 * VOXEL_M + 1e-4].any()
    assert 0.2 < mesh.is_observed.mean() < 0.4
    volume.unrefine(BRICKS)
    assert weld(meshed(volume).patches.values()).is_observed.all()


# 4 cm voxels whose samples at 2 cm fall on the surface lattice.
RATE = 2
COARSE = Lattice((-0.59, -0.59, -0.59), (28, 28, 28), 0.04)


def fine_and_refined(keep):
    """Return one ball's samples twice: as the batch system holds them, and said to a volume."""
    voxels = np.argwhere(np.ones(COARSE.dims, bool))
    near = np.abs(BALL(COARSE.points_at(torch.from_numpy(voxels)).numpy())) < 0.09
    voxels = voxels[near & keep(voxels)]
    steps = np.argwhere(np.ones((RATE,) * 3, bool))
    index = voxels[:, None] * RATE + steps
    fine = COARSE.refined(RATE)
    sample = np.rint(np.asarray(fine.origin_m) / VOXEL_M).astype(int) + index
    assert np.allclose(sample * VOXEL_M, fine.points_at(torch.from_numpy(index)).numpy(), atol=1e-6)
    values = said(BALL(sample * VOXEL_M))
    shape = (len(voxels), *(RATE,) * 3)
    unit = 0.5 + 0.5 * (values.reshape(shape) / REFINED_ONE)
    surface = FineSurface(
        COARSE, RATE, torch.from_numpy(voxels), torch.from_numpy(unit.astype(np.float32))
    )
    says = np.full((len(BRICKS), 16, 16, 16), ABSENT, np.int16)
    low = unpack(BRICKS)
    place = {tuple(cell): slot for slot, cell in enumerate(low.tolist())}
    slot = np.array([place[tuple(c)] for c in (sample.reshape(-1, 3) // 16).tolist()])
    says[slot, *(sample.reshape(-1, 3) % 16).T] = values.ravel()
    volume = empty_volume()
    volume.refine(BRICKS, says)
    batch = run_job(surface.mesh(), lambda _: None, lambda: False)
    return batch, weld(meshed(volume).patches.values()), says


def test_what_is_said_is_meshed_as_the_batch_system_does():
    batch, live, _ = fine_and_refined(lambda voxels: np.ones(len(voxels), bool))
    assert len(live.faces) > 3000
    places = cKDTree(batch.vertices)
    assert triangles(live, places) == triangles(batch, places)


def test_only_at_the_border_of_the_unknown_does_the_batch_system_keep_more():
    batch, live, says = fine_and_refined(lambda v: (v @ [1, 3, 5]) % 7 > 0)
    places = cKDTree(batch.vertices)
    ours, theirs = triangles(live, places), triangles(batch, places)
    assert ours < theirs
    absent = np.concatenate([
        (LOCAL + cell * 16)[brick == ABSENT] * VOXEL_M
        for cell, brick in zip(unpack(BRICKS), says, strict=True)
    ])  # fmt: skip
    gap = cKDTree(absent).query(batch.vertices[np.array(sorted(theirs - ours))].mean(axis=1))[0]
    assert gap.max() < np.sqrt(3) * VOXEL_M
