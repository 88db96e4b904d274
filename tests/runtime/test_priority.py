import os
import sys
import threading

import pytest

from engine.runtime.priority import NICENESS, give_way

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux counts niceness by thread"
)


def niceness():
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def test_one_thread_gives_way_with_all_it_starts_and_no_other():
    before, seen = niceness(), []

    def work():
        give_way()
        seen.append(niceness())
        inner = threading.Thread(target=lambda: seen.append(niceness()), daemon=True)
        inner.start()
        inner.join()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join()
    assert seen == [max(before, NICENESS)] * 2
    assert niceness() == before


def test_a_system_that_forbids_it_is_no_reason_to_fail(monkeypatch):
    def refuse(*given):
        raise PermissionError("no")

    monkeypatch.setattr(os, "setpriority", refuse)
    give_way()
