"""One place to wait for several channels."""

import threading


class Bell:
    """Rung by channels when something comes in or they close; one thread waits for it.

    Rung while nobody waits, it is heard by the next one who does: whoever looks at the channels
    first and then waits misses nothing.
    """

    def __init__(self) -> None:
        self._rung = threading.Event()

    def ring(self) -> None:
        """Wake who waits, or who comes next."""
        self._rung.set()

    def wait(self, timeout_s: float) -> bool:
        """Return whether it was rung, waiting so long for it."""
        was_rung = self._rung.wait(timeout_s)
        self._rung.clear()
        return was_rung
