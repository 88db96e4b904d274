from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.meshing.blocks import BlockMesher, empty_patch
from engine.meshing.seams import weld
from tests.meshing.fields import (
    ball_m,
    cube_of_bricks,
    empty_volume,
    enclosed_m3,
    fill,
    open_edges,
)

BRICKS = cube_of_bricks(-2, 2)


def patches_of(distance_m, keys=BRICKS):
    volume = empty_volume()
    fill(volume, keys, distance_m)
    mesher = BlockMesher(volume, 0.5)
    mesher.update(volume.ledger.take("mesh"))
    return list(mesher.patches.values())


@pytest.fixture(scope="module")
def ball():
    return patches_of(ball_m(np.zeros(3), 0.5))


@settings(max_examples=20)
@given(st.tuples(*[st.floats(-0.05, 0.05)] * 3), st.floats(0.05, 0.5))
def test_a_ball_across_many_bricks_is_closed_round_and_faces_outward(center, radius):
    patches = patches_of(ball_m(np.array(center), radius))
    mesh = weld(patches)
    assert open_edges(mesh) == 0
    edges = 3 * len(mesh.faces) // 2
    assert len(mesh.vertices) - edges + len(mesh.faces) == 2  # one closed surface without handles
    off = np.linalg.norm(mesh.vertices - np.array(center), axis=1) - radius
    # Distance is linear only along rays; across a voxel its bend is voxel^2 / 8 radius.
    assert abs(off).max() < 0.02**2 / (8 * radius) + 3e-5
    share_cut_off = (0.02 / radius) ** 2 + 1e-3  # the mesh is inscribed in the ball
    assert enclosed_m3(mesh) == pytest.approx(4 / 3 * np.pi * radius**3, rel=share_cut_off)


@settings(max_examples=10)
@given(st.integers(0, 2**31), st.floats(0.05, 0.9))
def test_any_field_at_all_gives_a_closed_surface(seed, share_inside):
    # Noise meets every ambiguous case, on faces within a brick and between two.
    dice = np.random.default_rng(seed)

    def noise(points):
        voxel = np.rint(points / 0.02).astype(int)
        inside = dice.random(points.shape[:-1]) < share_inside
        rim = ((voxel <= -16) | (voxel >= 31)).any(axis=-1)
        return np.where(inside & ~rim, -1, 1) * dice.uniform(0.001, 0.1, inside.shape)

    mesh = weld(patches_of(noise, cube_of_bricks(-1, 2)))
    assert len(mesh.faces) > 10_000
    assert open_edges(mesh) == 0


@settings(max_examples=20)
@given(st.randoms(use_true_random=False))
def test_the_order_of_patches_does_not_matter(ball, random):
    shuffled = list(ball)
    random.shuffle(shuffled)
    one, other = weld(ball), weld(shuffled)
    assert np.array_equal(one.vertices, other.vertices)
    assert np.array_equal(one.faces, other.faces)
    assert np.array_equal(one.colors, other.colors)


def test_border_vertices_become_one_and_none_is_moved(ball):
    mesh = weld(ball)
    before = np.concatenate([p.vertices for p in ball])
    assert len(mesh.vertices) < len(before)
    assert set(map(bytes, mesh.vertices)) == set(map(bytes, before))
    assert len(mesh.faces) == sum(len(p.faces) for p in ball)
    corners = np.concatenate([p.vertices[p.faces] for p in ball])
    assert sorted(map(bytes, mesh.vertices[mesh.faces])) == sorted(map(bytes, corners))


def test_a_missing_brick_leaves_its_hole_and_no_other(ball):
    whole, part = weld(ball), weld(ball[1:])
    assert len(part.faces) == len(whole.faces) - len(ball[0].faces)
    assert 0 < open_edges(part) <= 2 * len(ball[0].vertices)


def test_nothing_and_empty_patches_weld_to_an_empty_mesh():
    assert weld([]).is_empty
    assert weld([empty_patch(5, 1), empty_patch(4, 1)]).is_empty


def test_what_was_observed_is_known_of_the_whole_as_soon_as_of_a_part(ball):
    plain = [replace(patch, is_observed=None) for patch in ball]
    assert weld(plain).is_observed is None
    below = [replace(patch, is_observed=patch.vertices[:, 2] < 0) for patch in ball]
    mesh = weld(below)
    assert np.array_equal(mesh.is_observed, mesh.vertices[:, 2] < 0)
    mixed = weld([below[0], *plain[1:]])
    assert 0 < (~mixed.is_observed).sum() <= len(below[0].vertices)
