import numpy as np

from app import warmup
from app.host_words import PREPARING
from tests.app.hosted import until


def test_waiting_tells_progress_until_all_is_compiled(monkeypatch):
    gates = [False]
    monkeypatch.setattr(warmup, "POLL_S", 0.001)
    monkeypatch.setattr(warmup, "main", lambda: until(lambda: gates[0]))
    ended = []
    waiting = warmup.WarmUp(lambda: ended.append(True)).wait()
    assert [next(waiting).stage for _ in range(3)] == [PREPARING] * 3
    assert not ended
    gates[0] = True
    for step in waiting:
        assert step.stage == PREPARING
    assert ended


def test_failing_is_logged_and_no_fault_of_the_scan(monkeypatch, caplog):
    def fail():
        raise RuntimeError("no compiler")

    monkeypatch.setattr(warmup, "main", fail)
    ended = []
    for step in warmup.WarmUp(lambda: ended.append(True)).wait():
        assert step.stage == PREPARING
    assert not ended
    assert "Warming up failed" in caplog.text
    assert "no compiler" in caplog.text


def test_a_warm_up_goes_through_every_step(monkeypatch):
    made = []
    make = warmup.make_fuser

    def keep(settings, info, method):
        made.append(make(settings, info, method=method))
        return made[-1]

    monkeypatch.setattr(warmup, "make_fuser", keep)
    results = []
    run = warmup.run_job
    monkeypatch.setattr(warmup, "run_job", lambda *job: results.append(run(*job)))
    warmup.main()
    # Once with the sensor's depth, once with depth from the photographs.
    assert [fuser.frames_used for fuser in made] == [3, 3]
    assert "depth" in made[1].meters.timings()
    for result in results:
        assert result.texture.shape[0] <= 512
        low, high = result.mesh.bounds_m()
        assert np.all(high > low)
