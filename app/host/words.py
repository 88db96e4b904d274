"""What window and engine say to each other when they live in two processes."""

import logging
from dataclasses import dataclass
from typing import Any

from engine.core.edits import Counts
from engine.core.news import ScanNews, ScanState
from ui.ports import Surface, TaskNews

PREPARING = "Preparing, the first start takes longer"

# From the window to the engine.


@dataclass(frozen=True, slots=True)
class Call:
    """Begin a long task: a method of the studio, or of a model when one is named."""

    task: int
    method: str
    given: tuple[Any, ...]
    model: int | None = None


@dataclass(frozen=True, slots=True)
class Cancel:
    """Have a task stop at its next step."""

    task: int


@dataclass(frozen=True, slots=True)
class Order:
    """Command a scan."""

    scan: int
    name: str
    given: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Taken:
    """So many bytes of a scan's patches have left the window's inbox since the scan began."""

    scan: int
    total_bytes: int


@dataclass(frozen=True, slots=True)
class Abort:
    """Stop a scan, or leave its result as it is, and forget it."""

    scan: int


@dataclass(frozen=True, slots=True)
class LetGo:
    """Close a model and forget it."""

    model: int


@dataclass(frozen=True, slots=True)
class Bye:
    """Stop everything and end."""


# From the engine to the window.


@dataclass(frozen=True, slots=True)
class Ready:
    """From now on calls are answered."""


@dataclass(frozen=True, slots=True)
class ScanHandle:
    """Stands for a scan that was opened."""

    scan: int
    title: str
    remarks: tuple[str, ...]
    state: ScanState
    can_resume: bool


@dataclass(frozen=True, slots=True)
class ModelView:
    """A model as the window sees it; no surface means the same as before."""

    title: str
    surface: Surface | None
    counts: Counts
    grades: tuple[str, ...]
    done: tuple[str, ...]
    undone: tuple[str, ...]
    texture_note: str
    can_texture: bool


@dataclass(frozen=True, slots=True)
class ModelHandle:
    """Stands for a model, and says how it is now."""

    model: int
    view: ModelView


@dataclass(frozen=True, slots=True)
class TaskTold:
    """How a task stands, with handles in place of scans and models; and the model it changed."""

    task: int
    news: TaskNews[Any]
    changed: ModelHandle | None = None


@dataclass(frozen=True, slots=True)
class ScanTold:
    """What a scan has to tell.

    Attributes:
        obeyed: how many orders were obeyed or refused before the state was looked at.
        result, model: with the news that the scan is done.
    """

    scan: int
    news: ScanNews
    can_resume: bool
    obeyed: int
    result: Surface | None = None
    model: ModelHandle | None = None


@dataclass(frozen=True, slots=True)
class Logged:
    """A line of the engine's log."""

    record: logging.LogRecord
