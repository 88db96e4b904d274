"""What the window holds in place of the engine's tasks and models.

The link's reading thread tells them; the window's thread asks them, and nothing in them waits.
"""

import threading
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from app.host.words import PREPARING, Cancel, LetGo, ModelView
from engine.core.edits import Counts, Edit, EditPreview, Rung
from engine.core.news import Progress
from ui.ports import Surface, TaskNews

T = TypeVar("T")


class Way(Protocol):
    """The window's end of the link to the engine."""

    def send(self, message: Any) -> None:
        """Have a message on its way; never waits."""
        ...

    def call(self, method: str, *given: Any, model: int | None = None) -> "TaskProxy[Any]":
        """Begin a task in the engine."""
        ...


class TaskProxy(Generic[T]):
    """A task of the engine; a `TaskPort`."""

    def __init__(self, number: int, way: Way, is_waiting: bool) -> None:
        """Stand for a task that was just asked for, of an engine that may still be starting."""
        self.number = number
        self._way = way
        self._lock = threading.Lock()
        self._is_cancelled = False
        start = Progress(PREPARING, 0) if is_waiting else None
        self._news: TaskNews[T] = TaskNews(progress=start)

    def poll(self) -> TaskNews[T]:
        """Return how the task stands; never waits."""
        with self._lock:
            news = self._news
            if not news.is_over:
                self._news = TaskNews()
            return news

    def cancel(self) -> None:
        """Have the task stop at its next step."""
        with self._lock:
            if self._news.is_over or self._is_cancelled:
                return
            self._is_cancelled = True
        self._way.send(Cancel(self.number))

    def told(self, news: TaskNews[T]) -> None:
        """Take in how the task stands; a result that comes after cancelling is dropped."""
        with self._lock:
            if self._is_cancelled and news.is_over:
                news = TaskNews(is_over=True)
            self._news = news


class ModelProxy:
    """A finished surface of the engine, and a copy of it; a `ModelPort`."""

    def __init__(self, number: int, way: Way, view: ModelView) -> None:
        """Stand for a model as it is now."""
        assert view.surface is not None
        self._number = number
        self._way = way
        self._view = view
        self._surface = view.surface

    def told(self, view: ModelView) -> None:
        """Take in how the model is now."""
        if view.surface is not None:
            self._surface = view.surface
        self._view = view

    @property
    def title(self) -> str:
        """What the scan is called."""
        return self._view.title

    @property
    def surface(self) -> Surface:
        """The surface as it is now."""
        return self._surface

    @property
    def counts(self) -> Counts:
        """What the surface amounts to."""
        return self._view.counts

    @property
    def grades(self) -> tuple[str, ...]:
        """Which states can be looked at for comparison."""
        return self._view.grades

    @property
    def done(self) -> tuple[str, ...]:
        """Sentences about the edits that `undo` takes back, oldest first."""
        return self._view.done

    @property
    def undone(self) -> tuple[str, ...]:
        """Sentences about the edits that `redo` makes again, next one last."""
        return self._view.undone

    @property
    def texture_note(self) -> str:
        """Why there is no texture, or that it no longer fits; empty when all is well."""
        return self._view.texture_note

    @property
    def can_texture(self) -> bool:
        """Whether there are photographs to make a texture of."""
        return self._view.can_texture

    def grade(self, name: str) -> TaskProxy[Surface]:
        """Fetch one of the states to compare with."""
        return self._call("grade", name)

    def preview(self, edit: Edit) -> TaskProxy[EditPreview]:
        """Find out what an edit would do."""
        return self._call("preview", edit)

    def apply(self, edit: Edit) -> TaskProxy[Surface]:
        """Make an edit."""
        return self._call("apply", edit)

    def undo(self) -> TaskProxy[Surface]:
        """Take the last edit back."""
        return self._call("undo")

    def redo(self) -> TaskProxy[Surface]:
        """Make the edit again that was taken back last."""
        return self._call("redo")

    def texture(self, size_px: int) -> TaskProxy[Surface]:
        """Make the texture anew from the photographs."""
        return self._call("texture", size_px)

    def ladder(self) -> TaskProxy[tuple[Rung, ...]]:
        """Estimate what files of each detail would hold, coarsest first."""
        return self._call("ladder")

    def export(
        self, path: Path, format_name: str, target_name: str, detail: str | None = None
    ) -> TaskProxy[str]:
        """Write the surface, reduced to a rung of the ladder if one is named."""
        return self._call("export", path, format_name, target_name, detail)

    def save(self) -> TaskProxy[str]:
        """Put the surface into the scan's folder in place of the one there."""
        return self._call("save")

    def close(self) -> None:
        """Let go of it."""
        self._way.send(LetGo(self._number))

    def _call(self, method: str, *given: Any) -> TaskProxy[Any]:
        return self._way.call(method, *given, model=self._number)
