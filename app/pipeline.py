"""From frames to the finished mesh: the steps of one scan, on whichever thread calls them."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from app.finish import finished
from app.photos import PhotoAlbum
from app.preview import depth_picture
from engine.core.faults import BadFrame
from engine.core.frames import Frame, Photo
from engine.core.news import Job, Progress
from engine.core.poses import Pose
from engine.core.settings import Settings
from engine.core.surface import Mesh, MeshPatch, TexturedMesh
from engine.depth.base import DepthEstimator
from engine.depth.sensor import clean
from engine.depth.stream import KeyframeDepth
from engine.meshing.blocks import BlockMesher
from engine.meshing.seams import weld
from engine.runtime.meters import Meters
from engine.volume.pool import OutOfRoom
from engine.volume.volume import Volume

# Photographs kept to judge by: more would say the same and cost memory.
MAX_WITHHELD = 60
# Depth pictures kept to show of a recording without colour.
MAX_DEPTH_PICTURES = 20

log = logging.getLogger(__name__)


class ScanPipeline:
    """Fuses frames into the volume, keeps the mesh up to date, and finishes it.

    Belongs to one thread. Frames that moved less than the settings ask for are not fused: they
    would only repeat what is known. Where frames have no depth, an estimator gives some to the
    keyframes among them, and that is fused instead.
    """

    def __init__(
        self,
        settings: Settings,
        with_texture: bool = True,
        hold_out: int = 0,
        estimator: DepthEstimator | None = None,
        can_wait: bool = False,
    ) -> None:
        """Start an empty scan; every `hold_out`-th frame, if not 0, is only kept to judge by.

        With an estimator any depth the frames bring is left aside; where it `can_wait`, a
        keyframe is fused some keyframes later.
        """
        self.settings = settings
        self._keyframe_depth = None if estimator is None else KeyframeDepth(estimator, can_wait)
        self.meters = Meters()
        self.volume = Volume(settings.volume)
        self.mesher = BlockMesher(self.volume, settings.mesh.min_weight)
        self.album = PhotoAlbum(settings.keyframes, settings.texture.max_views)
        self._depth_album = PhotoAlbum(settings.keyframes, MAX_DEPTH_PICTURES)
        self.frames_used = 0
        self.withheld: list[Photo] = []
        self._with_texture = with_texture
        self._hold_out = hold_out
        self._offered = 0
        self._last: Pose | None = None

    def add(self, frame: Frame) -> list[MeshPatch]:
        """Fuse one frame, or keyframes that waited for it, and return the patches that changed.

        Raises:
            BadFrame: the frame has no pose, or neither depth nor what to estimate it from.
        """
        lacks_depth = frame.depth_m is None if self._keyframe_depth is None else frame.color is None
        if lacks_depth or frame.T_world_cam is None:
            missing = "depth" if self._keyframe_depth is None else "colour"
            raise BadFrame(
                f"Frame {frame.index} has no {missing} or no pose, so it cannot be fused."
            )
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
        with self.meters.stage("mesh"):
            return self._mesh()

    @property
    def on_disk_mb(self) -> float:
        """How much of the volume had to leave memory for the disk."""
        return self.volume.on_disk_mb

    def finish(self) -> Job[Mesh | TexturedMesh]:
        """Return the job that welds, cleans, reduces and textures everything added.

        Raises:
            BadInput: nothing was fused.
        """
        if self._keyframe_depth is not None:
            try:
                yield from self._flush(self._keyframe_depth)
            except OutOfRoom as full:
                # A scan without its last few keyframes is better than none.
                log.warning("The last keyframes were not fused: %s", full)
        yield Progress("weld", 0, 1)
        with self.meters.stage("weld"):
            mesh = weld(self.mesher.patches.values())
        return (
            yield from finished(
                mesh, self.album.photos(), self.settings, self._with_texture, self.meters
            )
        )

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

    def close(self) -> None:
        """Let go of what the volume put on disk."""
        self.volume.close()

    def _flush(self, waiting: KeyframeDepth) -> Job[None]:
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

    def _remember(self, frame: Frame) -> None:
        if frame.color is not None:
            self.album.offer(frame)
        elif frame.depth_m is not None:
            self._depth_album.offer(replace(frame, color=depth_picture(frame.depth_m)))

    def _mesh(self) -> list[MeshPatch]:
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
            if metres < limits.min_move_m and radians < limits.min_turn_rad:
                return False
        self._last = T_world_cam
        return True
