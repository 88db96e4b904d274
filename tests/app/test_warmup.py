import time
from types import SimpleNamespace

import numpy as np
import pytest

from app.host import warmup, warmup_scans
from app.host.words import PREPARING
from tests.app.hosted import until


@pytest.fixture
def scans(monkeypatch):
    """Return what is imported in place of the module that scans; give it a `main`."""
    module = SimpleNamespace()
    monkeypatch.setattr(warmup, "import_module", lambda name: module)
    return module


def test_waiting_tells_progress_until_all_is_compiled(monkeypatch, scans):
    gates = [False]
    monkeypatch.setattr(warmup, "POLL_S", 0.001)
    scans.main = lambda breathe: until(lambda: gates[0])
    ended = []
    waiting = warmup.WarmUp(lambda: ended.append(True)).wait()
    assert [next(waiting).stage for _ in range(3)] == [PREPARING] * 3
    assert not ended
    gates[0] = True
    for step in waiting:
        assert step.stage == PREPARING
    assert ended


def test_it_rests_while_somebody_waits_for_something_else(monkeypatch, scans):
    monkeypatch.setattr(warmup, "POLL_S", 0.001)
    steps, is_enough = [], []

    def main(breathe):
        while not is_enough:
            breathe()
            steps.append(True)
            time.sleep(0.001)

    scans.main = main
    warm_up = warmup.WarmUp(lambda: None)
    until(lambda: steps)
    with warm_up.held():
        done = len(steps)
        time.sleep(0.1)
        # The step that had begun may end.
        assert len(steps) <= done + 1
    done = len(steps)
    until(lambda: len(steps) > done)
    is_enough.append(True)
    for _ in warm_up.wait():
        pass


def test_failing_is_logged_and_no_fault_of_the_scan(scans, caplog):
    def fail(breathe):
        raise RuntimeError("no compiler")

    scans.main = fail
    ended = []
    for step in warmup.WarmUp(lambda: ended.append(True)).wait():
        assert step.stage == PREPARING
    assert not ended
    assert "Warming up failed" in caplog.text
    assert "no compiler" in caplog.text


def test_a_warm_up_goes_through_every_step(monkeypatch):
    made = []
    make = warmup_scans.make_fuser

    def keep(settings, info, method):
        made.append(make(settings, info, method=method))
        return made[-1]

    monkeypatch.setattr(warmup_scans, "make_fuser", keep)
    results = []
    run = warmup_scans.run_job
    monkeypatch.setattr(warmup_scans, "run_job", lambda *job: results.append(run(*job)))
    breaths = []
    warmup_scans.main(lambda: breaths.append(True))
    assert len(breaths) > 20
    # Once with the sensor's depth, once with depth from the photographs.
    assert [fuser.frames_used for fuser in made] == [3, 3]
    assert "depth" in made[1].meters.timings()
    for result in results:
        assert result.texture.shape[0] <= 512
        low, high = result.mesh.bounds_m()
        assert np.all(high > low)
