"""The sensor's depth where it is known, and learned depth in its holes."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import cv2
import numpy as np

from engine.core.arrays import F32, Bool
from engine.core.camera import Intrinsics
from engine.core.frames import Frame
from engine.core.poses import Pose
from engine.core.settings import DepthSettings
from engine.depth.base import DepthEstimator, DepthMap
from engine.depth.registered import registered
from engine.depth.sensor import clean
from engine.depth.stream import LEAST_CONFIDENCE, KeyframeWalk, Seen

# The most that learned depth counts beside the sensor's 1.
FILL_WEIGHT = 0.5
# Sensor depth within this share of the picture's width says how wrong learned depth is there.
NEARBY = 1 / 16
# Such windows as are empty by more than nine tenths follow the whole picture instead.
LEAST_SHARE = 0.1
# Learned depth is corrected by so much beside the picture's scale, in logarithms; where it is
# further off nearby, on average, it is not used.
LARGEST, WORST = 0.1, 0.08
# So many pixels that both know give a picture's scale.
LEAST_SHARED = 100


class GuidedDepth:
    """Gives every frame the sensor's depth, and to keyframes learned depth where that has holes.

    Sensor depth is what `clean` leaves of it, and stays as it is to the bit where it is registered
    to colour, also when what comes out is cleaned once more. Learned depth is what `KeyframeWalk`
    believes of an estimate, brought to the sensor's scale. Belongs to one thread.
    """

    def __init__(
        self, estimator: DepthEstimator, settings: DepthSettings, can_wait: bool = False
    ) -> None:
        """Start with nothing seen; who can wait gets better depth, see `KeyframeWalk`."""
        self._walk = KeyframeWalk(estimator, can_wait)
        self._settings = settings
        self._keyframe_index: int | None = None

    def is_keyframe(self, frame: Frame) -> bool:
        """Return whether a frame that came out just now is a keyframe."""
        return frame.index == self._keyframe_index

    @property
    def takes_depth(self) -> bool:
        """Whether depth that frames bring is of use: yes, with or without colour."""
        return True

    def move(self, T_world_cam: Mapping[int, Pose | None]) -> None:
        """From now on these keyframes stand there; those without a pose were never seen."""
        self._walk.move(T_world_cam)

    def offer(self, frame: Frame) -> Iterator[Frame]:
        """Take a frame, and yield what need wait no longer: keyframes, and this if it is none.

        Frames without a pose, or for which nobody knows any depth, are left out.

        Raises:
            BadInput: the estimator cannot use these pictures.
        """
        for seen in self._walk.offer(clean(frame, self._settings)):
            yield from self._given(seen)

    def flush(self) -> Iterator[Frame]:
        """Yield the keyframes that still wait; nothing comes after them.

        Raises:
            BadInput: the estimator cannot use these pictures.
        """
        for seen in self._walk.flush():
            yield from self._given(seen)

    def _given(self, seen: Seen) -> Iterator[Frame]:
        if seen.is_keyframe:
            self._keyframe_index = seen.frame.index
        if seen.found is not None and seen.is_kept is not None:
            yield self._merged(seen.frame, seen.found, seen.is_kept)
        elif seen.frame.depth_m is not None and seen.frame.T_world_cam is not None:
            yield seen.frame

    def _merged(self, frame: Frame, found: DepthMap, is_kept: Bool) -> Frame:
        sensor, sure, camera = registered(frame)
        depth, confidence, kept = (
            _fetched(each, found.intrinsics, camera)
            for each in (found.depth_m, found.confidence, is_kept)
        )
        depth, fits = fitted(depth, confidence, sensor)
        kept &= fits & (sensor == 0) & (depth > 0)
        kept &= ~_jumps(depth, sensor, self._settings.edge_ratio)
        # Fusion drops what is less sure than the settings ask for.
        weight = np.maximum(self._settings.min_confidence, FILL_WEIGHT * confidence)
        return replace(
            frame,
            depth_m=np.where(kept, depth, sensor).astype(np.float32),
            depth_intrinsics=camera,
            confidence=np.where(kept, weight, np.where(sensor > 0, sure, 0)).astype(np.float32),
            T_cam_depth=Pose.identity(),
        )


def fitted(depth_m: F32, confidence: F32, sensor_m: F32) -> tuple[F32, Bool]:
    """Return learned depth (h, w) at the sensor's scale, and where it agrees with it nearby.

    One factor fits the whole picture, the median over what both know; around it a smooth one fits
    what lies near, as far as there is any. Far from any sensor depth nothing is denied.
    """
    both = (sensor_m > 0) & (depth_m > 0) & (confidence >= LEAST_CONFIDENCE)
    if np.count_nonzero(both) < LEAST_SHARED:
        return depth_m, np.ones(depth_m.shape, bool)
    off = np.zeros(depth_m.shape, np.float32)
    off[both] = np.log(sensor_m[both] / depth_m[both])
    scale = np.median(off[both])
    off[both] -= scale
    reach = max(1, round(NEARBY * depth_m.shape[1]))
    count = _around(both.astype(np.float32), reach)
    # A share of the window's pixels more, all of them right, pull towards the picture's scale.
    few = LEAST_SHARE * (2 * reach + 1) ** 2
    nearby = _around(off.clip(-LARGEST, LARGEST), reach) / (count + few)
    worst = _around(np.minimum(abs(off), 0.5), reach) / np.maximum(count, 1)
    return np.asarray(depth_m * np.exp(scale + nearby), np.float32), worst <= WORST


def _around(values: F32, reach: int) -> F32:
    """Return the sum over the square window around every pixel; outside there is nothing."""
    side = 2 * reach + 1
    sums = cv2.boxFilter(values, -1, (side, side), normalize=False, borderType=cv2.BORDER_CONSTANT)
    return np.asarray(sums, np.float32)


def _fetched(values: np.ndarray, own: Intrinsics, wanted: Intrinsics) -> np.ndarray:
    """Return the nearest values for pixels of another camera at the same place; 0 outside."""

    def places(count: int, f: float, c: float, own_f: float, own_c: float) -> np.ndarray:
        at = ((np.arange(count) + 0.5 - c) / f) * own_f + own_c
        return np.asarray(np.floor(at), np.int64)

    rows = places(wanted.height, wanted.fy, wanted.cy, own.fy, own.cy)
    columns = places(wanted.width, wanted.fx, wanted.cx, own.fx, own.cx)
    near: np.ndarray = values[np.ix_(rows.clip(0, own.height - 1), columns.clip(0, own.width - 1))]
    inside = (rows >= 0) & (rows < own.height)
    near[~inside] = 0
    near[:, (columns < 0) | (columns >= own.width)] = 0
    return near


def _jumps(depth: F32, sensor: F32, ratio: float) -> Bool:
    """Return where (h, w) depth differs from a sensor's pixel beside it as on an edge."""
    jumps = np.zeros(depth.shape, bool)
    here, there = slice(1, None), slice(None, -1)
    for own, other in ((here, there), (there, here)):
        for at, beside in (((own,), (other,)), ((slice(None), own), (slice(None), other))):
            a, b = depth[at], sensor[beside]
            jumps[at] |= (b > 0) & (abs(a - b) > ratio * np.minimum(a, b))
    return jumps
