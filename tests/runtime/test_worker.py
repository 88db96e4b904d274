import threading

import pytest

from engine.core.faults import BadInput, Cancelled
from engine.core.news import Progress
from engine.runtime.channels import Bounded, Latest
from engine.runtime.progress import run_job
from engine.runtime.worker import Crashed, Crew, FaultPolicy, StopToken, WorkerState

WAIT_S = 5.0


@pytest.fixture
def crew():
    faults = []
    made = Crew(lambda name, fault: faults.append((name, fault)))
    made.faults = faults
    yield made
    made.stop.set()
    assert made.join(WAIT_S) == ()


def test_a_worker_goes_through_its_states(crew):
    go = threading.Event()
    worker = crew.spawn("one", lambda stop: go.wait(WAIT_S) and None)
    assert worker.state is WorkerState.RUNNING
    go.set()
    assert worker.join(WAIT_S)
    assert worker.state is WorkerState.DONE
    assert crew.faults == []


def test_a_crash_becomes_a_fault_and_stops_the_others(crew):
    channel = Bounded(1)
    crew.stop.on_set(channel.close)
    other = crew.spawn("other", lambda stop: channel.get())

    def crash(stop):
        raise ZeroDivisionError("by nothing")

    broken = crew.spawn("broken", crash)
    assert crew.join(WAIT_S) == ()
    assert (broken.state, other.state) == (WorkerState.FAILED, WorkerState.DONE)
    [(name, fault)] = crew.faults
    assert name == "broken"
    assert isinstance(fault, Crashed)
    assert "ZeroDivisionError: by nothing" in fault.says
    assert isinstance(fault.__cause__, ZeroDivisionError)
    assert crew.stop.is_set


def test_a_fault_is_reported_as_it_is_and_may_stay_alone(crew):
    fault = BadInput("This is wrong.", "Do that.")

    def fail(stop):
        raise fault

    crew.spawn("alone", fail, FaultPolicy.ALONE).join(WAIT_S)
    assert crew.faults == [("alone", fault)]
    assert not crew.stop.is_set


def test_join_names_who_still_runs_and_shows_where(crew):
    go = threading.Event()
    worker = crew.spawn("stuck", lambda stop: go.wait(WAIT_S) and None)
    assert crew.join(0.02) == ("stuck",)
    assert "stuck:" in crew.stacks()
    assert "wait" in crew.stacks()
    go.set()
    assert worker.join(WAIT_S)
    assert crew.stacks() == ""


def test_a_stop_token_calls_every_hook_once():
    token = StopToken()
    called = []
    token.on_set(lambda: called.append("early"))
    token.set()
    token.set()
    token.on_set(lambda: called.append("late"))
    assert called == ["early", "late"]
    assert token.is_set


def count_to(total, closed):
    try:
        for i in range(total):
            yield Progress("count", i, total)
    finally:
        closed.append(True)
    return total


def test_a_job_gives_progress_and_its_result():
    seen, closed = [], []
    assert run_job(count_to(3, closed), seen.append, lambda: False) == 3
    assert [step.done for step in seen] == [0, 1, 2]
    assert closed == [True]


def test_a_cancelled_job_is_closed_between_steps():
    seen, closed = [], []
    with pytest.raises(Cancelled):
        run_job(count_to(9, closed), seen.append, lambda: len(seen) == 2)
    assert len(seen) == 2
    assert closed == [True]


def test_a_failing_listener_closes_the_job_too():
    closed = []
    with pytest.raises(ZeroDivisionError):
        run_job(count_to(9, closed), lambda step: 1 // step.done, lambda: False)
    assert closed == [True]


def test_a_job_in_a_worker_stops_with_the_crew(crew):
    steps = Latest()

    def endless():
        while True:
            yield Progress("on and on", 0)

    crew.spawn("job", lambda stop: run_job(endless(), steps.put, lambda: stop.is_set))
    steps.get(WAIT_S)
    crew.stop.set()
    assert crew.join(WAIT_S) == ()
    assert crew.faults == []
