"""The body of the map thread: frames first, then orders, then what can wait."""

import shutil
from collections import deque
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any

from app.fuser import PASSING, Fuser, fuse
from app.mailboxes import Command, Mailboxes, Undo, stage_news
from engine.core.faults import BadInput, Fault, Severity
from engine.core.frames import Frame, PoseUpdate
from engine.core.news import Progress, ScanStats
from engine.core.surface import MeshPatch
from engine.runtime.channels import Closed
from engine.runtime.meters import Meters, Rate
from engine.runtime.sizes import bytes_of
from engine.sources.base import SourceInfo

# What can wait takes so long at a time that a frame of 30 Hz does not notice.
IDLE_S = 0.005
# Drafts come first: with more frames than this in the queue, what can wait waits.
BEHIND = 2
# A camera that is always ahead must not stop what can wait for ever.
STARVING_S = 0.25
# Less than this, and the fuser did not really work.
NOTHING_S = 0.001
SOON_S, LATER_S = 0.02, 0.2
NEWS_S = 0.2


class MapLoop:
    """Drives one fuser from its first frame until it may finish; belongs to the map thread."""

    def __init__(
        self, fuser: Fuser, boxes: Mailboxes, meters: Meters, info: SourceInfo, disk: Path
    ) -> None:
        """Take over the fuser; its helper, if any, is running already.

        The free space told is that of the disk on which the folder `disk` is or will be.
        """
        self.last_stats = ScanStats(frames_total=info.frame_count or 0)
        self._fuser = fuser
        self._boxes = boxes
        self._meters = meters
        self._is_live = info.is_live
        self._disk = disk
        self._is_behind = False
        self._rate = Rate()
        self._used = self._skipped = self._faces = 0
        self._per_second = 0.0
        self._faces_of: dict[int, int] = {}
        # Refused when the window was too far behind; one a cell at most, and newer ones replace it.
        self._unshown: dict[int, MeshPatch] = {}
        self._told_s = self._rested_s = -1e9
        self._command: Command | None = None
        self._is_helped = fuser.helper is not None
        self._unsent: deque[Any] = deque()
        self._sent = self._answered = 0

    def run(self) -> None:
        """Fuse until no frame will come any more, and settle with the helper.

        Raises:
            Closed: the scan was stopped.
            Fault: one that the scan cannot go on with.
        """
        while True:
            self._obey()
            # Asked before the frame is taken: a full channel is what it is to be seen as.
            waiting = self._boxes.frames.counters().waiting
            try:
                frame = self._boxes.frames.get(0)
            except TimeoutError:
                self._rest()
            except Closed:
                break
            else:
                self._fuser.pressure = waiting / self._boxes.frames.limit if self._is_live else 0.0
                # A recording is always ahead, and in no hurry.
                self._is_behind = not self._is_live or waiting > BEHIND
                self._fuse(frame)
        self._obey(is_last=True)
        # Nothing will correct what was recorded any more.
        self._boxes.record.close()
        self._settle()
        self.tell_faults()
        self._report_all()

    def tell_last(self) -> None:
        """Tell what finishing took, and what it went on in spite of."""
        self.tell_faults()
        self._report_all()

    def tell_faults(self) -> None:
        """Pass on what the fuser goes on in spite of."""
        for fault in self._fuser.take_faults():
            self._boxes.tell(fault)

    def _fuse(self, frame: Frame) -> None:
        with self._meters.stage("frame"):
            patches, fault = fuse(self._fuser, frame)
        if fault is None:
            self._used += 1
        else:
            self._skipped += 1
            self._boxes.tell(fault)
        self.tell_faults()
        self._per_second = self._rate.tick()
        self._show(patches)
        if not self._is_behind or monotonic() - self._rested_s > STARVING_S:
            self._work()
        else:
            self._send()
        if not self._report_when_due():
            self._report()

    def _obey(self, *, is_last: bool = False) -> None:
        """Carry out the commands whose time has come."""
        while True:
            if self._command is None:
                try:
                    self._command = self._boxes.commands.get(0)
                except (TimeoutError, Closed):
                    return
            frames = self._boxes.frames.counters()
            if not is_last and frames.taken + frames.dropped < self._command.after_frames:
                return
            what, self._command = self._command.what, None
            try:
                if isinstance(what, Undo):
                    what = self._fuser.undo(what.seconds)
                else:
                    self._fuser.update(what)
                self._correct_record(what)
            except BadInput as refused:
                # What the user asked for was not done; the scan is as it was.
                self._boxes.tell(refused, Severity.DEGRADE)
            except Fault as fault:
                if fault.severity not in PASSING:
                    raise
                self._boxes.tell(fault)
            self.tell_faults()

    def _correct_record(self, update: PoseUpdate) -> None:
        """Let the record know, behind the frames it is about."""
        # Closed when nothing is recorded, or the record has failed.
        with suppress(Closed):
            self._boxes.record.put(update, must=True)

    def _rest(self) -> None:
        """Do what can wait, or wait."""
        start_s = monotonic()
        has_moved = self._work()
        is_busy = has_moved or (self._fuser.has_work and monotonic() - start_s > NOTHING_S)
        self._report_when_due()
        if not is_busy:
            self._boxes.bell.wait(SOON_S if self._fuser.has_work else LATER_S)

    def _work(self) -> bool:
        """Do one helping of what can wait; return whether anything came of it."""
        has_moved = self._receive()
        if self._fuser.has_work:
            with self._meters.stage("idle"):
                patches = self._fuser.idle(IDLE_S)
            self.tell_faults()
            self._show(patches)
            has_moved |= bool(patches)
        has_moved |= self._send()
        if self._unshown and not self._boxes.patches.counters().waiting:
            self._show(list(self._unshown.values()))
        self._rested_s = monotonic()
        return has_moved

    def _receive(self) -> bool:
        """Take in one result; more would make the next frame late."""
        while self._is_helped:
            try:
                answer = self._boxes.results.get(0)
            except TimeoutError:
                return False
            except Closed:
                self._lose_helper()
                return False
            self._answered += 1
            if answer.result is not None:
                self._fuser.give_result(answer.result)
                return True
        return False

    def _send(self) -> bool:
        """Hand on what the fuser has for its helper, while there is room."""
        if not self._is_helped:
            return False
        box, sent = self._boxes.refine, 0
        if not self._unsent and (room := box.room()):
            self._unsent.extend(self._fuser.take_messages(room))
        try:
            while self._unsent and box.room(bytes_of(self._unsent[0])):
                box.put(self._unsent.popleft())
                sent += 1
        except Closed:
            self._lose_helper()
        self._sent += sent
        return sent > 0

    def _lose_helper(self) -> None:
        self._is_helped = False
        self._unsent.clear()
        self._fuser.lose_helper()

    def _settle(self) -> None:
        """Return when the helper has ended: after all it owes, or after what it has in hand."""
        while self._fuser.settles and self._is_helped and not self._is_settled():
            if not self._work():
                self._boxes.bell.wait(SOON_S)
            self._boxes.progress.put(Progress("refine", self._answered, self._sent))
        if not self._is_helped:
            return
        self._boxes.progress.put(Progress("refine", 0))
        self._boxes.refine.close(discard=True)
        for answer in self._boxes.results:
            if answer.result is not None:
                self._fuser.give_result(answer.result)

    def _is_settled(self) -> bool:
        is_quiet = not self._unsent and self._answered == self._sent
        return is_quiet and not self._fuser.has_work

    def _show(self, patches: list[MeshPatch]) -> None:
        for patch in patches:
            self._faces += len(patch.faces) - self._faces_of.get(patch.key, 0)
            self._faces_of[patch.key] = len(patch.faces)
            if self._boxes.patches.put(patch.key, patch):
                self._unshown.pop(patch.key, None)
            else:
                self._unshown[patch.key] = patch

    def _report(self) -> None:
        """Tell the counts that cost nothing."""
        frames = self._boxes.frames.counters()
        self.last_stats = replace(
            self.last_stats,
            frames_read=frames.offered,
            frames_used=self._used,
            dropped=frames.dropped + self._skipped,
            faces=self._faces,
            on_disk_mb=self._fuser.on_disk_mb,
            frames_per_second=self._per_second,
        )
        self._boxes.stats.put(self.last_stats)

    def _report_when_due(self) -> bool:
        if monotonic() - self._told_s < NEWS_S:
            return False
        self._report_all()
        return True

    def _report_all(self) -> None:
        """Tell everything; percentiles and locks make this too dear for every frame."""
        counts = self._fuser.stats()
        self.last_stats = replace(
            self.last_stats,
            keyframes=counts.keyframes,
            keyframes_thinned=counts.keyframes_thinned,
            chunks_refined=counts.chunks_refined,
            chunks_waiting=counts.chunks_waiting,
            moves_waiting=counts.moves_waiting,
            memory_mb=counts.memory_mb,
            disk_free_mb=_free_mb(self._disk),
            channels=self._boxes.news(),
            stages=stage_news(self._meters, self._fuser.meters),
        )
        self._report()
        self._told_s = monotonic()


def _free_mb(folder: Path) -> float | None:
    """Return what is left on the disk of a folder that may still have to be made, in MB."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        return shutil.disk_usage(folder).free / 1e6
    except OSError:
        return None
