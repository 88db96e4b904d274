"""Threads that give way to others."""

import contextlib
import os
import sys
import threading

# Of 19: still a fifth or so of a busy core, so that work behind others comes to an end.
NICENESS = 10


def give_way() -> None:
    """Leave the calling thread with a lower priority, where the system knows such a thing.

    Threads it starts from now on inherit that, those of a numeric library among them.
    """
    # Only Linux counts niceness by thread; elsewhere the call would slow the whole process.
    if sys.platform == "linux":
        # A sandbox may forbid even this. Work then takes its share like everyone, no worse.
        with contextlib.suppress(OSError):
            thread = threading.get_native_id()
            # Who was told to be nicer still stays so.
            niceness = max(NICENESS, os.getpriority(os.PRIO_PROCESS, thread))
            os.setpriority(os.PRIO_PROCESS, thread, niceness)
