"""Depth for a walk seen by a colour camera alone."""

from collections import deque
from dataclasses import replace

from engine.core.frames import Frame, Photo
from engine.core.poses import Pose
from engine.depth.base import DepthEstimator
from engine.depth.keyframes import RULE, KeyframeBuffer, Response
from engine.depth.views import choose_sources


class KeyframeDepth:
    """Turns the keyframes of a stream into frames with depth, from photographs already seen.

    Belongs to one thread. Only the latest keyframes are held, so a walk may be of any length.
    """

    def __init__(self, estimator: DepthEstimator) -> None:
        """Start with nothing seen."""
        self._estimator = estimator
        self._start_anew()
        self._segment: int | None = None

    def offer(self, frame: Frame) -> Frame | None:
        """Return the frame with estimated depth, or None when it gets none.

        A frame gets none when it has no colour or pose, moved too little since the last keyframe,
        or nothing seen so far shows the same place from elsewhere.

        Raises:
            BadInput: the estimator cannot use these pictures.
        """
        if frame.color is None or frame.T_world_cam is None:
            return None
        if frame.segment != self._segment:
            # Poses jumped: what was seen before does not fit what comes.
            self._start_anew()
            self._segment = frame.segment
        answer = self._buffer.offer(frame.T_world_cam.matrix)
        if answer is Response.TOO_NEAR:
            return None
        photo = Photo(frame.color, frame.intrinsics, frame.T_world_cam, frame.index)
        # The latest first: of two equally good sources the newer one has drifted less.
        sources = choose_sources(photo, reversed(self._seen), self._estimator.source_count)
        self._seen.append(photo)
        if not sources:
            return None
        estimate = self._estimator.estimate(photo, sources)
        return replace(
            frame,
            depth_m=estimate.depth_m,
            depth_intrinsics=estimate.intrinsics,
            confidence=estimate.confidence,
            T_cam_depth=Pose.identity(),
        )

    def _start_anew(self) -> None:
        self._buffer = KeyframeBuffer()
        self._seen: deque[Photo] = deque(maxlen=RULE.buffer_size)
