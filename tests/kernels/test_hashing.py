import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.kernels.hashing import EMPTY, KeyTable, find

CAPACITY = 24
keys = st.integers(0, 60) | st.integers(0, 2**63 - 1)
entries = st.dictionaries(keys, st.integers(0, 2**31 - 1), max_size=CAPACITY)


def columns(entries):
    return np.array(list(entries), np.int64), np.array(list(entries.values()), np.int32)


def filled(entries):
    table = KeyTable(CAPACITY)
    table.insert(*columns(entries))
    return table


@given(entries, st.lists(keys, min_size=1))
def test_it_answers_like_a_dict(model, asked):
    table = filled(model)
    asked = [*asked, *model]
    assert table.lookup(np.array(asked)).tolist() == [model.get(key, -1) for key in asked]


@given(entries, entries)
def test_entering_a_key_again_replaces_its_slot(first, second):
    second = dict(list(second.items())[: CAPACITY - len(first)])
    table = filled(first)
    table.insert(*columns(second))
    model = first | second
    assert table.lookup(columns(model)[0]).tolist() == list(model.values())
    assert np.count_nonzero(table.keys != EMPTY) == len(model)


@given(entries, entries)
def test_rebuilding_forgets_what_was_there(first, second):
    table = filled(first)
    table.rebuild(*columns(second))
    asked = [*first, *second, 7]
    assert table.lookup(np.array(asked, np.int64)).tolist() == [second.get(k, -1) for k in asked]


@pytest.mark.parametrize("capacity", [1, 8, 9, 1000])
def test_a_full_table_is_at_most_half_full_and_still_finds_everything(capacity):
    # Neighbouring bricks have keys in steps: the mixing must spread them.
    inserted = np.arange(capacity) << 21
    table = KeyTable(capacity)
    table.insert(inserted, np.arange(capacity, dtype=np.int32))
    assert len(table.keys) >= 2 * capacity
    assert table.lookup(inserted).tolist() == list(range(capacity))
    assert (table.lookup(inserted + 1) == -1).all()


def test_neighbouring_bricks_are_found_in_a_few_steps():
    cells = np.stack(np.meshgrid(*[np.arange(16)] * 3), axis=-1).reshape(-1, 3).astype(np.int64)
    inserted = (cells[:, 0] << 42) | (cells[:, 1] << 21) | cells[:, 2]
    table = KeyTable(len(inserted))
    table.insert(inserted, np.arange(len(inserted), dtype=np.int32))
    taken = np.concatenate([table.keys != EMPTY] * 2)
    longest_run = max(len(run) for run in "".join("x" if t else " " for t in taken).split())
    assert longest_run < 64


def test_answers_have_the_shape_of_the_question():
    table = filled({3: 30, 5: 50})
    assert table.lookup(np.array([[3, 4], [5, 3], [0, 0]])).tolist() == [
        [30, -1],
        [50, 30],
        [-1, -1],
    ]
    assert table.lookup(np.zeros((0, 8), np.int64)).shape == (0, 8)


def test_compiled_kernels_may_look_up_too():
    table = filled({3: 30, 2**62: 9})

    @numba.njit
    def both(keys, slots):
        return find(keys, slots, 2**62), find(keys, slots, 4)

    assert both(table.keys, table.slots) == (9, -1)
