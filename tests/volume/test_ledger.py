import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine.volume.ledger import Ledger

NAMES = ("mesh", "network")
keys = st.lists(st.integers(0, 9), max_size=6)
marks = st.tuples(st.just("mark"), keys)
takes = st.tuples(st.sampled_from(NAMES), st.none() | st.integers(0, 4))


@given(st.lists(marks | takes, max_size=30))
def test_every_consumer_gets_every_change_once_oldest_first(steps):
    ledger = Ledger(NAMES)
    owed = {name: [] for name in NAMES}
    for what, value in steps:
        if what == "mark":
            ledger.mark(np.array(value, np.int64))
            for waiting in owed.values():
                waiting.extend(key for key in dict.fromkeys(value) if key not in waiting)
        else:
            count = len(owed[what]) if value is None else value
            taken = ledger.take(what, value)
            assert taken.dtype == np.int64
            assert taken.tolist() == owed[what][:count]
            del owed[what][:count]
        assert {name: ledger.owed(name) for name in NAMES} == {n: len(k) for n, k in owed.items()}


def test_marking_again_keeps_the_place_in_the_line_and_taking_starts_anew():
    ledger = Ledger(["mesh"])
    ledger.mark(np.array([1, 2]))
    ledger.mark(np.array([3, 1]))
    assert ledger.take("mesh", 2).tolist() == [1, 2]
    ledger.mark(np.array([1]))
    assert ledger.take("mesh").tolist() == [3, 1]
    assert ledger.take("mesh").tolist() == []


def test_one_consumer_alone_can_be_told():
    ledger = Ledger(("mesh", "network"))
    ledger.mark(np.array([4, 5]), "network")
    ledger.mark(np.array([5, 6]))
    assert ledger.take("mesh").tolist() == [5, 6]
    assert ledger.take("network").tolist() == [4, 5, 6]
