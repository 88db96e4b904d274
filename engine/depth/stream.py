"""Depth for a walk seen by a colour camera alone."""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from engine.core.arrays import Bool
from engine.core.frames import Frame, Photo
from engine.core.poses import Pose
from engine.depth.base import DepthEstimator, DepthMap
from engine.depth.consistency import SURE, confirmed
from engine.depth.keyframes import RULE, KeyframeBuffer, Response
from engine.depth.views import choose_sources

# A recording can wait: with so many later keyframes there are views on both sides.
AHEAD = 4
# Neighbours in time that are asked whether they see the same surface: before, and after.
BEFORE, AFTER = 3, 2
# Less sure estimates are not fused, whoever agrees.
LEAST_CONFIDENCE = 0.3


@dataclass(frozen=True, slots=True)
class Seen:
    """What became of a frame.

    Attributes:
        frame: as it was offered.
        found: its estimated depth; None of a frame that is no keyframe, or one that nothing seen
            around it shows from elsewhere.
        is_kept: (h, w) where that depth is believed, sized as `found`; None without it.
        is_keyframe: whether it is one, with depth or without.
    """

    frame: Frame
    found: DepthMap | None = None
    is_kept: Bool | None = None
    is_keyframe: bool = False


@dataclass(slots=True)
class _Keyframe:
    """A frame of which `found` is known after its turn; `photo` is what helps others."""

    frame: Frame
    photo: Photo
    found: DepthMap | None = None

    def stand(self, T_world_cam: Pose) -> None:
        """Have another pose; what was found stays, seen from there."""
        self.frame = replace(self.frame, T_world_cam=T_world_cam)
        self.photo = replace(self.photo, T_world_cam=T_world_cam)


class KeyframeDepth:
    """Turns the keyframes of a stream into frames with depth, from photographs around them.

    Only depth that another keyframe's agrees with is given, and then it counts fully; where no
    neighbour knows anything, only what is sure. Belongs to one thread.
    """

    def __init__(self, estimator: DepthEstimator, can_wait: bool = False) -> None:
        """Start with nothing seen; who can wait gets better depth, see `KeyframeWalk`."""
        self._walk = KeyframeWalk(estimator, can_wait)

    def is_keyframe(self, frame: Frame) -> bool:
        """Return whether a frame that came out is a keyframe: all are."""
        return True

    @property
    def takes_depth(self) -> bool:
        """Whether depth that frames bring is of use: no, it is estimated."""
        return False

    def move(self, T_world_cam: Mapping[int, Pose | None]) -> None:
        """From now on these keyframes stand there; those without a pose were never seen."""
        self._walk.move(T_world_cam)

    def offer(self, frame: Frame) -> Iterator[Frame]:
        """Take a frame, and yield the keyframes that need wait no longer, with estimated depth.

        A frame gets none when it has no colour or pose, moved too little since the last keyframe,
        or nothing seen around it shows the same place from elsewhere.

        Raises:
            BadInput: the estimator cannot use these pictures.
        """
        yield from map(_with_depth, filter(_is_found, self._walk.offer(frame)))

    def flush(self) -> Iterator[Frame]:
        """Yield the keyframes that still wait, with depth; nothing comes after them.

        Raises:
            BadInput: the estimator cannot use these pictures.
        """
        yield from map(_with_depth, filter(_is_found, self._walk.flush()))


