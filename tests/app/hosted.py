"""Waiting for what another process does."""

import os
import time

FAKES = "tests.app.host_fakes:make"
WAIT_S = 60.0


def until(condition):
    """Return the first true answer."""
    end = time.monotonic() + WAIT_S
    while not (found := condition()):
        assert time.monotonic() < end, "it never came"
        time.sleep(0.002)
    return found


def over(task):
    """Return the last news of a task."""

    def ended():
        news = task.poll()
        return news if news.is_over else None

    return until(ended)


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
