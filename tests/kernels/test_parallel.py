import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.kernels import parallel
from engine.kernels.parallel import over_slices, workers


@given(st.integers(0, 3000), st.integers(1, 100))
def test_slices_cover_everything_once_and_in_order(count, min_slice):
    slices = over_slices(lambda start, stop: range(start, stop), count, min_slice)
    assert [i for piece in slices for i in piece] == list(range(count))
    assert all(len(piece) >= min_slice for piece in slices[:-1])
    assert len(slices) <= 4 * workers()


def test_results_come_in_order_although_the_first_is_slowest():
    rest_is_done = threading.Event()

    def kernel(start, stop):
        if start == 0 and workers() > 1:
            assert rest_is_done.wait(10)
        if start == 8:
            rest_is_done.set()
        return start

    assert over_slices(kernel, 32, 8) == [0, 8, 16, 24]


def test_one_worker_runs_on_the_calling_thread(monkeypatch):
    monkeypatch.setattr(parallel, "workers", lambda: 1)
    here = threading.get_ident()
    found = over_slices(lambda start, stop: (start, stop, threading.get_ident()), 40, 8)
    assert [piece[:2] for piece in found] == [(0, 10), (10, 20), (20, 30), (30, 40)]
    assert {piece[2] for piece in found} == {here}


def test_a_failing_slice_is_raised():
    def kernel(start, stop):
        if start:
            raise ZeroDivisionError("in a slice")
        return start

    with pytest.raises(ZeroDivisionError, match="in a slice"):
        over_slices(kernel, 64, 8)
    assert over_slices(lambda start, stop: 1, 64, 8)


def test_kernels_may_be_started_from_several_threads_at_once():
    answers = {}

    def ask(number):
        answers[number] = sum(over_slices(lambda start, stop: sum(range(start, stop)), 5000, 8))

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert answers == dict.fromkeys(range(6), sum(range(5000)))
