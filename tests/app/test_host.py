"""The engine in another process, seen from the window's side."""

import gc
import logging
import threading
import time
from pathlib import Path

import pytest

from app.fuser import NotNow
from app.host.feeds import HELPING_BYTES, UNDER_WAY_BYTES
from app.host.studio import HostedStudio
from engine.core.edits import Simplify
from engine.core.news import ScanState
from engine.runtime.sizes import bytes_of
from tests.app.hosted import FAKES, over, until
from tests.app.viewer import Viewer


@pytest.fixture(scope="module")
def studio():
    before = set(threading.enumerate())
    studio = HostedStudio(FAKES)
    yield studio
    studio.close()
    assert set(threading.enumerate()) == before


def opened(studio, spec):
    news = over(studio.open(spec))
    assert news.fault is None
    return news.result


def test_a_scan_in_the_other_process_is_like_one_in_this(studio):
    scan = opened(studio, "hills")
    assert (scan.title, scan.state) == ("hills", ScanState.READY)
    assert scan.result is None
    assert scan.model is None
    scan.start()
    viewer = Viewer(scan)
    viewer.until_over()
    assert viewer.states[-1] is ScanState.DONE
    assert viewer.faults == []
    assert viewer.stats[-1].frames_used == 40
    assert viewer.tracks[-1].preview is not None
    assert viewer.progress
    assert viewer.revisions_went_back == 0
    shown = sum(len(patch.faces) for patch in viewer.patches.values())
    assert len(scan.result.faces) == shown > 1000
    # One copy of the surface serves both.
    assert scan.model.surface is scan.result
    assert scan.model.title == "hills"
    scan.abort()
    assert scan.state is ScanState.DONE


def test_orders_hold_at_once_and_what_does_not_fit_is_refused(studio):
    scan = opened(studio, "live")
    with pytest.raises(NotNow, match="Cannot pause a scan that is ready"):
        scan.pause()
    viewer = Viewer(scan)
    scan.start()
    assert scan.state is ScanState.SCANNING
    with pytest.raises(NotNow):
        scan.start()
    viewer.until(lambda news: news.stats and news.stats.frames_used)
    scan.pause()
    assert (scan.state, scan.can_resume) == (ScanState.PAUSED, True)
    # News that left before the order was obeyed says "scanning" still, and must not be believed.
    for _ in range(200):
        assert viewer.look().state is ScanState.PAUSED
    scan.resume()
    assert (scan.state, scan.can_resume) == (ScanState.SCANNING, False)
    scan.undo(-1)
    viewer.until(lambda news: news.faults)
    assert viewer.faults[0].says == "-1 seconds cannot be taken back."
    assert viewer.faults[0].remedy
    scan.finish()
    assert scan.state is ScanState.FINISHING
    viewer.until_over()
    assert viewer.states == [
        ScanState.SCANNING, ScanState.PAUSED, ScanState.SCANNING, ScanState.FINISHING,
        ScanState.DONE,
    ]  # fmt: skip


def test_a_source_that_fails_pauses_the_scan_for_good(studio):
    scan = opened(studio, "broken")
    scan.start()
    viewer = Viewer(scan)
    viewer.until_state(ScanState.PAUSED)
    assert [fault.says for fault in viewer.faults] == ["It is torn."]
    assert not scan.can_resume
    with pytest.raises(NotNow, match="cannot go on"):
        scan.resume()
    scan.finish()
    viewer.until_over()
    assert len(scan.result.faces) > 1000


def test_patches_nobody_takes_wait_in_the_engine_and_the_end_waits_for_them(studio):
    scan = opened(studio, "flood")
    scan.start()
    stats = []

    def is_all_fused():
        news = scan.poll(0)
        assert news.patches == ()
        stats.extend([news.stats] if news.stats else [])
        return stats and stats[-1].frames_used == 2 and news.state is ScanState.FINISHING

    def waiting_bytes():
        return scan._patches.counters().waiting_bytes

    until(is_all_fused)
    # The last helping may still be on its way; no other follows it.
    until(lambda: waiting_bytes() >= UNDER_WAY_BYTES)
    time.sleep(0.2)
    assert scan.poll(0).state is ScanState.FINISHING
    assert UNDER_WAY_BYTES <= waiting_bytes() < UNDER_WAY_BYTES + 2 * HELPING_BYTES
    viewer = Viewer(scan)
    largest = 0

    def look():
        nonlocal largest
        news = scan.poll(4 << 20)
        largest = max(largest, bytes_of(news.patches))
        viewer.patches |= {patch.key: patch for patch in news.patches}
        return news.state is ScanState.DONE and not news.patches

    until(look)
    assert 4 << 20 <= largest < 5 << 20
    assert len(viewer.patches) == 82 * 82
    assert len(scan.result.faces) == sum(len(p.faces) for p in viewer.patches.values())


def test_tasks_tell_progress_end_with_results_or_faults_and_can_be_cancelled(studio):
    news = over(studio.open("missing"))
    assert (news.fault.says, news.fault.remedy) == (
        "There is no such recording.",
        "Choose another.",
    )
    assert over(studio.settings()).fault.says == "No settings here."
    # Even what nobody foresaw is that task's alone.
    assert "nobody foresaw this" in over(studio.weights()).fault.says
    task = studio.open("never")
    steps = []

    def has_progress():
        steps.append(task.poll().progress)
        return steps[-1] is not None and steps[-1].total == 2

    until(has_progress)
    task.cancel()
    news = over(task)
    assert (news.result, news.fault) == (None, None)


def test_what_the_window_drops_the_engine_lets_go_of(studio):
    scan = opened(studio, "live")
    scan.start()
    until(lambda: over(studio.scans()).result[-1] == "scanning")
    del scan
    gc.collect()
    until(lambda: over(studio.scans()).result[-1] == "aborted")


def test_a_scan_stopped_early_ends_there_too(studio):
    scan = opened(studio, "live")
    scan.start()
    Viewer(scan).until(lambda news: news.patches)
    assert scan.abort(5) == ()
    assert scan.poll().state is ScanState.ABORTED
    until(lambda: over(studio.scans()).result[-1] == "aborted")
    assert scan.poll().patches == ()


def test_a_model_changes_with_its_tasks(studio, tmp_path):
    model = over(studio.open_model(Path("20000"))).result
    first = model.surface
    assert model.counts.faces == len(first.mesh.faces) == 20_000
    assert model.done == ()
    preview = over(model.preview(Simplify(500))).result
    assert (preview.before.faces, preview.after.faces) == (20_000, 500)
    assert model.surface is first
    assert over(model.apply(Simplify(500))).result is model.surface
    assert (model.counts.faces, len(model.surface.faces)) == (500, 500)
    assert model.done == ("Simplify.",)
    assert over(model.undo()).fault is None
    assert model.counts.faces == 20_000
    assert model.undone == ("Simplify.",)
    assert over(model.undo()).fault.says == "There is nothing left to undo or redo."
    assert [rung.name for rung in over(model.ladder()).result] == ["preview", "medium", "full"]
    assert over(model.export(tmp_path / "a.glb", "glb", "print")).result == "Wrote a.glb."
    assert (tmp_path / "a.glb").read_text() == "20000 faces"
    model.close()
    assert over(model.save()).fault.says == "This model was closed."


def test_what_the_engine_logs_reaches_the_log_here(studio, caplog):
    with caplog.at_level(logging.INFO):
        opened(studio, "log")
        until(lambda: "opened log" in caplog.messages)
    with caplog.at_level(logging.ERROR):
        over(studio.weights())
        until(lambda: any("ZeroDivisionError" in line for line in caplog.messages))
