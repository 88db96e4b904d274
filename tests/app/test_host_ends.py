"""However window or engine end, the other one copes."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from app.host import link as host_link
from app.host.studio import HostedStudio
from app.host.wire import receive
from app.host.words import PREPARING
from engine.core.news import ScanState
from tests.app.hosted import FAKES, alive, over, until
from tests.app.viewer import Viewer

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def studio_of():
    before = set(threading.enumerate())
    made = []

    def make(factory):
        made.append(HostedStudio(factory))
        return made[-1]

    yield make
    for studio in made:
        studio.close()
        pid = studio.link.pid
        until(lambda pid=pid: not alive(pid))
    assert set(threading.enumerate()) == before


def test_an_engine_that_dies_is_a_fault_and_the_next_wish_starts_another(studio_of, caplog):
    studio = studio_of(FAKES)
    task = studio.open("live")
    # The window does not wait for the engine to be there.
    assert task.poll().progress.stage == PREPARING
    scan = over(task).result
    viewer = Viewer(scan)
    scan.start()
    viewer.until(lambda news: news.patches)
    model = over(studio.open_model(Path("1000"))).result
    waiting = studio.open("never")
    pid = studio.link.pid
    os.kill(pid, signal.SIGKILL)
    viewer.until_over()
    assert scan.state is ScanState.FAILED
    assert not scan.can_resume
    [fault] = viewer.faults
    assert "stopped" in fault.says
    assert "start page" in fault.remedy
    assert over(waiting).fault == fault
    # The copy of the surface stays.
    assert over(model.save()).fault == fault
    assert len(model.surface.mesh.faces) == 1000
    assert fault.says in caplog.text
    scan.abort()
    again = over(studio.open("hills")).result
    assert studio.link.pid != pid
    assert again.state is ScanState.READY


def test_an_engine_that_ends_itself_says_how(studio_of):
    news = over(studio_of(FAKES).open("crash"))
    assert news.fault.says == "The engine stopped unexpectedly (exit code 7)."


def test_an_engine_that_cannot_start_says_why_in_the_log(studio_of, caplog):
    news = over(studio_of("tests.app.host_fakes:fail").open("hills"))
    assert news.fault.says == "The engine stopped unexpectedly (exit code 1)."
    until(lambda: "RuntimeError: no engine today" in caplog.text)


class Refused:
    """Stands for a system that gives no process."""

    def Process(self, **given):
        return self

    def start(self):
        raise OSError("too many processes")


def test_a_system_without_room_for_an_engine_says_so(monkeypatch):
    monkeypatch.setattr(host_link.multiprocessing, "get_context", lambda how: Refused())
    studio = HostedStudio(FAKES)
    news = over(studio.open("hills"))
    assert news.fault.says == "The engine could not be started: too many processes."
    # Nor is it a fault that stays: the next wish tries again.
    before = studio.link
    assert over(studio.scans()).fault is not None
    assert studio.link is not before
    studio.close()


def test_an_engine_that_is_not_understood_is_done_without(studio_of, monkeypatch):
    def garbled(way):
        receive(way)
        raise ValueError("no message of ours")

    heard = []
    monkeypatch.setattr(threading, "excepthook", heard.append)
    monkeypatch.setattr(host_link, "receive", garbled)
    news = over(studio_of(FAKES).open("never"))
    assert news.fault.says == "The window lost track of what the engine says."
    # Nor is the error itself silent.
    until(lambda: heard)
    assert "no message of ours" in str(heard[0].exc_value)


def test_closing_ends_what_runs_without_a_fault(studio_of):
    studio = studio_of(FAKES)
    scan = over(studio.open("live")).result
    scan.start()
    task = studio.open("never")
    pid = studio.link.pid
    studio.close()
    assert not alive(pid)
    assert over(task).fault is None


def test_an_engine_whose_window_is_killed_ends_too():
    script = f"""
import time
from app.host import link as host_link
from app.host.studio import HostedStudio
from app.host.wire import receive
from tests.app.hosted import over
studio = HostedStudio({FAKES!r})
over(studio.scans())
task = studio.open("never")
print(studio.link.pid, flush=True)
time.sleep(600)
"""
    window = subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    with window:
        pid = int(window.stdout.readline())
        assert alive(pid)
        window.kill()
    until(lambda: not alive(pid))


def test_the_window_knows_no_engine():
    script = "import sys, app.gui; print(sorted({'torch', 'numba', 'cv2'} & set(sys.modules)))"
    ran = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert ran.stdout.strip() == "[]", ran.stderr
