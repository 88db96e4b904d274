"""What turns frames into surface, as the threads of a scan see it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from engine.core.faults import BadInput, Fault, Severity
from engine.core.frames import Frame, Photo, PoseUpdate
from engine.core.news import Job
from engine.core.settings import TextureSettings
from engine.core.surface import Mesh, MeshPatch, TexturedMesh
from engine.runtime.meters import Meters

# Half full is when it can still be helped; a frame that takes long lets two or three more come.
CROWDED, NEARLY_FULL = 0.5, 0.75
PASSING = (Severity.IGNORE, Severity.DEGRADE)


class NotNow(BadInput):
    """The command does not fit the state of the scan, or this kind of scan."""

    severity = Severity.IGNORE


@dataclass(frozen=True, slots=True)
class FuserStats:
    """Counts of a fuser; `engine.core.news.ScanStats` says what each one is.

    Attributes:
        fused: frames that are in the volume.
    """

    fused: int = 0
    keyframes: int = 0
    keyframes_thinned: int = 0
    chunks_refined: int = 0
    chunks_waiting: int = 0
    moves_waiting: int = 0
    memory_mb: float = 0.0


@dataclass(frozen=True, slots=True)
class Keepsakes:
    """What a finished scan leaves for whoever works on its surface.

    Attributes:
        photos: pictures to paint it with.
        grades: what it looked like before it was final, by name: "draft", "refined".
        texture: how it was painted.
    """

    photos: tuple[Photo, ...] = ()
    grades: Mapping[str, Mesh] = field(default_factory=dict)
    texture: TextureSettings = field(default_factory=TextureSettings)


class Helper(Protocol):
    """A step with a thread of its own beside the fuser; messages and answers are frozen records.

    It is made with the fuser, then belongs to its own thread until the fuser's `finish` begins:
    by then it has ended, and whatever it owned is the fuser's again.
    """

    def handle(self, message: Any) -> Any | None:
        """Take one message, in the order they were given out, and return the answer if any."""
        ...


class Fuser(Protocol):
    """Turns frames into surface; belongs to the thread that made it.

    Attributes:
        pressure: how full the way to the fuser is, 0 to 1, said anew before every frame;
            `thinning` turns it into motion. Always 0 where frames can wait.
        meters: what its own steps take.
    """

    pressure: float
    meters: Meters

    @property
    def helper(self) -> Helper | None:
        """The step that runs beside it, None when there is none or it was lost."""
        ...

    @property
    def settles(self) -> bool:
        """Whether all that the helper still owes must be in before `finish` begins."""
        ...

    @property
    def has_work(self) -> bool:
        """Whether `idle` or `take_messages` has something to do now; false while it only waits."""
        ...

    @property
    def on_disk_mb(self) -> float:
        """How much of the scan had to leave memory for the disk."""
        ...

    def add(self, frame: Frame) -> list[MeshPatch]:
        """Fuse one frame and return the patches that changed; no faces means an empty cell."""
        ...

    def idle(self, budget_s: float) -> list[MeshPatch]:
        """Do work that can wait, for about so long, and return the patches that changed."""
        ...

    def take_faults(self) -> list[Fault]:
        """Return what went wrong since the last call that the scan goes on in spite of."""
        ...

    def take_messages(self, room: int) -> Sequence[Any]:
        """Return the next messages for the helper, at most `room`."""
        ...

    def give_result(self, result: Any) -> None:
        """Take in an answer of the helper; `idle` returns what changes by it."""
        ...

    def lose_helper(self) -> None:
        """Go on without the helper, which has failed and will answer nothing more."""
        ...

    def update(self, update: PoseUpdate) -> None:
        """Begin to move frames to their new poses.

        Raises:
            NotNow: this kind of scan cannot.
            BadInput: not these frames, or not to these poses.
        """
        ...

    def undo(self, seconds: float) -> PoseUpdate:
        """Begin to take back the frames of the last so many seconds; return which leave.

        Raises:
            NotNow: this kind of scan cannot.
        """
        ...

    def stats(self) -> FuserStats:
        """Return the counts of this moment; cheap."""
        ...

    def finish(self) -> Job[Mesh | TexturedMesh]:
        """Return the job that makes the final mesh of everything added."""
        ...

    def keepsakes(self) -> Keepsakes:
        """Return what is left of the scan once it is finished."""
        ...

    def close(self) -> None:
        """Let go of memory and files; calling twice is harmless."""
        ...


class FramesOnly:
    """The part of a `Fuser` that stays empty where nothing but frames is worked on."""

    pressure = 0.0
    helper: Helper | None = None
    settles = False

    @property
    def has_work(self) -> bool:
        """Say no: everything was done when the frame came."""
        return False

    def take_faults(self) -> list[Fault]:
        """Return none: what goes wrong is raised."""
        return []

    def idle(self, budget_s: float) -> list[MeshPatch]:
        """Return no patches: everything was done when the frame came."""
        return []

    def take_messages(self, room: int) -> Sequence[Any]:
        """Return no messages: there is no helper."""
        return ()

    def give_result(self, result: Any) -> None:
        """Refuse: nobody was asked.

        Raises:
            ValueError: always.
        """
        raise ValueError("An answer came although there is no helper.")

    def lose_helper(self) -> None:
        """Change nothing: there is no helper."""

    def update(self, update: PoseUpdate) -> None:
        """Refuse: frames stay where they were fused.

        Raises:
            NotNow: always.
        """
        raise NotNow("This kind of scan cannot move frames once they are fused.")

    def undo(self, seconds: float) -> PoseUpdate:
        """Refuse: frames stay where they were fused.

        Raises:
            NotNow: always.
        """
        raise NotNow("This kind of scan cannot take frames back.", "Abort it and start again.")

    def stats(self) -> FuserStats:
        """Return zeros."""
        return FuserStats()

    def keepsakes(self) -> Keepsakes:
        """Return nothing: what was seen was not kept."""
        return Keepsakes()


def thinning(pressure: float) -> float:
    """Return how many times the usual motion a keyframe costs under a pressure of 0 to 1.

    None is made while there is hardly room left: what comes during a slow one must find a place.
    """
    if pressure >= NEARLY_FULL:
        return math.inf
    return 4.0 if pressure >= CROWDED else 1.0


def fuse(fuser: Fuser, frame: Frame) -> tuple[list[MeshPatch], Fault | None]:
    """Return what one frame changed, or the fault it met when the scan can go on without it.

    Raises:
        Fault: one that a scan cannot go on with.
    """
    try:
        return fuser.add(frame), None
    except Fault as fault:
        if fault.severity in PASSING:
            return [], fault
        raise
