import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core.grid import pack, unpack
from engine.meshing.blocks import UPPER, BlockMesher
from engine.meshing.seams import weld
from tests.meshing.fields import ball_m, cube_of_bricks, empty_volume, fill, open_edges, points_of

BRICKS = cube_of_bricks(-2, 2)
BALL = ball_m(np.array([0.03, -0.01, 0.02]), 0.45)


def nothing(points):
    return np.ones(points.shape[:-1])


def update(volume, mesher):
    return mesher.update(volume.ledger.take("mesh"))


@pytest.fixture
def ball():
    volume = empty_volume()
    fill(volume, BRICKS, BALL)
    mesher = BlockMesher(volume, 0.5)
    update(volume, mesher)
    return volume, mesher


def test_only_bricks_that_the_surface_crosses_have_a_patch(ball):
    _, mesher = ball
    assert mesher.faces == sum(len(p.faces) for p in mesher.patches.values()) > 3000
    for key, patch in mesher.patches.items():
        assert key == patch.key
        low = points_of(unpack(np.array([key]))[0])[0, 0, 0]
        assert len(patch.faces) > 0
        assert (patch.vertices >= low - 1e-6).all()
        assert (patch.vertices <= low + 0.32 + 1e-6).all()
        assert len(patch.vertices) == len(patch.colors) == len(patch.vertex_keys)
        assert len(np.unique(patch.vertex_keys)) == len(patch.vertices)
        # Seen once with full weight, of the eight that make it sure.
        assert np.array_equal(patch.confidence, np.full(len(patch.vertices), 31, np.uint8))


def test_a_patch_is_reported_once_when_it_loses_its_surface(ball):
    volume, mesher = ball
    before = set(mesher.patches)
    fill(volume, BRICKS, nothing)
    news = update(volume, mesher)
    assert sorted(p.key for p in news) == sorted(before)
    assert all(len(p.faces) == len(p.vertices) == 0 for p in news)
    assert mesher.patches == {}
    assert mesher.faces == 0
    volume.ledger.mark(BRICKS)
    assert update(volume, mesher) == []


def test_a_brick_that_is_gone_from_the_volume_loses_its_patch(ball):
    volume, mesher = ball
    gone = next(iter(mesher.patches))
    volume.pool.remove(volume.slots(np.array([gone])))
    news = mesher.update(np.array([gone]))
    told = {p.key: p for p in news}
    assert len(told) == len(news)
    assert len(told[gone].faces) == 0
    assert gone not in mesher.patches
    # Its lower neighbours read its first voxels, so they end earlier now.
    readers = set(pack(unpack(np.array([gone])) - UPPER).tolist())
    assert set(told) <= readers
    assert mesher.faces == sum(len(p.faces) for p in mesher.patches.values())


def test_revisions_grow_with_every_replacement(ball):
    volume, mesher = ball
    seen = {key: patch.revision for key, patch in mesher.patches.items()}
    for radius in (0.44, 0.3, 0.46, 0.2):
        fill(volume, BRICKS, ball_m(np.zeros(3), radius))
        for patch in update(volume, mesher):
            assert patch.revision > seen.get(patch.key, 0)
            seen[patch.key] = patch.revision
    fill(volume, BRICKS, nothing)
    for patch in update(volume, mesher):
        assert patch.revision > seen[patch.key]


def test_a_change_is_meshed_where_it_is_read_and_nowhere_else(ball):
    volume, mesher = ball
    old = dict(mesher.patches)
    changed = np.array([next(iter(old))])
    fill(volume, changed, ball_m(np.array([0.03, -0.01, 0.02]), 0.452))
    news = update(volume, mesher)
    readers = set(pack(unpack(changed) - UPPER).tolist())
    assert int(changed[0]) in {p.key for p in news}
    assert {p.key for p in news} <= readers
    assert all(mesher.patches[key] is old[key] for key in set(old) - readers)


def test_no_change_is_no_news(ball):
    _, mesher = ball
    assert mesher.update(np.zeros(0, np.int64)) == []
    assert mesher.update(pack(np.array([[50, 50, 50]]))) == []


def test_what_was_seen_too_little_has_no_surface():
    volume = empty_volume()
    fill(volume, BRICKS, BALL)
    few, enough = BlockMesher(volume, 1.02), BlockMesher(volume, 1.0)
    assert few.update(BRICKS) == []
    assert len(enough.update(BRICKS)) > 0


def test_patches_keep_their_own_copy(ball):
    volume, mesher = ball
    patch = next(iter(mesher.patches.values()))
    before = patch.vertices.copy()
    fill(volume, BRICKS, ball_m(np.zeros(3), 0.3))
    update(volume, mesher)
    assert np.array_equal(patch.vertices, before)


@settings(max_examples=15)
@given(st.lists(st.sets(st.integers(0, len(BRICKS) - 1), min_size=1, max_size=20), max_size=6))
def test_however_the_bricks_came_the_surface_is_that_of_the_volume(portions):
    volume = empty_volume()
    mesher = BlockMesher(volume, 0.5)
    for number, portion in enumerate(portions):
        fill(volume, BRICKS[sorted(portion)], ball_m(np.zeros(3), 0.3 + 0.03 * number))
        update(volume, mesher)
    fill(volume, BRICKS, BALL)
    update(volume, mesher)
    at_once = BlockMesher(volume, 0.5)
    at_once.update(volume.pool.keys())
    one, other = weld(mesher.patches.values()), weld(at_once.patches.values())
    assert np.array_equal(one.vertices, other.vertices)
    assert np.array_equal(one.faces, other.faces)
    assert open_edges(one) == 0
