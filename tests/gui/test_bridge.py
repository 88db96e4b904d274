"""How news is drawn from the engine: in helpings, and only as fast as it can be shown."""

import time

import numpy as np
import pytest
from PySide6.QtCore import QObject

from app.scan import ScanController
from engine.core.news import ScanState
from tests.app.fakes import FakeFuser, FakeSource, patch_at
from ui.bridge import TICK_BYTES, Bridge
from ui.gl.viewport import Viewport

WAIT_MS = 15_000


class FloodFuser(FakeFuser):
    """Uncovers sixty by sixty bricks at once."""

    def add(self, frame):
        patches = [patch_at(x, y, frame.index) for x in range(-30, 30) for y in range(-30, 30)]
        self.patches |= {patch.key: patch for patch in patches}
        return patches


@pytest.fixture
def flood(qtbot):
    """A finished scan whose news nobody has fetched."""
    scan = ScanController(FakeSource(count=2), lambda info: FloodFuser())
    scan.start()
    qtbot.waitUntil(lambda: scan.state is ScanState.DONE, timeout=WAIT_MS)
    yield scan
    assert scan.abort() == ()


def bytes_of(patches):
    return sum(p.vertices.nbytes + p.faces.nbytes + p.colors.nbytes for p in patches)


def test_a_flood_is_taken_in_helpings_and_all_of_it_is_shown(qtbot, flood):
    view = Viewport()
    qtbot.addWidget(view)
    view.show()
    qtbot.waitExposed(view)
    helpings, costs_s = [], []

    def show(news):
        helpings.append(bytes_of(news.patches))
        view.absorb(news)

    owner = QObject()
    bridge = Bridge(flood, show, view.work, owner)
    bridge.start()
    while bridge.is_running:
        # The thread's own time, so that a busy machine does not fail the test.
        start = time.thread_time()
        bridge.tick()
        costs_s.append(time.thread_time() - start)
        assert len(costs_s) < 2000
    assert view.triangles == len(flood.result.faces)
    assert sum(helpings) > 2 * TICK_BYTES
    assert max(helpings) < TICK_BYTES + 10_000
    # Nothing is fetched while the last helping is still being drawn.
    assert len(helpings) > 2 * np.count_nonzero(helpings)
    assert np.median(costs_s) < 0.02
    view.release()


def test_no_patches_are_fetched_while_there_is_a_backlog(flood):
    fetched = []
    owner = QObject()
    busy = Bridge(flood, lambda news: fetched.append(len(news.patches)), lambda until: True, owner)
    for _ in range(5):
        busy.tick()
    assert fetched[0] > 0
    assert fetched[1:] == [0, 0, 0, 0]
    assert busy.slow_tick_ms() > 0


def test_the_timer_stops_only_after_everything_was_shown(qtbot, flood):
    seen = []
    owner = QObject()
    bridge = Bridge(flood, lambda news: seen.append(bytes_of(news.patches)), lambda t: False, owner)
    bridge.start()
    qtbot.waitUntil(lambda: not bridge.is_running, timeout=WAIT_MS)
    assert sum(seen) > 2 * TICK_BYTES
    assert seen[-1] == 0
    assert flood.poll().patches == ()
