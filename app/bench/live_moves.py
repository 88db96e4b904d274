"""Half of a scan stood in the wrong place: how long the correction takes, and what it leaves."""

from dataclasses import replace
from itertools import islice

import numpy as np

from app.bench.live_drive import Run, driven
from app.bench.live_kit import Figures, Kit, Report
from app.bench.live_tape import Play, TapeSource
from app.fuser import fuse
from app.live import LivePipeline
from app.lockstep import catch_up
from app.scan import ScanController
from engine.core.arrays import F32, I64
from engine.core.faults import BadInput
from engine.core.frames import Frame, PoseUpdate
from engine.core.grid import FEATURE_VOXELS
from engine.core.news import Progress
from engine.core.poses import Pose
from engine.depth.sensor import clean
from engine.kernels.integrate import TSDF_ONE, WEIGHT_ONE
from engine.recon.live import LiveRecon
from engine.volume.volume import Volume

NAME = "tour10"
BRICKS_AT_ONCE = 256
# As far off as a walk round a flat ends: 14 cm and two degrees.
WRONG = Pose.exp([0.0, 0.0, np.radians(2.0), 0.12, -0.05, 0.05])
# So many places are visited twice; when two thirds of it are done the correction comes, and every
# other frame before that was displaced.
PLACES, ROUNDS = 75, 2
# Every frame of this tape is a keyframe: more of them than any hand makes at 30 Hz.
RATE_HZ = 10.0
# What it may take on a machine that is busy otherwise.
REST_S = 30.0


class _Displaced(TapeSource):
    """Plays a tape twice; at first, every other pose is wrong."""

    def __init__(self, kit: Kit, rate_hz: float | None = None) -> None:
        super().__init__(
            kit.tapes[NAME],
            Play(rate_hz=rate_hz, size=kit.plan.size, stop=PLACES, rounds=ROUNDS, rest_s=REST_S),
        )
        self.count = 2 * len(self) // 3
        self.right: dict[int, Pose] = {}
        self.is_told = False

    def _frame(self, index: int) -> Frame:
        frame = super()._frame(index)
        assert frame.T_world_cam is not None
        if index >= self.count or index % 2 == 0:
            return frame
        self.right[index] = frame.T_world_cam
        return replace(frame, T_world_cam=WRONG @ frame.T_world_cam)


def pose_update(kit: Kit, on_progress: Report) -> Figures:
    """Return how exact a correction is, and how long it takes while frames keep coming.

    `max_abs` is the largest difference to a scan of the same frames that stood right from the
    start: of mean distances in truncations, of weights, and of mean features and guidance.
    `seconds` is from when the map began to move frames until all had moved, `behind_ms` how late
    the latest draft of these seconds was.

    Raises:
        BadInput: the scan ended before the correction was absorbed.
    """
    return _exactness(kit, on_progress) | _absorption(kit, on_progress)


def _exactness(kit: Kit, on_progress: Report) -> Figures:
    source = _Displaced(kit)
    moved, right = (_drafts_only(kit, source) for _ in range(2))
    for frame in islice(source.frames(), source.count):
        fuse(moved, frame)
        on_progress(Progress("pose update", frame.index, source.count))
    source.leave()
    fused, keyframes = set(moved.volume.frames), set(moved.recon.keyframes)
    truth = TapeSource(kit.tapes[NAME], Play(size=kit.plan.size, stop=PLACES, rounds=ROUNDS))
    for frame in islice(truth.frames(), source.count):
        cleaned = clean(frame, kit.settings.depth)
        if frame.index in fused:
            right.volume.add(cleaned)
        if frame.index in keyframes:
            right.recon.add_keyframe(cleaned)
    wrong = _largest_differences(moved, right)
    moved.update(PoseUpdate(source.right, "measured"))
    catch_up(moved)
    found = _largest_differences(moved, right)
    moved.close()
    right.close()
    return {
        "max_abs": max(found.values()),
        "parts": found,
        "max_abs_before": max(wrong.values()),
        "frames": len(fused),
        "frames_moved": len(fused & set(source.right)),
    }


