import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.grid import pack, unpack
from engine.recon.frustum import Frustum
from engine.recon.schedule import CHUNK_M, FAIR_EVERY, Scheduler, chunks_of


def key(x, y=0, z=0):
    return int(pack(np.array([[x, y, z]]))[0])


K = np.array([[100, 0, 50], [0, 100, 50], [0, 0, 1]])
# At the origin, looking along +z.
AHEAD = Frustum.of(K, (100, 100), np.eye(4))
EYE = np.zeros(3)


def order(scheduler, eye=EYE, frustum=AHEAD):
    given_keys = []
    while (chunk := scheduler.next(eye, frustum)) is not None:
        given_keys.append(chunk)
        scheduler.done(chunk)
    return given_keys


def test_visible_comes_before_stale_and_stale_before_near():
    scheduler = Scheduler()
    behind, near, far = key(0, 0, -3), key(0, 0, 1), key(0, 0, 3)
    scheduler.mark([behind, far, near])
    assert order(scheduler) == [near, far, behind]
    # All were refined after one change; now the far one changes more than the near one.
    scheduler.mark([behind, near, far])
    scheduler.mark([far])
    # The fourth turn is that of the chunk that waits longest.
    assert order(scheduler) == [behind, far, near]


def test_a_second_keyframe_matters_more_than_a_fortieth():
    scheduler = Scheduler()
    young, old = key(0, 0, 3), key(0, 0, 1)
    for _ in range(40):
        scheduler.mark([old])
    scheduler.mark([young])
    for _ in range(2):
        scheduler.done(scheduler.next(EYE, AHEAD))
    scheduler.mark([old, young])
    assert scheduler.next(EYE, AHEAD) == young


def test_a_chunk_in_flight_is_not_given_twice_and_waits_again_if_it_changed():
    scheduler = Scheduler()
    scheduler.mark([key(1)])
    assert scheduler.next() == key(1)
    assert scheduler.in_flight == 1
    assert scheduler.next() is None
    scheduler.mark([key(1)])
    assert scheduler.waiting == 1
    assert scheduler.next() is None
    scheduler.done(key(1))
    assert scheduler.next() == key(1)
    scheduler.done(key(1))
    assert scheduler.next() is None
    assert scheduler.waiting == scheduler.in_flight == 0


def test_what_failed_waits_again():
    scheduler = Scheduler()
    scheduler.mark([key(1)])
    scheduler.next()
    scheduler.failed(key(1))
    assert scheduler.next() == key(1)


@given(st.integers(2, 30), st.integers(0, 2**31))
def test_nothing_starves(count, seed):
    rng = np.random.default_rng(seed)
    # One chunk is behind and was marked once; all others stay in view and change all the time.
    scheduler = Scheduler()
    poor = key(0, 0, -5)
    others = [key(0, 0, z + 1) for z in range(count - 1)]
    scheduler.mark([*others, poor])
    turns = FAIR_EVERY * count + 1
    for _ in range(turns):
        chunk = scheduler.next(EYE, AHEAD)
        scheduler.done(chunk)
        scheduler.mark(rng.permutation(others).tolist())
        if chunk == poor:
            return
    pytest.fail(f"not given in {turns} turns")


def test_the_order_does_not_depend_on_the_order_of_marks():
    keys = [key(x, y, 2) for x in range(-2, 3) for y in range(-2, 3)]
    orders = []
    for marked in (keys, keys[::-1]):
        scheduler = Scheduler()
        scheduler.mark(marked)
        chosen = []
        for turn in range(len(keys)):
            chunk = scheduler.next(EYE, AHEAD)
            scheduler.done(chunk)
            if (turn + 1) % FAIR_EVERY:
                chosen.append(chunk)
        orders.append(chosen[:3])
    assert orders[0] == orders[1]


def test_without_a_camera_anything_may_come_first():
    scheduler = Scheduler()
    scheduler.mark([key(3), key(1), key(2)])
    assert sorted(order(scheduler, None, None)) == sorted([key(1), key(2), key(3)])


@given(st.lists(st.tuples(*[st.integers(-9, 9)] * 3), min_size=1, max_size=20), st.integers(0, 2))
def test_chunks_of_blocks_are_those_within_reach(cells, within):
    cells = np.array(cells)
    found = {tuple(cell) for cell in unpack(chunks_of(pack(cells), within)).tolist()}
    low, high = cells - within, cells + within
    for cell in np.ndindex(9, 9, 9):
        chunk = np.array(cell) - 4
        touches = ((high >= chunk * 4) & (low <= chunk * 4 + 3)).all(axis=1).any()
        assert touches == (tuple(chunk.tolist()) in found)
    assert pytest.approx(1.28) == CHUNK_M
