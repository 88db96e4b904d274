import numpy as np
import pytest

from app import warmup
from engine.core.news import Progress


class Quick:
    """Stands in for the child: runs for some polls, then ends with a code."""

    def __init__(self, polls, code):
        self.polls, self.returncode = polls, code

    def poll(self):
        self.polls -= 1
        return None if self.polls >= 0 else self.returncode


@pytest.mark.parametrize("code", [0, 1])
def test_waiting_tells_progress_and_forgives_a_failed_child(monkeypatch, code):
    monkeypatch.setattr(warmup, "POLL_S", 0)
    monkeypatch.setattr(warmup.subprocess, "Popen", lambda *args, **named: Quick(3, code))
    steps = list(warmup.WarmUp().wait())
    assert len(steps) == 3
    assert all(isinstance(step, Progress) for step in steps)


def test_the_child_can_be_stopped():
    warm_up = warmup.WarmUp()
    warm_up.stop()
    assert warm_up._child.returncode is not None


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
