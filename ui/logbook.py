"""The log as far as the window keeps it: bounded, and safe to write to from any thread."""

import logging
import threading
from collections import deque
from dataclasses import dataclass

AT_MOST = 5000
FORMAT = "%(asctime)s  %(levelname)-7s  %(name)s  %(message)s"


@dataclass(frozen=True, slots=True)
class Entry:
    """One record, written out; `number` counts all there ever were, from 1."""

    number: int
    level: int
    text: str


class Logbook(logging.Handler):
    """Keeps the newest records and forgets the oldest."""

    def __init__(self, at_most: int = AT_MOST) -> None:
        """Be empty."""
        super().__init__(logging.INFO)
        self.setFormatter(logging.Formatter(FORMAT))
        self._entries: deque[Entry] = deque(maxlen=at_most)
        self._count = 0
        self._guard = threading.Lock()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record."""
        text = self.format(record)
        with self._guard:
            self._count += 1
            self._entries.append(Entry(self._count, record.levelno, text))

    def after(self, number: int) -> list[Entry]:
        """Return what was written after the entry of this number and is still kept."""
        with self._guard:
            if number >= self._count:
                return []
            return [entry for entry in self._entries if entry.number > number]

    def lines(self) -> list[str]:
        """Return all that is kept."""
        return [entry.text for entry in self.after(0)]
