from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from engine.core.faults import CannotWrite, Fault
from engine.core.grid import pack
from engine.volume import pool as pool_module
from engine.volume.pool import Pool

CELL_M = 0.5
LAYERS = {"a": ((2,), np.int32), "b": ((3, 2), np.int16)}
UNIVERSE = 14
EVICT_AT_ONCE = 3
CAPACITY = 2 * EVICT_AT_ONCE


def key_of(number):
    return int(pack(np.array([[number, -number, 3]]))[0])


def tight_pool():
    # Without memory to speak of, a pool still holds twice what leaves it at once.
    made = Pool(LAYERS, 0, CELL_M)
    assert made.capacity == CAPACITY
    return made


def write(pool, slot, value):
    for layer in pool.layers.values():
        layer[slot] = value + np.arange(layer[slot].size).reshape(layer[slot].shape)


def read(pool, slot):
    """Return the value a slot was written with, having seen that every number fits it."""
    value = int(pool.layers["a"][slot].flat[0])
    for layer in pool.layers.values():
        count = np.arange(layer[slot].size).reshape(layer[slot].shape)
        expected = count + value if value else np.zeros_like(count)
        assert np.array_equal(layer[slot], expected)
    return value


class PoolIsADict(RuleBasedStateMachine):
    """Whatever is done to a pool too small for it, it holds what a dict would hold."""

    def __init__(self):
        super().__init__()
        self.patch = mock.patch.object(pool_module, "EVICT_AT_ONCE", EVICT_AT_ONCE)
        self.patch.start()
        self.pool = tight_pool()
        self.model = {}
        self.named = set()

    numbers = st.lists(st.integers(0, UNIVERSE - 1), min_size=1, max_size=CAPACITY + 1, unique=True)

    @rule(x=st.floats(-2, 9))
    def begin(self, x):
        self.pool.begin(np.array([x, -x, 1.5]))
        self.named = set()

    @rule(numbers=numbers)
    def create(self, numbers):
        self._named_together(numbers)
        keys = np.array([key_of(n) for n in numbers])
        if len(self.named) > CAPACITY:
            with pytest.raises(Fault, match="memory ceiling"):
                self.pool.create(keys)
            self.begin(0.0)
            return
        slots = self.pool.create(keys)
        assert len(set(slots.tolist())) == len(numbers)
        for n, slot in zip(numbers, slots.tolist(), strict=True):
            assert read(self.pool, slot) == self.model.setdefault(n, 0)

    @rule(numbers=numbers)
    def look(self, numbers):
        self._named_together([n for n in numbers if n in self.model])
        keys = np.array([key_of(n) for n in numbers])
        if len(self.named) > CAPACITY:
            with pytest.raises(Fault, match="memory ceiling"):
                self.pool.slots(keys)
            self.begin(0.0)
            return
        # Twice in a row, in a table: the answer has the shape of the question.
        slots = self.pool.slots(np.stack([keys, keys]))
        assert np.array_equal(slots[0], slots[1])
        for n, slot in zip(numbers, slots[0].tolist(), strict=True):
            if n in self.model:
                assert read(self.pool, slot) == self.model[n]
            else:
                assert slot == -1

    @rule(number=st.integers(0, UNIVERSE - 1), value=st.integers(1, 1000))
    def write(self, number, value):
        self.begin(0.0)
        (slot,) = self.pool.slots(np.array([key_of(number)])).tolist()
        assert (slot >= 0) == (number in self.model)
        if slot >= 0:
            self.named = {number}
            write(self.pool, slot, value)
            self.model[number] = value

    @rule(numbers=numbers)
    def remove(self, numbers):
        self.begin(0.0)
        here = [n for n in numbers if n in self.model][:CAPACITY]
        self.pool.remove(self.pool.slots(np.array([key_of(n) for n in here], np.int64)))
        for n in here:
            del self.model[n]

    @rule(numbers=numbers, fits=st.integers(0, 3))
    def create_on_a_disk_that_fills_up(self, numbers, fits):
        self.begin(0.0)
        fresh = [n for n in numbers if n not in self.model][:CAPACITY]
        left = iter(range(fits))
        real_open = Path.open

        def full_at_last(path, mode):
            if next(left, None) is None:
                raise OSError(28, "No space left on device")
            return real_open(path, mode)

        with mock.patch.object(Path, "open", full_at_last):
            try:
                self.pool.create(np.array([key_of(n) for n in fresh], np.int64))
            except CannotWrite:
                return
        self.model |= dict.fromkeys(fresh, 0)
        self.named = set(fresh)

    @invariant()
    def it_names_all_cells(self):
        assert self.pool.keys().tolist() == sorted(key_of(n) for n in self.model)
        assert self.pool.resident <= CAPACITY
        assert self.pool.resident + self.pool.spilled == len(self.model)

    def teardown(self):
        try:
            for n, value in self.model.items():
                self.pool.begin(np.zeros(3))
                assert read(self.pool, int(self.pool.slots(np.array([key_of(n)]))[0])) == value
        finally:
            self.pool.close()
            self.patch.stop()

    def _named_together(self, numbers):
        self.named |= set(numbers)


TestPool = PoolIsADict.TestCase
TestPool.settings = settings(max_examples=50, stateful_step_count=30)


@pytest.fixture
def tight(monkeypatch):
    monkeypatch.setattr(pool_module, "EVICT_AT_ONCE", EVICT_AT_ONCE)
    made = tight_pool()
    yield made
    made.close()


def line(start, stop):
    """Return keys of cells along x."""
    return pack(np.array([[x, 0, 0] for x in range(start, stop)]))


def test_the_farthest_cells_leave_first(tight):
    tight.begin(np.array([5.25 * CELL_M, 0, 0]))
    tight.create(line(0, CAPACITY))
    tight.begin(np.array([5.25 * CELL_M, 0, 0]))
    tight.create(line(6, 7))
    assert tight.spilled == EVICT_AT_ONCE
    assert tight.table.lookup(line(0, 7)).min() == -1
    assert (tight.table.lookup(line(0, 3)) == -1).all()
    assert (tight.table.lookup(line(3, 7)) >= 0).all()


def test_disk_places_are_used_again(tight):
    for _ in range(20):
        for start in (0, 6):
            tight.begin(np.zeros(3))
            tight.create(line(start, start + 6))
    assert tight._file().stat().st_size <= 2 * CAPACITY * tight.cell_bytes


def test_closing_leaves_nothing_on_disk(tight):
    for start in (0, 6):
        tight.begin(np.zeros(3))
        tight.create(line(start, start + 6))
    folder = tight._file().parent
    assert folder.is_dir()
    tight.close()
    assert not folder.exists()
    tight.close()


def test_nothing_goes_to_disk_while_there_is_room(tight):
    tight.create(line(0, CAPACITY))
    assert tight.spilled == 0
    assert tight._folder is None


def test_a_disk_that_cannot_be_read_is_said_and_keeps_what_is_in_memory(tight):
    keys = np.array([key_of(n) for n in range(CAPACITY)])
    tight.begin(np.zeros(3))
    tight.create(keys)
    tight.begin(np.zeros(3))
    tight.create(np.array([key_of(CAPACITY)]))
    (away,) = [n for n in range(CAPACITY) if tight.table.lookup(keys[n : n + 1])[0] < 0][:1]
    held = tight.keys().tolist()
    tight.begin(np.zeros(3))
    with (
        mock.patch.object(Path, "open", side_effect=OSError(5, "Input/output error")),
        pytest.raises(CannotWrite, match="on disk cannot be"),
    ):
        tight.slots(keys[away : away + 1])
    assert tight.keys().tolist() == held
