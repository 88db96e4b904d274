"""Which frames get a depth map and which others help: the rule of DeepVideoMVS.

Duzceker et al., "DeepVideoMVS: Multi-View Stereo on Video with Recurrent Spatio-Temporal Fusion"
(2021), section 3.3, with the thresholds and the gap rule of SimpleRecon (2022). Poses are (4, 4)
camera-to-world arrays, computed with in the type they come in, so that float32 poses give the
published decisions to the last bit; a pose that is not finite is an invalid frame.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cache

import numpy as np

from engine.core.arrays import F32, F64, I64

Matrix = F32 | F64

# Offline, neighbours are collected on both sides up to so many; with the dense rule, backwards.
OFFLINE_NEIGHBOURS = 60
DENSE_NEIGHBOURS = 30


class Response(IntEnum):
    """What the buffer did with a frame; the numbers are the published codes."""

    FIRST = 0
    KEYFRAME = 1
    TOO_NEAR = 2
    RESTARTED = 3
    STILL_LOST = 4
    INVALID = 5


# A frame of these is in the buffer.
KEPT = (Response.FIRST, Response.KEYFRAME, Response.RESTARTED)


@dataclass(frozen=True, slots=True)
class KeyframeRule:
    """The thresholds; distances are the combined pose distance, so metres and radians at once."""

    buffer_size: int = 30
    keyframe_distance: float = 0.1
    best_translation_m: float = 0.15
    lost_after: int = 30
    sources: int = 7

    def penalty(self, T_ref_src: Matrix) -> float:
        """Return how badly a source suits a reference: too close weighs five times too far."""
        _, turn, metres = pose_distance(T_ref_src)
        off = metres - self.best_translation_m
        return float(turn**2 + (off**2 if off >= 0 else 5 * off**2))


RULE = KeyframeRule()


def pose_distance(T: Matrix) -> tuple[float, float, float]:
    """Return the size of a relative pose (4, 4): combined, rotation part, translation in metres.

    The rotation part is the Frobenius-like `sqrt(2 (1 - trace / 3))`, not an angle.
    """
    metres = np.linalg.norm(T[:3, 3])
    # Rounding can lift the trace of a pure translation above 3.
    turn = np.sqrt(2 * (1 - np.minimum(np.trace(T[:3, :3]), 3) / 3))
    return float(np.sqrt(metres**2 + turn**2)), float(turn), float(metres)


class KeyframeBuffer:
    """The latest keyframes of a running scan; all sources of a keyframe lie in its past."""

    def __init__(self, rule: KeyframeRule = RULE) -> None:
        """Start empty."""
        self._rule = rule
        self._held: deque[tuple[int, Matrix]] = deque(maxlen=rule.buffer_size)
        self._offered = 0
        self._invalid = 0

    def offer(self, T_world_cam: Matrix, frames_since_last_valid: int = 0) -> Response:
        """Consider the next frame and say what became of it; only KEYFRAME deserves depth.

        `frames_since_last_valid` counts frames that never reached the buffer because they had no
        pose; who offers those too, with a pose of NaN, leaves it 0.
        """
        index = self._offered
        self._offered += 1
        if frames_since_last_valid > self._rule.lost_after:
            self._held.clear()
            self._held.append((index, T_world_cam))
            self._invalid = 0
            return Response.RESTARTED
        if not np.isfinite(T_world_cam).all():
            return self._miss()
        self._invalid = 0
        if not self._held:
            self._held.append((index, T_world_cam))
            return Response.FIRST
        moved, _, _ = pose_distance(_between(self._held[-1][1], T_world_cam))
        if moved < self._rule.keyframe_distance:
            return Response.TOO_NEAR
        self._held.append((index, T_world_cam))
        return Response.KEYFRAME

    def is_due(self, T_world_cam: Matrix) -> bool:
        """Return whether a valid frame would be kept if it were offered."""
        if not self._held:
            return True
        return pose_distance(_between(self._held[-1][1], T_world_cam))[0] >= (
            self._rule.keyframe_distance
        )

    def sources(self) -> list[int]:
        """Return the frames that suit the last keyframe best, by how well they do.

        Frames are numbered in the order they were offered, from 0.
        """
        if not self._held:
            return []
        *others, (_, T_world_ref) = self._held
        return _least_penalty(T_world_ref, others, self._rule, self._rule.sources)

    def held(self) -> list[int]:
        """Return the numbers of all frames in the buffer, oldest first."""
        return [index for index, _ in self._held]

    def _miss(self) -> Response:
        self._invalid += 1
        if self._invalid <= self._rule.lost_after:
            return Response.INVALID
        was_empty = not self._held
        self._held.clear()
        return Response.STILL_LOST if was_empty else Response.RESTARTED


def online_responses(
    T_world_cam: Matrix, frames_since_last_valid: Sequence[int] | I64, rule: KeyframeRule = RULE
) -> I64:
    """Return the response code (n,) of every pose (n, 4, 4) offered in turn."""
    buffer = KeyframeBuffer(rule)
    pairs = zip(T_world_cam, frames_since_last_valid, strict=True)
    return np.array([buffer.offer(T, int(gap)) for T, gap in pairs], np.int64)


def online_tuples(
    T_world_cam: Matrix, frames_since_last_valid: Sequence[int] | I64, rule: KeyframeRule = RULE
) -> I64:
    """Return a row (reference, sources ascending, -1 where missing) for every keyframe."""
    buffer = KeyframeBuffer(rule)
    rows = []
    for index, (T, gap) in enumerate(zip(T_world_cam, frames_since_last_valid, strict=True)):
        if buffer.offer(T, int(gap)) is Response.KEYFRAME:
            rows.append(_row(index, buffer.sources(), rule))
    return _table(rows, rule)


def offline_tuples(T_world_cam: Matrix, rule: KeyframeRule = RULE) -> I64:
    """Return a row for every keyframe, sources from both sides in time."""
    buffer = KeyframeBuffer(rule)
    gap = _gaps(T_world_cam)
    rows = []
    for reference, T in enumerate(T_world_cam):
        if buffer.offer(T) is not Response.KEYFRAME:
            continue
        after = range(reference + 1, len(T_world_cam))
        before = range(reference - 1, -1, -1)
        outward = _alternate(after, before)
        rows.append(_outward_row(T_world_cam, gap, reference, outward, OFFLINE_NEIGHBOURS, rule))
    return _table(rows, rule)


def dense_tuples(T_world_cam: Matrix, rule: KeyframeRule = RULE) -> I64:
    """Return a row for every frame but the first, sources from the past only."""
    valid = [i for i, T in enumerate(T_world_cam) if np.isfinite(T).all()]
    gap = _gaps(T_world_cam)
    rows = [
        _outward_row(T_world_cam, gap, i, list(range(i - 1, -1, -1)), DENSE_NEIGHBOURS, rule)
        for i in valid[1:]
    ]
    return _table(rows, rule)


def _gaps(T_world_cam: Matrix) -> Callable[[int, int], float]:
    """Return the combined distance from one pose to another by number, computed once each."""

    @cache
    def gap(one: int, other: int) -> float:
        return pose_distance(_between(T_world_cam[one], T_world_cam[other]))[0]

    return gap


def _outward_row(
    T_world_cam: Matrix,
    gap: Callable[[int, int], float],
    reference: int,
    outward: Sequence[int],
    limit: int,
    rule: KeyframeRule,
) -> list[int]:
    held: deque[int] = deque([reference], maxlen=limit)
    accepted = 0
    for index in outward:
        if not np.isfinite(T_world_cam[index]).all():
            continue
        if any(gap(other, index) < rule.keyframe_distance for other in held):
            continue
        # At the limit the oldest entry, which is the reference itself, falls out.
        held.append(index)
        accepted += 1
        if accepted == limit:
            break
    candidates = list(held)[1:]
    if not candidates:
        return _row(reference, [], rule)
    # Two quirks of the published lists: sources are judged as seen from the first candidate, not
    # from the reference, and one candidate always goes unused.
    numbered = [(index, T_world_cam[index]) for index in candidates]
    count = min(rule.sources, len(candidates) - 1)
    return _row(reference, _least_penalty(numbered[0][1], numbered, rule, count), rule)


def _least_penalty(
    T_world_ref: Matrix, others: Sequence[tuple[int, Matrix]], rule: KeyframeRule, count: int
) -> list[int]:
    ranked = sorted((rule.penalty(_between(T_world_ref, T)), index) for index, T in others)
    return [index for _, index in ranked[:count]]


def _between(T_world_a: Matrix, T_world_b: Matrix) -> Matrix:
    # A general inverse and not the transpose: the published decisions round this way.
    between: Matrix = np.linalg.inv(T_world_a) @ T_world_b
    return between


def _alternate(first: Sequence[int], second: Sequence[int]) -> list[int]:
    shared = min(len(first), len(second))
    mixed = [index for pair in zip(first, second, strict=False) for index in pair]
    return [*mixed, *first[shared:], *second[shared:]]


def _row(reference: int, sources: Sequence[int], rule: KeyframeRule) -> list[int]:
    return [reference, *sorted(sources), *[-1] * (rule.sources - len(sources))]


def _table(rows: list[list[int]], rule: KeyframeRule) -> I64:
    return np.array(rows, np.int64).reshape(len(rows), rule.sources + 1)
