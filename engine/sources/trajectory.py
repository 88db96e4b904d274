"""Putting a recording's frames in order, and finding where its track breaks."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from scipy.spatial.transform import Rotation

from engine.core.arrays import F64, I64, Bool
from engine.core.faults import BadInput
from engine.core.poses import Pose
from engine.sources.raw import RawFrame, RawRecording

# Nobody carries a camera faster; a hand can flick it, but not above this turn rate.
_FASTEST_M_S = 5.0
_FASTEST_RAD_S = 12.0
# A smaller step is never a jump, whatever its neighbours do: it is what trackers correct at once.
_JUMP_M = 0.10
_JUMP_RAD = np.deg2rad(20.0)
_TIMES_TYPICAL = 8.0
_NEIGHBOURS = 5
# Below a microsecond a frame, time stamps are frame numbers.
_CLOCK_NS = 1000

# Map coordinates reach thousands of kilometres; anything beyond is damage, and would overflow.
_FARTHEST_M = 1e7
_BAD_POSE = "pose not usable"


@dataclass(frozen=True, slots=True)
class OrderedFrame:
    """A frame that can be used: its place in the recording and its rigid pose as written."""

    index: int
    raw: RawFrame
    pose: F64 | None
    depth_pose: F64 | None


@dataclass(slots=True)
class Ordered:
    """The usable frames in order of time, what was left out, and what there is to say about it."""

    frames: list[OrderedFrame] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)


def put_in_order(recording: RawRecording) -> Ordered:
    """Return the frames by time, each stamp once, poses rigid; without any pose, all frames.

    Raises:
        BadInput: no frame at all, or poses of which none can be used.
    """
    if not recording.frames:
        raise BadInput(f"The recording {recording.name} holds no frame.")
    by_time = sorted(recording.frames, key=lambda frame: frame.t_ns)
    result = Ordered()
    if any(a is not b for a, b in zip(by_time, recording.frames, strict=True)):
        result.notes.append("The frames were not in order of time and have been sorted.")
    has_poses = any(frame.pose is not None for frame in by_time)
    first_fault = ""
    last_t_ns: int | None = None
    for index, raw in enumerate(by_time):
        if raw.t_ns == last_t_ns:
            result.skipped["time stamp used twice"] += 1
            continue
        last_t_ns = raw.t_ns
        if not has_poses:
            result.frames.append(OrderedFrame(index, raw, None, None))
        elif raw.pose is None:
            result.skipped["no pose"] += 1
        else:
            try:
                pose = _usable(raw.pose)
                depth_pose = None if raw.depth_pose is None else _usable(raw.depth_pose)
            except BadInput as fault:
                first_fault = first_fault or f"{raw.name}: {fault.says.rstrip('.')}"
                result.skipped[_BAD_POSE] += 1
            else:
                result.frames.append(OrderedFrame(index, raw, pose, depth_pose))
    _note_skipped(result, first_fault)
    if not result.frames:
        raise BadInput(
            f"None of the {len(by_time)} poses of {recording.name} can be used ({first_fault}).",
            "The pose files are damaged or are not camera poses.",
        )
    return result


def _usable(written: F64) -> F64:
    pose = Pose.from_matrix(written)
    if np.abs(pose.translation).max() > _FARTHEST_M:
        raise BadInput("A pose lies too far away to be one.")
    return pose.matrix


def _note_skipped(result: Ordered, first_fault: str) -> None:
    for reason, count in result.skipped.items():
        why = f"{reason} ({first_fault})" if reason == _BAD_POSE else reason
        were = "frame was" if count == 1 else "frames were"
        result.notes.append(f"{count} {were} left out: {why}.")


def segments(t_ns: I64, T_world_cams: F64) -> list[int]:
    """Return for each pose (n, 4, 4) the number of its track, which counts up at every jump.

    A jump is faster than a person carries or turns a camera, or far out of line with the steps
    around it. Files whose time stamps are frame numbers are judged by the typical step alone.
    """
    count = len(T_world_cams)
    if count < 2:
        return [0] * count
    steps_m = np.linalg.norm(np.diff(T_world_cams[:, :3, 3], axis=0), axis=1)
    turns = np.swapaxes(T_world_cams[:-1, :3, :3], 1, 2) @ T_world_cams[1:, :3, :3]
    steps_rad = np.asarray(Rotation.from_matrix(turns).magnitude(), np.float64)
    dt = np.diff(t_ns).astype(np.float64)
    typical_dt = float(np.median(dt))
    # Two stamps a microsecond apart do not make a step a jump: late frames are stamped like that.
    dt = np.asarray(np.maximum(dt, 0.5 * typical_dt))
    has_clock = typical_dt >= _CLOCK_NS
    jump = _stands_out(steps_m, dt, _JUMP_M, _FASTEST_M_S if has_clock else None)
    jump = jump | _stands_out(steps_rad, dt, _JUMP_RAD, _FASTEST_RAD_S if has_clock else None)
    return [0, *np.cumsum(jump).tolist()]


def _stands_out(steps: F64, dt_ns: F64, least: float, fastest_per_s: float | None) -> Bool:
    """Return where a step is impossible: too fast, or many times what happens around it."""
    rate = steps / dt_ns
    typical = np.maximum(_typical_around(rate), np.median(rate))
    out = (steps > least) & (rate > _TIMES_TYPICAL * typical)
    if fastest_per_s is not None:
        # A clock tells leisurely gaps from jumps; without one only the neighbours can.
        out &= rate > 0.2 * fastest_per_s * 1e-9
        out |= (rate > fastest_per_s * 1e-9) & (steps > least)
    return np.asarray(out)


def _typical_around(rate: F64) -> F64:
    """Return the median of each step's neighbours, without itself; 0 where it has none."""
    if len(rate) == 1:
        return np.zeros(1)
    padded = np.pad(rate, _NEIGHBOURS, constant_values=np.nan)
    around = np.lib.stride_tricks.sliding_window_view(padded, 2 * _NEIGHBOURS + 1).copy()
    around[:, _NEIGHBOURS] = np.nan
    return np.asarray(np.nanmedian(around, axis=1))
