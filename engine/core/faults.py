"""Failures that say what happened and what to do about it."""

from enum import Enum


class Severity(Enum):
    """What a fault does to a running scan."""

    IGNORE = "ignore"
    DEGRADE = "degrade"
    PAUSE = "pause"
    STOP = "stop"


class Fault(Exception):
    """A failure with one sentence for the user (`says`) and one about the cure (`remedy`).

    The command line prints both without a traceback and leaves with `exit_code`:
    2 for input or usage that cannot be used, 1 for a fault of ours.
    """

    severity: Severity = Severity.STOP
    exit_code: int = 1

    def __init__(self, says: str, remedy: str = "") -> None:
        """Keep both sentences; `str(fault)` joins them."""
        super().__init__(says, remedy)
        self.says = says
        self.remedy = remedy

    def __str__(self) -> str:
        """Return what happened, then what to do."""
        return f"{self.says} {self.remedy}".strip()


class BadInput(Fault):
    """The given file, folder, value or option cannot be used."""

    exit_code = 2


class BadFrame(BadInput):
    """One frame of a recording cannot be used; the rest of the recording can."""

    severity = Severity.IGNORE


class CannotWrite(Fault):
    """A result could not be written: disk full, no permission, or a failed re-read."""


class MissingPart(Fault):
    """An optional library or device is absent."""

    exit_code = 2


class Cancelled(Fault):
    """The user asked to stop; what was done so far is kept."""

    severity = Severity.IGNORE
