"""How well a camera is being led: what a frame says about it, as a state with causes.

Every judgement is a margin from 0 to 1: 1 is comfortable, below a half is a cause to act, 0 is as
bad as lost. The thresholds say where a half and where 1 is reached.
"""

from collections import deque
from dataclasses import dataclass

import cv2
import numpy as np

from engine.core.arrays import F32, U8
from engine.core.frames import Frame
from engine.core.news import Cause, TrackHealth, Tracking
from engine.core.poses import Pose

# Motion is measured over this long: shorter would show the tremor of a hand, longer lags.
MOTION_S = 0.3
# Poses farther apart than this say nothing about the speed now.
STALE_S = 1.0
# No camera is faster; stamps that are closer are counters, not times.
TICK_S = 1e-3
# One odd picture is no reason to say anything: pictures are judged by the median of so long.
PICTURE_S = 0.4
PICTURES_AT_MOST = 32
# What sharpness is usual: the median of so many frames; fewer than so many are no usage.
USUAL_FRAMES, USUAL_LEAST = 300, 8
# Wide enough to see the blur of fast motion, small enough to cost little.
GREY_WIDTH_PX = 320
DEPTH_STEP_PX = 4
# Steps of grey between neighbours, Sobel's sum: well above the noise of a small sensor.
EDGE_STEP = 40


@dataclass(frozen=True, slots=True)
class Band:
    """Where a quantity becomes a cause, and where it is comfortable."""

    bad: float
    good: float

    def margin(self, value: float) -> float:
        """Return a half at `bad`, 1 at `good` and beyond, 0 as far on the other side."""
        return float(np.clip(0.5 + 0.5 * (value - self.bad) / (self.good - self.bad), 0.0, 1.0))


# One step at a camera's usual 10 ms exposure smears a surface in 1.5 m by 3 of 640 pixels.
SPEED_M_S = Band(bad=1.0, good=0.5)
# The same exposure smears 80 degrees a second over 7 of 640 pixels, and half the view is new
# in less than a second.
TURN_DEG_S = Band(bad=80.0, good=45.0)
# Mean grey of 255. Lit rooms show 60 to 200; below 25 noise is as strong as what is seen.
BRIGHTNESS = Band(bad=25.0, good=45.0)
# Fine over coarse contrast, as a share of what it was of late. Turning to other things alone brings
# it to 0.5; a smear of 13 of 320 pixels, or a focus as far off, to 0.3 and less.
SHARPNESS = Band(bad=0.35, good=0.55)
# Share of pixels at an edge: furnished rooms show 0.05 and more even at their barest.
TEXTURE = Band(bad=0.008, good=0.03)
# Stereo and time-of-flight cameras of a hand's size measure from about 0.3 m.
NEAR_M = Band(bad=0.3, good=0.45)
# Beyond the farthest depth that is fused, nothing is scanned.
FAR_SHARES = Band(bad=1.0, good=0.8)
# Share of the picture whose depth is known; shiny and dark rooms keep a quarter.
DEPTH_SHARE = Band(bad=0.08, good=0.25)


@dataclass(frozen=True, slots=True)
class _Look:
    """What one picture shows; NaN where there is nothing to tell it by."""

    brightness: float = np.nan
    sharp_across: float = np.nan
    sharp_down: float = np.nan
    texture: float = np.nan
    distance_m: float = np.nan
    depth_share: float = np.nan