def _absorption(kit: Kit, on_progress: Report) -> Figures:
    source = _Displaced(kit, RATE_HZ)

    def act(controller: ScanController, run: Run) -> None:
        fused = run.log.fused
        on_progress(Progress("pose update live", len(fused), len(source)))
        if not source.is_told and fused and fused[-1] >= source.count:
            there = set(fused)
            right = {index: pose for index, pose in source.right.items() if index in there}
            controller.update(PoseUpdate(right, "measured"))
            source.is_told = True
        if run.log.absorbed_s is not None:
            source.leave()

    with driven(source, kit.maker("sensor"), act=act) as run:
        log = run.log
    if log.update_s is None or log.absorbed_s is None:
        raise BadInput("The scan ended before its frames had moved.")
    late = [ms for left_s, ms in log.drafts if log.update_s <= left_s <= log.absorbed_s]
    return {
        "seconds": log.absorbed_s - log.update_s,
        "behind_ms": max(late, default=0.0),
        "frames_meanwhile": len(late),
        "frames_dropped": run.stats.dropped,
        "busy_elsewhere": run.busy_elsewhere,
    }


def _drafts_only(kit: Kit, source: TapeSource) -> LivePipeline:
    fuser = kit.maker("sensor")(source.describe())
    assert isinstance(fuser, LivePipeline)
    fuser.lose_helper()
    return fuser


def _largest_differences(one: LivePipeline, other: LivePipeline) -> dict[str, float]:
    """Return the largest difference of each kind of what two scans hold."""
    return _of_volumes(one.volume, other.volume) | _of_features(one.recon, other.recon)


def _of_volumes(one: Volume, other: Volume) -> dict[str, float]:
    tsdf, weight = 0.0, 0.0
    keys = np.union1d(one.pool.keys(), other.pool.keys())
    for part in np.array_split(keys, -(-len(keys) // BRICKS_AT_ONCE)):
        sums = [_sums(volume, part) for volume in (one, other)]
        (tsdf_a, weight_a), (tsdf_b, weight_b) = sums
        known = (weight_a > 0) & (weight_b > 0)
        means = tsdf_a / np.maximum(weight_a, 1) - tsdf_b / np.maximum(weight_b, 1)
        tsdf = max(tsdf, float(np.abs(means * known).max()) * WEIGHT_ONE / TSDF_ONE)
        weight = max(weight, float(np.abs(weight_a - weight_b).max()) / WEIGHT_ONE)
    return {"tsdf": tsdf, "weight": weight}


def _sums(volume: Volume, keys: I64) -> tuple[I64, I64]:
    slots = volume.slots(keys)
    known = (slots >= 0)[:, None, None, None]
    layers = volume.layers
    tsdf, weight = (np.where(known, layer[slots], 0) for layer in (layers.tsdf, layers.weight))
    return tsdf.astype(np.int64), weight.astype(np.int64)


def _of_features(one: LiveRecon, other: LiveRecon) -> dict[str, float]:
    box_a, box_b = one.lattice.box(), other.lattice.box()
    if box_a is None or box_b is None:
        raise BadInput("The scan has no keyframe, so no features can be compared.")
    low = np.minimum(box_a[0], box_b[0]) * FEATURE_VOXELS
    end = (np.maximum(box_a[1], box_b[1]) + 1) * FEATURE_VOXELS
    x, y, z = (end - low).tolist()
    a, b = (recon.lattice.region(low, (x, y, z)) for recon in (one, other))
    return {
        "features": _mean_difference(a.features_cxyz, a.views_xyz, b.features_cxyz, b.views_xyz),
        "guidance": _mean_difference(a.guidance_xyz, a.depths_xyz, b.guidance_xyz, b.depths_xyz),
        "views": float(np.abs(a.views_xyz - b.views_xyz).max()),
    }


def _mean_difference(sum_a: F32, count_a: F32, sum_b: F32, count_b: F32) -> float:
    off = sum_a / np.maximum(count_a, 1) - sum_b / np.maximum(count_b, 1)
    return float(np.abs(off).max())
