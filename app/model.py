"""A finished surface that can be looked at, edited, painted, exported and saved."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from app.exporting import exported, ladder
from app.fuser import Keepsakes, NotNow
from app.jobs import Task
from app.model_place import Place, save
from app.model_states import Stacks, State
from engine.core.edits import Counts, Edit, EditPreview, Rung
from engine.core.faults import BadInput
from engine.core.frames import Photo
from engine.core.news import Job, Progress
from engine.core.poses import Pose
from engine.core.settings import TextureSettings
from engine.core.surface import Mesh, TexturedMesh
from engine.meshing.count import counted
from engine.meshing.edits import Edited, edited, moved
from engine.meshing.parts import untextured
from engine.texturing.bake import texture
from engine.texturing.transfer import transferred

Surface = Mesh | TexturedMesh
T = TypeVar("T")

GRADES = ("draft", "refined", "final")
TEXTURE_PX = (256, 8192)
WAIT_S = 0.05


class Model:
    """A surface and its history; any thread may ask, and every answer that takes time is a task.

    Surfaces never change: an edit makes a new one, and states before it are kept for `undo` while
    they fit into a gigabyte. Only one task at a time may change the model; looking, estimating and
    exporting go on beside it, on the surface as it was when they were asked.
    """

    def __init__(
        self,
        title: str,
        surface: Surface,
        *,
        grades: Mapping[str, Surface] | None = None,
        photos: Callable[[], Job[Sequence[Photo]]] | None = None,
        settings: TextureSettings | None = None,
        place: Place | None = None,
        T_now_scan: Pose | None = None,
    ) -> None:
        """Begin with a surface as it was finished or saved.

        Args:
            title: what the scan is called.
            surface: with `T_now_scan`, in a world that has moved since it was scanned.
            grades: states to compare with, of `GRADES`, in the world as scanned; without "final"
                the surface itself is it.
            photos: the job that fetches the photographs, posed in the world as scanned.
            settings: how to paint with them.
            place: where the scan lies on disk; None when it does not.
            T_now_scan: from the world as scanned.
        """
        self.title = title
        start = State.of(surface, T_now_scan or Pose.identity())
        self._grades = {"final": moved(surface, start.T_now_scan.inverse), **(grades or {})}
        self._photos = photos
        self._settings = settings or TextureSettings()
        self._place = place
        self._stacks = Stacks(start)
        self._lock = threading.Lock()
        self._tasks: list[Task[Any]] = []
        self._changing: Task[Any] | None = None
        self._previewing: Task[EditPreview] | None = None
        self._tried: tuple[State, Edit, State, Edited] | None = None
        self._is_closed = False

    @property
    def surface(self) -> Surface:
        """The surface as it is now."""
        return self._stacks.now.surface

    @property
    def counts(self) -> Counts:
        """What the surface amounts to."""
        return self._stacks.now.counts

    @property
    def grades(self) -> tuple[str, ...]:
        """Which states can be compared with, worst first."""
        return tuple(name for name in GRADES if name in self._grades)

    @property
    def done(self) -> tuple[str, ...]:
        """Sentences about the edits that `undo` takes back, oldest first."""
        return self._stacks.done

    @property
    def undone(self) -> tuple[str, ...]:
        """Sentences about the edits that `redo` makes again, next one last."""
        return self._stacks.to_redo

    @property
    def texture_note(self) -> str:
        """Why there is no texture; empty when there is one."""
        now = self._stacks.now
        if isinstance(now.surface, TexturedMesh):
            return ""
        if now.painted is not None:
            return "The triangles are new, so the texture no longer fits: build it again."
        if self._photos is None:
            return "There are no photographs to make a texture of."
        return "No texture has been built yet."

    @property
    def can_texture(self) -> bool:
        """Whether there are photographs to make a texture of, or a texture to carry over."""
        return self._photos is not None or self._stacks.now.painted is not None

    def grade(self, name: str) -> Task[Surface]:
        """Fetch one of the states to compare with, standing where the surface stands now."""
        return self._started("grade", self._grade(name, self._stacks.now))

    def preview(self, edit: Edit) -> Task[EditPreview]:
        """Find out what an edit would do; a preview asked for before is given up."""
        before, job = self._previewing, self._preview(edit, self._stacks.now)
        if before is not None:
            before.cancel()
        self._previewing = self._started("preview", _after(before, job))
        return self._previewing

    def apply(self, edit: Edit) -> Task[Surface]:
        """Make an edit."""
        return self._change("apply", lambda now: self._applied(edit, now))

    def undo(self) -> Task[Surface]:
        """Take the last edit back."""
        return self._change("undo", lambda now: _stepped(now.back, now.undone, "undo"))

    def redo(self) -> Task[Surface]:
        """Make the edit again that was taken back last."""
        return self._change("redo", lambda now: _stepped(now.forth, now.redone, "make again"))

    def texture(self, size_px: int) -> Task[Surface]:
        """Make the texture anew; without photographs, from the texture there was before."""
        return self._change("texture", lambda now: self._textured(size_px, now))

    def ladder(self) -> Task[tuple[Rung, ...]]:
        """Estimate what files of each detail would hold, coarsest first."""
        return self._started("ladder", ladder(self.surface))

    def export(
        self, path: Path, format_name: str, target_name: str, detail: str | None = None
    ) -> Task[str]:
        """Write the surface, reduced to a rung of the ladder if one is named."""
        job = exported(self.surface, path, format_name, target_name, detail)
        return self._started("export", job)

    def save(self) -> Task[str]:
        """Put the surface into the scan's folder; the first one there is kept beside it."""
        return self._alone("save", self._saved())

    def close(self) -> None:
        """Let go of it: tasks are asked to stop, and nothing more is done."""
        with self._lock:
            self._is_closed = True
            tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()

    def _started(
        self, name: str, job: Job[T], discard: Callable[[T], object] | None = None
    ) -> Task[T]:
        with self._lock:
            return self._run(name, job, discard)

    def _run(self, name: str, job: Job[T], discard: Callable[[T], object] | None) -> Task[T]:
        """Start a task; the lock is held."""
        if self._is_closed:
            job = _refused("This surface was closed.", "Open the scan again.")
        task = Task(name, job, discard)
        self._tasks = [old for old in self._tasks if not old.poll().is_over] + [task]
        return task

    def _alone(
        self, name: str, job: Job[T], discard: Callable[[T], object] | None = None
    ) -> Task[T]:
        """Start a task that no other one of its kind may run beside."""
        with self._lock:
            before = self._changing
            if before is not None and not before.is_cancelled and not before.poll().is_over:
                says = "Something else is being done to this surface."
                return self._run(name, _refused(says, "Wait until it is done, or cancel it."), None)
            self._changing = task = self._run(name, _after(before, job), discard)
            return task

    def _change(self, name: str, change: Callable[[Stacks], Job[Stacks]]) -> Task[Surface]:
        """Start a task that replaces the stacks; cancelled however late, it leaves them."""
        before: list[Stacks] = []

        def job() -> Job[Surface]:
            stacks = self._stacks
            changed = yield from change(stacks)
            before.append(stacks)
            self._stacks = changed
            return changed.now.surface

        def restore(_: Surface) -> None:
            self._stacks = before[0]

        return self._alone(name, job(), restore)

    def _grade(self, name: str, now: State) -> Job[Surface]:
        yield Progress("grade", 0, 1)
        if name not in self._grades:
            raise BadInput(f"There is no state called '{name}' to compare with.")
        return moved(self._grades[name], now.T_now_scan)

    def _tried_out(self, edit: Edit, now: State) -> Job[tuple[State, Edited]]:
        """Return what an edit leads to; the last answer is remembered for when it is applied."""
        tried = self._tried
        if tried is not None and tried[0] is now and tried[1] == edit:
            return tried[2], tried[3]
        yield Progress("edit", 0, 2)
        result = edited(now.surface, edit)
        yield Progress("edit", 1, 2)
        state = now.after(edit, result, counted(result.surface))
        self._tried = now, edit, state, result
        return state, result

    def _preview(self, edit: Edit, now: State) -> Job[EditPreview]:
        state, result = yield from self._tried_out(edit, now)
        return EditPreview(now.counts, state.counts, result.surface)

    def _applied(self, edit: Edit, stacks: Stacks) -> Job[Stacks]:
        state, _ = yield from self._tried_out(edit, stacks.now)
        self._tried = None
        if state.surface is stacks.now.surface:
            # There was nothing to do, so there is nothing to undo either.
            return stacks
        return stacks.pushed(state)

    def _textured(self, size_px: int, stacks: Stacks) -> Job[Stacks]:
        low, high = TEXTURE_PX
        if not low <= size_px <= high:
            raise BadInput(f"A texture has {low} to {high} pixels along an edge, not {size_px}.")
        now = stacks.now
        mesh = untextured(now.surface)
        if self._photos is not None:
            taken = yield from self._photos()
            photos = [replace(p, T_world_cam=now.T_now_scan @ p.T_world_cam) for p in taken]
            settings = self._settings.model_copy(update={"size_px": size_px})
            painted = yield from texture(mesh, photos, settings)
        elif now.painted is not None:
            painted = yield from transferred(mesh, now.painted, size_px)
        else:
            raise BadInput(
                "There are no photographs of this surface, so no texture can be made of them.",
                "Open the recording again and scan it with colour.",
            )
        return stacks.pushed(now.painted_anew(painted))

    def _saved(self) -> Job[str]:
        if self._place is None:
            raise BadInput("This surface belongs to no scan on disk.", "Export it instead.")
        now = self._stacks.now
        return (yield from save(self._place, now.surface, now.T_now_scan))


def model_of(title: str, surface: Surface, kept: Keepsakes, place: Place | None) -> Model:
    """Return the model of a scan that was just finished."""

    def photos() -> Job[Sequence[Photo]]:
        yield Progress("photographs", len(kept.photos), len(kept.photos))
        return kept.photos

    return Model(
        title,
        surface,
        grades=kept.grades,
        photos=photos if kept.photos else None,
        settings=kept.texture,
        place=place,
    )


def _stepped(there: tuple[State, ...], step: Callable[[], Stacks], verb: str) -> Job[Stacks]:
    yield Progress("step", 0, 1)
    if not there:
        raise NotNow(f"There is nothing to {verb}.")
    return step()


def _after(before: Task[Any] | None, job: Job[T]) -> Job[T]:
    """Return the job, begun when a task that was told to stop has done so."""
    while before is not None and not before.join(WAIT_S):
        yield Progress("wait", 0)
    return (yield from job)


def _refused(says: str, remedy: str) -> Job[Any]:
    yield Progress("wait", 0)
    raise NotNow(says, remedy)