class HealthMeter:
    """Judges the frames of one camera in their order; remembers a few seconds of figures."""

    def __init__(self, max_m: float = 5.0) -> None:
        """Begin with no frame seen; `max_m` is the farthest depth that is fused."""
        self._max_m = max_m
        self._poses: deque[tuple[float, Pose]] = deque()
        self._segment = 0
        self._motion: tuple[float, float] | None = None
        # Bounded for stamps that are no times.
        self._looks: deque[tuple[float, _Look]] = deque(maxlen=PICTURES_AT_MOST)
        self._usual: deque[tuple[float, float]] = deque(maxlen=USUAL_FRAMES)

    def look(self, frame: Frame) -> TrackHealth:
        """Return how this frame suits scanning, in the light of those before it."""
        now_s = frame.t_ns * 1e-9
        self._move(frame, now_s)
        seen = self._see(frame, now_s)
        margins = self._margins(seen)
        causes = tuple(
            sorted((c for c, margin in margins.items() if margin < 0.5), key=margins.__getitem__)
        )
        margin = min(margins.values(), default=1.0)
        state = Tracking.WEAK if causes else Tracking.GOOD
        if frame.T_world_cam is None:
            state, causes, margin = Tracking.LOST, (Cause.NO_POSE, *causes), 0.0
        speed, turn = self._motion or (None, None)
        return TrackHealth(
            state,
            causes,
            speed,
            turn,
            distance_m=_known(seen.distance_m),
            depth_share=_known(seen.depth_share),
            margin=margin,
        )

    def _move(self, frame: Frame, now_s: float) -> None:
        """Note where the camera is, and how fast it got there."""
        if frame.T_world_cam is None or frame.segment != self._segment:
            self._poses.clear()
            self._motion = None
        self._segment = frame.segment
        if frame.T_world_cam is None:
            return
        if self._poses and now_s < self._poses[-1][0] + TICK_S:
            # Time stands still or runs backwards: the motion before is the best guess.
            return
        self._poses.append((now_s, frame.T_world_cam))
        # At least one pose from before the span stays, so that slow cameras have a speed too.
        while len(self._poses) > 2 and now_s - self._poses[1][0] >= MOTION_S:
            self._poses.popleft()
        then_s, before = self._poses[0]
        self._motion = None
        if len(self._poses) > 1 and now_s - then_s <= STALE_S:
            way_m, turn_rad = before.distance_to(frame.T_world_cam)
            self._motion = way_m / (now_s - then_s), float(np.degrees(turn_rad)) / (now_s - then_s)

    def _see(self, frame: Frame, now_s: float) -> _Look:
        """Return the median look of the last moments, this frame included."""
        distance_m, share = _depth(frame.depth_m)
        look = _Look(distance_m=distance_m, depth_share=share)
        if frame.color is not None:
            grey = _small_grey(frame.color)
            brightness = float(cv2.mean(grey)[0])
            look = _Look(brightness, *_contrast(grey), distance_m, share)
            self._usual.append((look.sharp_across, look.sharp_down))
        self._looks.append((now_s, look))
        while now_s - self._looks[0][0] > PICTURE_S:
            self._looks.popleft()
        looks = [look for _, look in self._looks]
        return _Look(
            _middle([look.brightness for look in looks]),
            _middle([look.sharp_across for look in looks]),
            _middle([look.sharp_down for look in looks]),
            _middle([look.texture for look in looks]),
            _middle([look.distance_m for look in looks]),
            _middle([look.depth_share for look in looks]),
        )

    def _margins(self, seen: _Look) -> dict[Cause, float]:
        """Return a margin for everything that can be judged."""
        margins: dict[Cause, float] = {}
        if self._motion is not None:
            margins[Cause.TOO_FAST] = SPEED_M_S.margin(self._motion[0])
            margins[Cause.TURNING_TOO_FAST] = TURN_DEG_S.margin(self._motion[1])
        moves_too_fast = min(margins.values(), default=1.0) < 0.5
        if not np.isnan(seen.brightness):
            margins[Cause.TOO_DARK] = BRIGHTNESS.margin(seen.brightness)
        # In the dark everything is bare and blurred; light is the cure.
        if margins.get(Cause.TOO_DARK, 0.0) >= 0.5:
            margins[Cause.LITTLE_TEXTURE] = TEXTURE.margin(seen.texture)
            # Without edges there is nothing to be blurred; with haste, haste is the reason.
            if margins[Cause.LITTLE_TEXTURE] >= 0.5 and not moves_too_fast:
                margins[Cause.BLURRED] = self._blur_margin(seen)
        if not np.isnan(seen.depth_share):
            margins[Cause.BLOCKED] = DEPTH_SHARE.margin(seen.depth_share)
            # Of next to no depth, the middle means nothing.
            if margins[Cause.BLOCKED] >= 0.5:
                margins[Cause.TOO_NEAR] = NEAR_M.margin(seen.distance_m)
                margins[Cause.TOO_FAR] = FAR_SHARES.margin(seen.distance_m / self._max_m)
        return margins

    def _blur_margin(self, seen: _Look) -> float:
        """Return the margin of the direction that lost most: motion smears one alone."""
        if len(self._usual) < USUAL_LEAST:
            return 1.0
        across, down = np.maximum(np.median(self._usual, axis=0), 1e-6)
        return SHARPNESS.margin(min(seen.sharp_across / across, seen.sharp_down / down))


def _small_grey(color: U8) -> U8:
    """Return the picture in grey, about `GREY_WIDTH_PX` wide."""
    # Larger pictures than twice that are thinned first; averaging all of them would cost too much.
    step = max(1, color.shape[1] // (2 * GREY_WIDTH_PX))
    thin = np.ascontiguousarray(color[::step, ::step])
    grey = cv2.cvtColor(thin, cv2.COLOR_RGB2GRAY)
    if grey.shape[1] > GREY_WIDTH_PX:
        tall = max(1, round(GREY_WIDTH_PX * grey.shape[0] / grey.shape[1]))
        grey = cv2.resize(grey, (GREY_WIDTH_PX, tall), interpolation=cv2.INTER_AREA)
    return np.asarray(grey, np.uint8)


def _contrast(grey: U8) -> tuple[float, float, float]:
    """Return fine over coarse contrast across and down, and the share of pixels at an edge."""
    eighth = cv2.pyrDown(cv2.pyrDown(cv2.pyrDown(grey)))
    across = _change(grey, 2, 0) / max(_change(eighth, 1, 0), 1e-6)
    down = _change(grey, 0, 2) / max(_change(eighth, 0, 1), 1e-6)
    slope_x = cv2.convertScaleAbs(cv2.Sobel(grey, cv2.CV_16S, 1, 0))
    slope_y = cv2.convertScaleAbs(cv2.Sobel(grey, cv2.CV_16S, 0, 1))
    edges = np.count_nonzero(np.maximum(slope_x, slope_y) > EDGE_STEP) / grey.size
    return across, down, edges


def _change(grey: U8, order_x: int, order_y: int) -> float:
    """Return the mean derivative of these orders, without sign."""
    derivative = cv2.Sobel(grey, cv2.CV_16S, order_x, order_y)
    return float(cv2.norm(derivative, cv2.NORM_L1)) / grey.size


def _depth(depth_m: F32 | None) -> tuple[float, float]:
    """Return the middle of the known depths and the share of pixels that have one."""
    if depth_m is None:
        return np.nan, np.nan
    thin = depth_m[::DEPTH_STEP_PX, ::DEPTH_STEP_PX]
    known = thin[thin > 0]
    middle = float(np.partition(known, len(known) // 2)[len(known) // 2]) if len(known) else np.nan
    return middle, len(known) / thin.size


def _middle(values: list[float]) -> float:
    """Return the median of what is known, NaN when nothing is."""
    known = [value for value in values if not np.isnan(value)]
    return float(np.median(known)) if known else np.nan


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value
