"""FineRecon while the camera moves: a draft at once, refined behind it, exact at the end."""

import logging
from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np

from app.final import LastPass
from app.finish import finished
from app.fuser import FuserStats
from app.grades import measured_surface
from app.pipeline import ScanPipeline
from app.refining import Refining
from engine.core.arrays import I64
from engine.core.faults import BadInput
from engine.core.frames import Frame, PoseUpdate
from engine.core.news import Job, Progress
from engine.core.poses import Pose
from engine.core.settings import Settings
from engine.core.surface import Mesh, MeshPatch, TexturedMesh, measured_faces
from engine.depth.base import DepthEstimator
from engine.depth.keyframes import KEPT, KeyframeBuffer
from engine.meshing.seams import weld
from engine.recon.chunks import ChunkRequest, Message, RefinedChunk
from engine.recon.finalise import Final
from engine.recon.live import LiveRecon, blocks_of
from engine.volume.history import History
from engine.volume.pool import OutOfRoom

log = logging.getLogger(__name__)

# Chunks in hand and on their way: one is refined while the next one waits.
REQUESTS_AHEAD = 2
# With more of a camera's frames waiting, as a share of the queue, no keyframe is made of a frame.
CALM = 0.2


class LivePipeline(ScanPipeline):
    """A `ScanPipeline` whose surface a network refines where it has changed.

    Fusing and drafts are those of the pipeline it is. Keyframes go to the network's lattice as
    well; chunks of that go out as messages for `helper`, and what comes back supersedes drafts.
    """

    settles = False

    def __init__(
        self,
        settings: Settings,
        recon: LiveRecon,
        refining: Refining,
        last_pass: LastPass,
        with_texture: bool = True,
        hold_out: int = 0,
        estimator: DepthEstimator | None = None,
        can_wait: bool = False,
        history: History | None = None,
        is_guided: bool = False,
        keeps_grades: bool = False,
    ) -> None:
        """Start empty; recon, refining and last pass share a network and are the pipeline's own."""
        rest = estimator, can_wait, history, is_guided, keeps_grades
        super().__init__(settings, with_texture, hold_out, *rest)
        self.recon = recon
        self.helper: Refining | None = refining
        self._refining = refining
        self._last_pass = last_pass
        self._final: Final | None = None
        self._buffer = KeyframeBuffer()
        self._messages: deque[Message] = deque()
        self._refined: deque[RefinedChunk] = deque()
        self._asked: dict[int, ChunkRequest] = {}
        self._camera: Pose | None = None
        self._put_off = 0
        # Bricks in which the network has a say.
        self._shown: set[int] = set()

    @property
    def on_disk_mb(self) -> float:
        """How much of volume, features and keyframes had to leave memory for the disk."""
        return super().on_disk_mb + self.recon.on_disk_mb

    @property
    def has_work(self) -> bool:
        """Whether frames wait to be moved, a chunk to be shown, or one to be refined."""
        return super().has_work or bool(self._refined) or bool(self._messages) or self._can_ask

    @property
    def _can_ask(self) -> bool:
        is_helped = self.helper is not None and len(self._asked) < REQUESTS_AHEAD
        return is_helped and self.recon.chunks_waiting > 0

    def add(self, frame: Frame) -> list[MeshPatch]:
        """Fuse one frame; see `ScanPipeline.add`."""
        self._camera = frame.T_world_cam or self._camera
        return super().add(frame)

    def idle(self, budget_s: float) -> list[MeshPatch]:
        """Show a refined chunk or move frames, for about so long; return what changed."""
        try:
            if not self._refined:
                return self._moved_on(budget_s)
            with self.meters.stage("supersede"):
                self._show(self._refined.popleft())
        except OutOfRoom as full:
            # Drafts go on; the chunk comes again when it changes.
            self._faults.append(full)
        with self.meters.stage("mesh"):
            return self._mesh()

    def take_messages(self, room: int) -> Sequence[Message | ChunkRequest]:
        """Return what the refiner must know, then what it is to refine, best first."""
        taken: list[Message | ChunkRequest] = []
        while self._messages and len(taken) < room:
            taken.append(self._messages.popleft())
        # A request must not overtake news of the keyframes it names.
        while not self._messages and len(taken) < room and self._can_ask:
            with self.meters.stage("gather"):
                request = self.recon.next_request(self._camera)
            if request is None:
                break
            self._asked[request.key] = request
            taken.append(request)
        return taken

    def give_result(self, result: RefinedChunk) -> None:
        """Take in a refined chunk; `idle` shows it."""
        self._asked.pop(result.key)
        self._refined.append(result)
        self.meters.record("refine", result.seconds)

    def lose_helper(self) -> None:
        """Go on with drafts alone; what was refined stays."""
        self.helper = None
        for request in self._asked.values():
            self.recon.failed(request)
        self._asked.clear()
        self._messages.clear()

    def stats(self) -> FuserStats:
        """Return the counts of this moment."""
        plain = super().stats()
        return FuserStats(
            fused=plain.fused,
            keyframes=len(self.recon.keyframes),
            keyframes_thinned=plain.keyframes_thinned + self._put_off,
            chunks_refined=self.recon.chunks_refined,
            chunks_waiting=self.recon.chunks_waiting,
            moves_waiting=plain.moves_waiting,
            memory_mb=plain.memory_mb + self.recon.used_mb,
        )

    def undo(self, seconds: float) -> PoseUpdate:
        """Begin to take frames back; see `ScanPipeline.undo`."""
        update = super().undo(seconds)
        # Compares with the last keyframe, which may have left.
        self._buffer = KeyframeBuffer()
        return update

    def moved(self, index: int, T_world_cam: Pose) -> None:
        """Let a keyframe follow its frame."""
        if index in self.recon.keyframes:
            self._tell(self.recon.move_keyframe(index, T_world_cam))

    def dropped(self, index: int) -> None:
        """Let a keyframe leave with its frame."""
        super().dropped(index)
        if index in self.recon.keyframes:
            self._tell(self.recon.drop_keyframe(index))

    def finish(self) -> Job[Mesh | TexturedMesh]:
        """Return the job that refines everything once more with all views, then tidies and paints.

        Where that last pass cannot be made, the surface is the one that was shown.

        Raises:
            BadInput: nothing was fused.
        """
        yield from self.settled()
        if self._keeps_grades:
            yield Progress("grades", 0, 1)
            with self.meters.stage("grades"):
                self._keep_grades()
        if self.recon.keyframes:
            try:
                self._final = yield from self._last_pass.run(
                    self.recon, self.volume, self._shown_keys(), self.settings, self.meters
                )
            except (BadInput, OutOfRoom) as fault:
                log.warning("The last pass of the network was left out: %s", fault)
                self._faults.append(fault)
        yield Progress("weld", 0, 1)
        with self.meters.stage("mesh"):
            self._mesh()
        with self.meters.stage("weld"):
            mesh = self._without_guesses(weld(self.mesher.patches.values()))
        photos = self.album.photos()
        how = self._with_texture, self.meters, self.volume.is_observed
        return (yield from finished(mesh, photos, self.settings, *how))

    def details(self) -> dict[str, Any]:
        """Return figures for the report."""
        return super().details() | {
            "refinement": {
                "keyframes": len(self.recon.keyframes),
                "chunks_refined": self.recon.chunks_refined,
                "features_mb": round(self.recon.used_mb, 1),
                **({} if self._final is None else {"tiles": self._final.tiles}),
            }
        }

    def close(self) -> None:
        """Let go of what is on disk."""
        super().close()
        self.recon.close()
        self._refining.close()

    def _show(self, chunk: RefinedChunk) -> None:
        self.recon.applied(chunk)
        chunk.write(self.volume)
        self._shown.difference_update(chunk.silent_keys.tolist())
        self._shown.update(chunk.brick_keys.tolist(), chunk.absent_keys.tolist())

    def _moved_on(self, budget_s: float) -> list[MeshPatch]:
        """Move frames, and forget what the network said of places that nobody sees any more."""
        if self._moves is None or not self._moves.waiting:
            return super().idle(budget_s)
        before = self.recon.lattice.keys()
        patches = super().idle(budget_s)
        gone = np.setdiff1d(before, self.recon.lattice.keys())
        shown = self._shown_keys()
        lost = shown[np.isin(blocks_of(shown, self.volume.grid), gone)]
        self.volume.unrefine(lost)
        self._shown.difference_update(lost.tolist())
        return patches + self._mesh()

    def _shown_keys(self) -> I64:
        return np.fromiter(self._shown, np.int64, len(self._shown))

    def _without_guesses(self, mesh: Mesh) -> Mesh:
        """Return the mesh without faces where no depth was measured, if they are not wanted."""
        if self.settings.mesh.guessed == "keep" or mesh.is_observed is None:
            return mesh
        kept = measured_faces(mesh.faces, mesh.is_observed)
        return Mesh(mesh.vertices, kept, mesh.colors, mesh.is_observed)

    def _keep_grades(self) -> None:
        self._mesh()
        self._grades["refined"] = self._without_guesses(weld(self.mesher.patches.values()))
        try:
            self._grades["draft"] = measured_surface(self.volume, self.settings.mesh.min_weight)
        except OutOfRoom as full:
            log.warning("The draft was not kept to compare with: %s", full)

    def _fused(self, cleaned: Frame) -> None:
        super()._fused(cleaned)
        if not self._is_keyframe(cleaned):
            return
        try:
            with self.meters.stage("features"):
                self._tell(self.recon.add_keyframe(cleaned))
        except OutOfRoom as full:
            # It is fused; the network has to do without.
            self._faults.append(full)

    def _tell(self, messages: list[Message]) -> None:
        if self.helper is not None:
            self._messages += messages

    def _is_keyframe(self, frame: Frame) -> bool:
        """Return whether the network should read a frame."""
        if frame.color is None or frame.T_world_cam is None:
            return False
        if self._keyframe_depth is not None:
            return self._keyframe_depth.is_keyframe(frame)
        if not self._buffer.is_due(frame.T_world_cam.matrix):
            return False
        if self.pressure > CALM:
            # It takes as long as several frames: the next one that comes in a calm moment will do.
            self._put_off += 1
            return False
        return self._buffer.offer(frame.T_world_cam.matrix) in KEPT
