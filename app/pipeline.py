"""From frames to the finished mesh: the steps of one scan, on whichever thread calls them."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from app.finish import finished
from app.fuser import FramesOnly, FuserStats, Keepsakes, thinning
from app.photos import PhotoAlbum, moved_photos
from app.preview import depth_picture
from engine.core.faults import BadFrame, Fault
from engine.core.frames import Frame, Photo, PoseUpdate
from engine.core.news import Job, Progress
from engine.core.poses import Pose
from engine.core.settings import Settings
from engine.core.surface import Mesh, MeshPatch, TexturedMesh
from engine.depth.base import DepthEstimator
from engine.depth.guided import GuidedDepth
from engine.depth.sensor import clean
from engine.depth.stream import KeyframeDepth
from engine.meshing.blocks import BlockMesher
from engine.meshing.seams import weld
from engine.runtime.meters import Meters
from engine.volume.history import History
from engine.volume.moves import Moves
from engine.volume.pool import OutOfRoom
from engine.volume.volume import Volume

# Photographs kept to judge by: more would say the same and cost memory.
MAX_WITHHELD = 60
# Depth pictures kept to show of a recording without colour.
MAX_DEPTH_PICTURES = 20
# With more of the way to it full than this, every other frame is meshed together with the next.
BUSY = 0.3
# Between two signs of progress when a scan ends.
MOVES_S = 0.2

log = logging.getLogger(__name__)


class ScanPipeline(FramesOnly):
    """Fuses frames into the volume, keeps the mesh up to date, and finishes it.

    Belongs to one thread. Frames that moved less than the settings ask for are not fused: they
    would only repeat what is known; when the camera is ahead, frames have to move farther. Where
    frames have no depth, an estimator gives some to the keyframes among them, and that is fused
    instead. With a history, frames can be moved and taken back later.
    """

    def __init__(
        self,
        settings: Settings,
        with_texture: bool = True,
        hold_out: int = 0,
        estimator: DepthEstimator | None = None,
        can_wait: bool = False,
        history: History | None = None,
        is_guided: bool = False,
        keeps_grades: bool = False,
    ) -> None:
        """Start an empty scan; every `hold_out`-th frame, if not 0, is only kept to judge by.

        With an estimator any depth the frames bring is left aside or, where the scan is guided, has
        its holes filled; where it `can_wait`, a keyframe is fused some keyframes later. The history
        belongs to the pipeline from now on. Who keeps grades can compare the final surface with
        those before it, which costs their memory.
        """
        self.settings = settings
        self._keyframe_depth: KeyframeDepth | GuidedDepth | None = None
        if estimator is not None and is_guided:
            self._keyframe_depth = GuidedDepth(estimator, settings.depth, can_wait)
        elif estimator is not None:
            self._keyframe_depth = KeyframeDepth(estimator, can_wait)
        self.meters = Meters()
        self.volume = Volume(settings.volume)
        self.mesher = BlockMesher(self.volume, settings.mesh.min_weight)
        self.album = PhotoAlbum(settings.keyframes, settings.texture.max_views)
        self._depth_album = PhotoAlbum(settings.keyframes, MAX_DEPTH_PICTURES)
        self.history = history
        self._moves = None if history is None else Moves(self.volume, history, _Followers(self))
        self._faults: list[Fault] = []
        self.frames_used = 0
        self.withheld: list[Photo] = []
        self._with_texture = with_texture
        self._hold_out = hold_out
        self._offered = 0
        self._newest = -1
        self._last: Pose | None = None
        self._thinned = 0
        self._owes_mesh = False
        self._keeps_grades = keeps_grades
        self._grades: dict[str, Mesh] = {}

    def add(self, frame: Frame) -> list[MeshPatch]:
        """Fuse one frame, or keyframes that waited for it, and return the patches that changed.

        Raises:
            BadFrame: the frame has no pose, or neither depth nor what to estimate it from.
        """
        missing = self._missing(frame)
        if missing or frame.T_world_cam is None:
            raise BadFrame(
                f"Frame {frame.index} has no {missing or 'pose'}, so it cannot be fused."
            )
        self._newest = max(self._newest, frame.index)
        self._offered += 1
        if self._hold_out and self._offered % self._hold_out == 0:
            self._withhold(frame, frame.T_world_cam)
            return []
        if not self._has_moved(frame.T_world_cam):
            return []
        self._remember(frame)
        if self._keyframe_depth is None:
            self._fuse(frame)
        else:
            for keyframe in self._timed(self._keyframe_depth.offer(frame)):
                self._fuse(keyframe)
        if self.pressure > BUSY and not self._owes_mesh:
            # The next frame sees nearly the same: meshed together they cost hardly more than one.
            self._owes_mesh = True
            return []
        with self.meters.stage("mesh"):
            return self._mesh()

    @property
    def on_disk_mb(self) -> float:
        """How much of the volume had to leave memory for the disk."""
        return self.volume.on_disk_mb

    @property
    def has_work(self) -> bool:
        """Whether frames wait to be moved, or to be seen."""
        return self._has_moves or self._owes_mesh

    @property
    def _has_moves(self) -> bool:
        return self._moves is not None and self._moves.waiting > 0

    def idle(self, budget_s: float) -> list[MeshPatch]:
        """Move frames that wait for it, for about so long; return the patches that changed."""
        if self._moves is not None and self._has_moves:
            with self.meters.stage("move"):
                self._moves.work(budget_s)
            self._faults += self._moves.take_faults()
        elif not self._owes_mesh:
            return []
        with self.meters.stage("mesh"):
            return self._mesh()

    def take_faults(self) -> list[Fault]:
        """Return what went wrong beside the frames since the last call."""
        faults, self._faults = self._faults, []
        return faults

    def update(self, update: PoseUpdate) -> None:
        """Begin to move frames to their new poses.

        Raises:
            NotNow: the scan keeps no history.
            BadInput: a pose is not one; nothing will move.
        """
        if self._moves is None:
            return super().update(update)
        settled = set(self._moves.take(update).settled)
        self._faults += self._moves.take_faults()
        # Pictures follow, also those that were not fused; settled ones stay with their surface.
        poses = {at: pose for at, pose in update.T_world_cam.items() if at not in settled}
        for album in (self.album, self._depth_album):
            album.move(poses)
        self.withheld = moved_photos(self.withheld, poses)
        if self._keyframe_depth is not None:
            self._keyframe_depth.move(poses)
        return None

    def undo(self, seconds: float) -> PoseUpdate:
        """Begin to take back the frames of the last so many seconds; return which leave.

        All that were seen in that time do, also those that were not worth fusing.

        Raises:
            NotNow: the scan keeps no history.
            BadInput: not a positive time.
        """
        if self._moves is None:
            return super().undo(seconds)
        self._moves.undo(seconds)
        self._faults += self._moves.take_faults()
        first = min(self._moves.leaving, default=self._newest + 1)
        gone: dict[int, Pose | None] = dict.fromkeys(range(first, self._newest + 1))
        for album in (self.album, self._depth_album):
            album.move(gone)
        self.withheld = moved_photos(self.withheld, gone)
        if self._keyframe_depth is not None:
            self._keyframe_depth.move(gone)
        # What is seen next may lie where the camera stood before.
        self._last = None
        return PoseUpdate(gone, f"the last {seconds:g} s undone")

    def moved(self, index: int, T_world_cam: Pose) -> None:
        """Hear that a fused frame stands elsewhere now."""

    def dropped(self, index: int) -> None:
        """Hear that a fused frame was taken back."""
        self.frames_used -= 1

    def stats(self) -> FuserStats:
        """Return the counts of this moment."""
        return FuserStats(
            fused=self.frames_used,
            keyframes=self.frames_used,
            keyframes_thinned=self._thinned,
            moves_waiting=0 if self._moves is None else self._moves.waiting,
            memory_mb=self.volume.used_mb + (0 if self.history is None else self.history.used_mb),
        )

    def finish(self) -> Job[Mesh | TexturedMesh]:
        """Return the job that welds, cleans, reduces and textures everything added.

        Raises:
            BadInput: nothing was fused.
        """
        yield from self.settled()
        yield Progress("weld", 0, 1)
        with self.meters.stage("weld"):
            mesh = weld(self.mesher.patches.values())
        if self._keeps_grades:
            self._grades["draft"] = mesh
        return (
            yield from finished(
                mesh, self.album.photos(), self.settings, self._with_texture, self.meters
            )
        )

    def settled(self) -> Job[None]:
        """Return the job after which every frame is where it belongs, and meshed."""
        if self._keyframe_depth is not None:
            try:
                yield from self._flush(self._keyframe_depth)
            except OutOfRoom as full:
                # A scan without its last few keyframes is better than none.
                log.warning("The last keyframes were not fused: %s", full)
        waiting = self.stats().moves_waiting
        while self._has_moves:
            yield Progress("moves", waiting - self.stats().moves_waiting, waiting)
            self.idle(MOVES_S)
        if self._owes_mesh:
            self._mesh()

    def details(self) -> dict[str, Any]:
        """Return figures for the report."""
        return {
            "volume": {
                "bricks": self.volume.pool.resident,
                "bricks_on_disk": self.volume.pool.spilled,
                "memory_mb": round(self.volume.used_mb, 1),
                "on_disk_mb": round(self.volume.on_disk_mb, 1),
            }
        }

    def sights(self) -> list[Photo]:
        """Return pictures of what the camera saw: photographs, or depth where there is none."""
        return self.album.photos() or self._depth_album.photos()

    def keepsakes(self) -> Keepsakes:
        """Return photographs, and the grades if they were to be kept."""
        return Keepsakes(tuple(self.album.photos()), self._grades, self.settings.texture)

    def close(self) -> None:
        """Let go of what is on disk."""
        self.volume.close()
        if self.history is not None:
            self.history.close()

    def _flush(self, waiting: KeyframeDepth | GuidedDepth) -> Job[None]:
        yield Progress("depth", 0)
        for keyframe in self._timed(waiting.flush()):
            self._fuse(keyframe)
            yield Progress("depth", 0)
        with self.meters.stage("mesh"):
            self._mesh()

    def _timed(self, keyframes: Iterator[Frame]) -> Iterator[Frame]:
        """Yield the keyframes; what it takes to make them counts as the stage of depth."""
        while True:
            with self.meters.stage("depth"):
                keyframe = next(keyframes, None)
            if keyframe is None:
                return
            yield keyframe

    def _fuse(self, frame: Frame) -> None:
        with self.meters.stage("clean"):
            cleaned = clean(frame, self.settings.depth)
        with self.meters.stage("fuse"):
            self.volume.add(cleaned)
        self.frames_used += 1
        self._fused(cleaned)

    def _fused(self, cleaned: Frame) -> None:
        """Keep a frame that is in the volume now."""
        if self.history is not None and (fault := self.history.keep(cleaned)) is not None:
            self._faults.append(fault)

    def _missing(self, frame: Frame) -> str:
        """Return what a frame would need in order to have depth, or nothing."""
        if self._keyframe_depth is None:
            return "depth" if frame.depth_m is None else ""
        if self._keyframe_depth.takes_depth and frame.depth_m is not None:
            return ""
        return "colour" if frame.color is None else ""

    def _remember(self, frame: Frame) -> None:
        if frame.color is not None:
            self.album.offer(frame)
        elif frame.depth_m is not None:
            self._depth_album.offer(replace(frame, color=depth_picture(frame.depth_m)))

    def _mesh(self) -> list[MeshPatch]:
        self._owes_mesh = False
        changed = self.volume.ledger.take("mesh")
        try:
            return self.mesher.update(changed)
        except OutOfRoom:
            # What could not be meshed now is still owed.
            self.volume.ledger.mark(changed)
            raise

    def _withhold(self, frame: Frame, T_world_cam: Pose) -> None:
        if frame.color is not None and len(self.withheld) < MAX_WITHHELD:
            self.withheld.append(Photo(frame.color, frame.intrinsics, T_world_cam, frame.index))

    def _has_moved(self, T_world_cam: Pose) -> bool:
        limits = self.settings.keyframes
        if self._last is not None:
            metres, radians = self._last.distance_to(T_world_cam)
            for factor in (1.0, thinning(self.pressure)):
                if metres < factor * limits.min_move_m and radians < factor * limits.min_turn_rad:
                    self._thinned += factor > 1
                    return False
        self._last = T_world_cam
        return True


class _Followers:
    """Tells a pipeline what became of its frames."""

    def __init__(self, pipeline: ScanPipeline) -> None:
        self._pipeline = pipeline

    def move(self, index: int, T_world_cam: Pose) -> None:
        self._pipeline.moved(index, T_world_cam)

    def drop(self, index: int) -> None:
        self._pipeline.dropped(index)
