"""What the threads of a scan do, except for the map, which has a file of its own."""

from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

import torch

from app.fuser import Helper
from app.mailboxes import Answer, Mailboxes
from app.preview import preview
from engine.core.faults import CannotWrite
from engine.core.frames import Frame, PoseUpdate
from engine.core.news import TrackView
from engine.runtime.channels import Closed
from engine.runtime.meters import Meters
from engine.runtime.priority import give_way
from engine.sources.base import FrameSource
from engine.tracking.health import HealthMeter


class Recorder(Protocol):
    """Keeps frames as they come; `engine.archive.journal.ArchiveWriter` is one."""

    def add(self, frame: Frame) -> None:
        """Keep a frame.

        Raises:
            CannotWrite: no room or no right to; frames kept before stay kept.
        """
        ...

    def move(self, update: PoseUpdate) -> None:
        """Keep that frames stand elsewhere or left; those that are not kept are passed over.

        Raises:
            CannotWrite: as `add`.
        """
        ...

    def close(self) -> None:
        """Mark the record as complete; calling twice is harmless.

        Raises:
            CannotWrite: the mark could not be written.
        """
        ...


def first_picture(source: FrameSource, boxes: Mailboxes, health: HealthMeter) -> None:
    """Tell what the first frame of a recording shows; the source stays open."""
    frame = next(iter(source.frames()), None)
    if frame is not None:
        boxes.track.put(_view(frame, health))


def capture(
    source: FrameSource,
    boxes: Mailboxes,
    meters: Meters,
    health: HealthMeter,
    is_wanted: Callable[[], bool],
    is_recorded: bool,
) -> bool:
    """Offer the frames of a source until nobody wants more; return whether it came to its end.

    `is_wanted` is asked at every frame and may wait. The source is closed in any case.
    """
    with source:
        frames = source.frames()
        while True:
            with meters.stage("capture"):
                frame = next(frames, None)
            if frame is None:
                return True
            boxes.track.put(_view(frame, health))
            if is_wanted():
                if is_recorded:
                    # Closed when the record has failed: the scan decides what becomes of that.
                    with suppress(Closed):
                        boxes.record.put(frame)
                boxes.frames.put(frame)
            if boxes.frames.is_closed:
                return False


def _view(frame: Frame, health: HealthMeter) -> TrackView:
    return TrackView(frame.index, frame.t_ns, frame.T_world_cam, preview(frame), health.look(frame))


def refine(helper: Helper, boxes: Mailboxes, meters: Meters) -> None:
    """Answer messages until no more come; work behind everything that has to keep up."""
    give_way()
    # One core is enough for what can wait. Every thread has a number of its own, and takes it from
    # the latest one said when it first needs torch: the map has by now, later scans get it back.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for message in boxes.refine:
            # By kind: messages that are only noted would hide what the others take.
            with meters.stage(f"refine {type(message).__name__}"):
                result = helper.handle(message)
            boxes.results.put(Answer(result))
    finally:
        torch.set_num_threads(threads)
        boxes.refine.close(discard=True)
        boxes.results.close()


def record(recorder: Recorder, boxes: Mailboxes, meters: Meters) -> None:
    """Keep frames, and what corrects them, until no more come, then close the record in any case.

    Raises:
        CannotWrite: a frame, a correction or the mark of completeness could not be written.
    """
    failed = True
    try:
        for what in boxes.record:
            with meters.stage("record"):
                if isinstance(what, PoseUpdate):
                    recorder.move(what)
                else:
                    recorder.add(what)
        failed = False
    finally:
        boxes.record.close(discard=True)
        # The first failure tells more than the one it leads to.
        with suppress(*([CannotWrite] if failed else [])):
            recorder.close()
