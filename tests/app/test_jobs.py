import threading
import time
from contextlib import contextmanager

import pytest

from app.jobs import Task
from app.offers import DEMO
from app.scan import ScanController
from app.studio import Studio
from engine.core.faults import BadInput
from engine.core.news import Progress, ScanState
from engine.core.settings import Settings
from tests.app.fakes import FakeFuser, FakeSource

WAIT_S = 10.0


def end_of(task):
    end = time.monotonic() + WAIT_S
    while not (news := task.poll()).is_over:
        assert time.monotonic() < end
        time.sleep(0.002)
    return news


def steps(total, result, hold=None):
    for i in range(total):
        yield Progress("step", i, total)
        if hold is not None:
            hold.wait(WAIT_S)
    return result


def test_a_task_ends_with_its_result_and_says_so_again():
    task = Task("count", steps(5, "five"))
    assert end_of(task).result == "five"
    assert task.poll().result == "five"
    assert task.join(WAIT_S)


def test_a_task_tells_its_newest_step():
    hold = threading.Event()
    task = Task("count", steps(2, None, hold))
    end = time.monotonic() + WAIT_S
    while (news := task.poll()).progress is None and time.monotonic() < end:
        time.sleep(0.002)
    assert news.progress == Progress("step", 0, 2)
    hold.set()
    end_of(task)


def test_a_cancelled_task_is_over_without_result_or_fault():
    task = Task("count", steps(10**9, None))
    task.cancel()
    news = end_of(task)
    assert (news.result, news.fault) == (None, None)


def test_a_result_that_comes_after_cancelling_is_let_go_of():
    hold, inside, discarded = threading.Event(), threading.Event(), []

    def job():
        inside.set()
        hold.wait(WAIT_S)
        return "late"
        yield

    task = Task("late", job(), discarded.append)
    assert inside.wait(WAIT_S)
    task.cancel()
    hold.set()
    assert end_of(task).result is None
    assert discarded == ["late"]


@pytest.mark.parametrize("error", [BadInput("Wrong.", "Do this."), ZeroDivisionError("Wrong.")])
def test_a_failing_task_says_why(error):
    def job():
        yield Progress("step", 0)
        raise error

    news = end_of(Task("fail", job()))
    assert news.result is None
    assert "Wrong." in news.fault.says
    assert news.fault.remedy


@pytest.fixture
def studio_of():
    before = set(threading.enumerate())
    made = []

    def make(open_source):
        studio = Studio(Settings(), open_source, lambda settings, info, method: FakeFuser())
        made.append(studio)
        return studio

    yield make
    for studio in made:
        studio.close()
    assert set(threading.enumerate()) == before


def test_a_studio_opens_scans_that_are_ready(studio_of):
    specs = []
    studio = studio_of(lambda spec: specs.append(spec) or FakeSource())
    scan = end_of(studio.open("there")).result
    assert isinstance(scan, ScanController)
    assert (specs, scan.state, scan.title) == (["there"], ScanState.READY, "sand hills")
    assert end_of(studio.open(studio.demo)).result.title == "Demo room"
    assert specs[1] == DEMO


class Warming:
    """A warm-up that is over when it is told; knows how often it was held, and whether it is."""

    def __init__(self):
        self.is_warm = threading.Event()
        self.times_held = 0
        self.is_held = False

    @contextmanager
    def held(self):
        self.times_held += 1
        self.is_held = True
        yield
        self.is_held = False

    def wait(self):
        while not self.is_warm.wait(0.002):
            yield Progress("warm", 0)


@pytest.fixture
def warming():
    warm_up = Warming()
    yield warm_up
    warm_up.is_warm.set()


def news_where(scan, is_it):
    end = time.monotonic() + WAIT_S
    while not is_it(news := scan.poll()):
        assert time.monotonic() < end
        time.sleep(0.002)
    return news


def test_a_recording_shows_a_picture_before_the_engine_is_warm_and_is_fused_after(warming):
    studio = Studio(
        Settings(), lambda spec: FakeSource(), lambda s, i, method: FakeFuser(), warming
    )
    scan = end_of(studio.open("there")).result
    assert scan.state is ScanState.READY
    assert scan.poll().track.preview is not None
    assert warming.times_held == 2
    assert not warming.is_held
    scan.start()
    assert news_where(scan, lambda news: news.progress).progress.stage == "warm"
    assert scan.last_stats.frames_used == 0
    warming.is_warm.set()
    assert news_where(scan, lambda news: news.patches).patches
    studio.close()


def test_a_camera_is_ready_when_the_engine_is_warm(warming):
    source = FakeSource(is_live=True, gate=lambda: time.sleep(0.01))
    studio = Studio(Settings(), lambda spec: source, lambda s, i, method: FakeFuser(), warming)
    opening = studio.open("camera")
    end = time.monotonic() + WAIT_S
    while (progress := opening.poll().progress) is None or progress.stage != "warm":
        assert time.monotonic() < end
    assert not warming.is_held
    assert source.next_index == 0
    warming.is_warm.set()
    assert end_of(opening).result.state is ScanState.READY
    studio.close()


def test_a_scan_that_waits_for_a_warm_engine_can_be_given_up(warming):
    source = FakeSource()
    studio = Studio(Settings(), lambda spec: source, lambda s, i, method: FakeFuser(), warming)
    scan = end_of(studio.open("there")).result
    scan.start()
    news_where(scan, lambda news: news.progress)
    assert scan.abort() == ()
    assert scan.state is ScanState.ABORTED
    assert source.closed
    studio.close()


def test_closing_the_studio_ends_a_running_scan(studio_of):
    studio = studio_of(lambda spec: FakeSource(count=10**6))
    scan = end_of(studio.open("there")).result
    scan.start()
    studio.close()
    assert scan.state is ScanState.ABORTED


def test_a_source_that_cannot_be_opened_is_a_fault(studio_of):
    def refuse(spec):
        raise BadInput("There is nothing here.", "Look elsewhere.")

    news = end_of(studio_of(refuse).open("nowhere"))
    assert (news.fault.says, news.fault.remedy) == ("There is nothing here.", "Look elsewhere.")