class KeyframeWalk:
    """Chooses the keyframes of a stream and estimates their depth; every frame comes out once.

    Belongs to one thread. Only the latest keyframes are held, so a walk may be of any length.
    """

    def __init__(self, estimator: DepthEstimator, can_wait: bool = False) -> None:
        """Start with nothing seen.

        Without waiting, a keyframe has only what came before it to compare with; else it gets its
        depth some keyframes later.
        """
        self._estimator = estimator
        self._ahead, self._after = (AHEAD, AFTER) if can_wait else (0, 0)
        self._start_anew()
        self._segment: int | None = None

    def offer(self, frame: Frame) -> Iterator[Seen]:
        """Take a frame, and yield what need wait no longer: keyframes, and this if it is none.

        Raises:
            BadInput: the estimator cannot use these pictures.
        """
        if frame.color is None or frame.T_world_cam is None:
            yield Seen(frame)
            return
        if frame.segment != self._segment:
            # Poses jumped: what was seen before does not fit what comes.
            yield from self.flush()
            self._start_anew()
            self._segment = frame.segment
        if self._buffer.offer(frame.T_world_cam.matrix) is Response.TOO_NEAR:
            yield Seen(frame)
            return
        photo = Photo(frame.color, frame.intrinsics, frame.T_world_cam, frame.index)
        self._held.append(_Keyframe(frame, photo))
        yield from self._ripe(self._ahead, self._after)

    def flush(self) -> Iterator[Seen]:
        """Yield the keyframes that still wait; nothing comes after them.

        Raises:
            BadInput: the estimator cannot use these pictures.
        """
        yield from self._ripe(0, 0)

    def move(self, T_world_cam: Mapping[int, Pose | None]) -> None:
        """From now on these keyframes stand there; those without a pose were never seen."""
        for at in reversed(range(len(self._held))):
            index = self._held[at].frame.index
            pose = T_world_cam.get(index, self._held[at].photo.T_world_cam)
            if pose is None:
                del self._held[at]
                self._estimated -= at < self._estimated
                self._given -= at < self._given
            else:
                self._held[at].stand(pose)
        # It compares with the last only, which may be another now.
        self._buffer = KeyframeBuffer()
        if self._held:
            self._buffer.offer(self._held[-1].photo.T_world_cam.matrix)

    def _ripe(self, ahead: int, after: int) -> Iterator[Seen]:
        """Estimate all but the last `ahead` keyframes; of those, yield all but `after`."""
        for own in list(self._held)[self._estimated : len(self._held) - ahead]:
            own.found = self._estimate(own.photo)
            self._estimated += 1
        while self._given < self._estimated - after:
            self._given += 1
            yield self._confirmed(self._given - 1)
        while len(self._held) > RULE.buffer_size:
            self._held.popleft()
            self._estimated -= 1
            self._given -= 1

    def _estimate(self, photo: Photo) -> DepthMap | None:
        # The latest first: of two equally good sources the newer one has drifted less.
        others = (held.photo for held in reversed(self._held) if held.photo is not photo)
        sources = choose_sources(photo, others, self._estimator.source_count)
        return self._estimator.estimate(photo, sources) if sources else None

    def _confirmed(self, at: int) -> Seen:
        """Return a keyframe with what its neighbours confirm of its depth."""
        own, found = self._held[at], self._held[at].found
        if found is None:
            return Seen(own.frame, is_keyframe=True)
        near = range(max(0, at - BEFORE), min(self._estimated, at + AFTER + 1))
        maps = [(self._held[i].found, self._held[i].photo.T_world_cam) for i in near if i != at]
        others = [(other, pose) for other, pose in maps if other is not None]
        same, unseen = confirmed(found, own.photo.T_world_cam, others)
        sure = found.confidence
        kept = (same & (sure >= LEAST_CONFIDENCE)) | (unseen & (sure >= SURE))
        return Seen(own.frame, found, kept, is_keyframe=True)

    def _start_anew(self) -> None:
        self._buffer = KeyframeBuffer()
        self._held: deque[_Keyframe] = deque()
        # How many of those held have been estimated, and how many of these given out.
        self._estimated: int = 0
        self._given: int = 0


def _is_found(seen: Seen) -> bool:
    return seen.found is not None


def _with_depth(seen: Seen) -> Frame:
    assert seen.found is not None
    assert seen.is_kept is not None
    return replace(
        seen.frame,
        depth_m=seen.found.depth_m,
        depth_intrinsics=seen.found.intrinsics,
        confidence=seen.is_kept.astype(np.float32),
        T_cam_depth=Pose.identity(),
    )
