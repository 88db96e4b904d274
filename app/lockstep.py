"""The steps of a scan on one thread, in a fixed order: the same answer every time."""

import math
from collections.abc import Callable
from typing import Any

from app.fuser import Fuser, fuse
from engine.core.faults import Fault
from engine.core.frames import Frame
from engine.core.news import Job, Progress
from engine.core.surface import Mesh, MeshPatch, TexturedMesh
from engine.runtime.progress import run_job
from engine.sources.base import FrameSource


def lockstep(
    source: FrameSource,
    fuser: Fuser,
    messages_per_frame: int | None = None,
    on_frame: Callable[[Frame, list[MeshPatch]], object] = lambda frame, patches: None,
    on_fault: Callable[[Fault], object] = lambda fault: None,
) -> Job[Mesh | TexturedMesh]:
    """Return the job that fuses every frame, lets the helper catch up after each, and finishes.

    With `messages_per_frame` the helper takes no more than so many messages after each frame, as
    one on a slow machine would; all that is left comes before the finish if the fuser settles.
    `on_frame` is told what a frame and the work after it changed; it may command the fuser.
    Source and fuser stay open.

    Raises:
        Fault: one that the scan cannot go on with; those it can go to `on_fault`.
    """
    total = source.describe().frame_count or 0
    for number, frame in enumerate(source.frames()):
        yield Progress("scan", number, total)
        patches, fault = fuse(fuser, frame)
        if fault is not None:
            on_fault(fault)
        patches = patches + catch_up(fuser, messages_per_frame)
        _tell(fuser, on_fault)
        on_frame(frame, patches)
    if fuser.settles:
        catch_up(fuser)
    surface = yield from fuser.finish()
    _tell(fuser, on_fault)
    return surface


def run_lockstep(source: FrameSource, fuser: Fuser, **options: Any) -> Mesh | TexturedMesh:
    """Return what `lockstep` makes, which takes the same options."""
    return run_job(lockstep(source, fuser, **options), lambda progress: None, lambda: False)


def catch_up(fuser: Fuser, messages: int | None = None) -> list[MeshPatch]:
    """Do all that can wait, with at most so many messages to the helper; return what changed."""
    changed: list[MeshPatch] = []
    helper, left = fuser.helper, math.inf if messages is None else messages
    while True:
        while fuser.has_work and (patches := fuser.idle(math.inf)):
            changed += patches
        given = fuser.take_messages(1) if helper is not None and left > 0 else ()
        if helper is None or not given:
            return changed
        for message in given:
            left -= 1
            result = helper.handle(message)
            if result is not None:
                fuser.give_result(result)


def _tell(fuser: Fuser, on_fault: Callable[[Fault], object]) -> None:
    for fault in fuser.take_faults():
        on_fault(fault)
