"""Recordings become samples that networks learn depth from."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from engine.core.arrays import F32, F64
from engine.core.camera import Intrinsics
from engine.core.faults import BadInput, CannotWrite
from engine.core.frames import Frame, Photo
from engine.core.news import Job, Progress
from engine.core.settings import DepthSettings
from engine.depth.base import DepthMap
from engine.depth.keyframes import KEPT, KeyframeBuffer
from engine.depth.learned import resized
from engine.depth.sensor import clean
from engine.depth.views import choose_sources
from engine.evaluation.depth_protocol import fetched, true_depth
from engine.sources.base import FrameSource, SourceInfo
from engine.sources.detect import open_source
from engine.training.command import Pictures
from engine.training.kept import KeptSample, keep
from engine.training.mixed import sample_path

# Sources come from so many keyframes on either side: farther ones hardly see the same.
WINDOW = 40
# A reference whose depth is known in fewer pixels teaches little.
LEAST_KNOWN = 0.3


@dataclass(frozen=True, slots=True)
class _View:
    """A keyframe as large as it is learned from; depth (h, w) metres, 0 unknown."""

    photo: Photo
    depth_m: F32
    segment: int

    @property
    def is_portrait(self) -> bool:
        return self.photo.intrinsics.height > self.photo.intrinsics.width


def keep_samples(recordings: Sequence[str], folder: Path, wanted: Pictures) -> Job[int]:
    """Fill a new folder with samples of recordings; return how many.

    Every keyframe with depth becomes one: the reference, then its sources, best first; the best
    stands in where there are too few. Depth is the sensor's, where it is to be believed. Pictures
    of portraits are kept as portraits. The folder appears whole or not at all.

    Raises:
        BadInput: the folder is there already; a recording that cannot be read, lacks colour,
            poses or sensor depth, or shows no place twice.
        CannotWrite: no room or no permission.
    """
    if folder.exists():
        raise BadInput(
            f"The run already has its recordings, in {folder}.", "Resume it without --recording."
        )
    draft = folder.with_name(f".{folder.name}")
    total = 0
    try:
        shutil.rmtree(draft, ignore_errors=True)
        for number, recording in enumerate(recordings):
            with open_source(recording) as source:
                total += yield from _keep(source, draft / f"{number:02d}", wanted)
        draft.replace(folder)
    except OSError as error:
        raise CannotWrite(
            f"Samples cannot be kept in {folder} ({error.strerror}).",
            "Make room, or choose another folder with --out.",
        ) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return total


def _keep(source: FrameSource, folder: Path, wanted: Pictures) -> Job[int]:
    info = source.describe()
    _check(info)
    views = yield from _keyframes(source, info, wanted)
    found = 0
    for number, view in enumerate(views):
        yield Progress("samples", number, len(views))
        sources = _sources(view, views[max(0, number - WINDOW) : number + WINDOW + 1], wanted)
        if sources and (view.depth_m > 0).mean() >= LEAST_KNOWN:
            keep(_sample([view, *sources]), sample_path(folder, view.is_portrait, found))
            found += 1
    if not found:
        raise BadInput(
            f"{info.name} has no picture with depth and another one of the same place beside it.",
            "The camera must move by 5 cm or more between pictures that overlap.",
        )
    return found


def _check(info: SourceInfo) -> None:
    if not (info.has_color and info.has_poses):
        raise BadInput(f"{info.name} cannot teach depth: that takes colour and poses.")
    if not info.has_depth:
        raise BadInput(
            f"{info.name} has no sensor depth, so there is nothing to learn from.",
            "Take a recording made with a depth camera or a phone that has one.",
        )
    if not info.is_metric:
        raise BadInput(
            f"{info.name} has poses without a unit, which its depth does not fit.",
            "Take a recording whose poses are in metres.",
        )


def _keyframes(source: FrameSource, info: SourceInfo, wanted: Pictures) -> Job[list[_View]]:
    """Return the keyframes, small; thousands of them fit into memory."""
    buffer, settings = KeyframeBuffer(), DepthSettings()
    views: list[_View] = []
    for count, frame in enumerate(source.frames()):
        yield Progress("recording", count, info.frame_count or 0)
        if frame.color is None or frame.T_world_cam is None:
            continue
        if buffer.offer(frame.T_world_cam.matrix) in KEPT:
            views.append(_view(clean(frame, settings), wanted))
    return views


def _view(frame: Frame, wanted: Pictures) -> _View:
    """Return a frame as the network sees it: the whole picture, squeezed to the size wanted."""
    color, pose = frame.color, frame.T_world_cam
    assert color is not None
    assert pose is not None
    size = wanted.width, wanted.height
    if color.shape[0] > color.shape[1]:
        size = wanted.height, wanted.width
    camera = frame.intrinsics.scaled_to(*size)
    small = resized(color, *size)
    # Depth is carried over to the small picture: in a large one it would leave holes.
    depth = _registered(replace(frame, color=None, intrinsics=camera), camera)
    return _View(Photo(small, camera, pose, frame.index), depth, frame.segment)


def _registered(frame: Frame, camera: Intrinsics) -> F32:
    if frame.depth_m is None:
        return np.zeros((camera.height, camera.width), np.float32)
    depth, own = true_depth(frame)
    found = DepthMap(depth, np.ones_like(depth), own)
    return fetched(found, camera)[0]


def _sources(reference: _View, near: Sequence[_View], wanted: Pictures) -> list[_View]:
    """Return as many sources as wanted, none when no keyframe suits."""
    fitting = {
        view.photo.index: view
        for view in near
        if view is not reference
        and view.segment == reference.segment
        and view.is_portrait == reference.is_portrait
    }
    count = wanted.views - 1
    photos = choose_sources(reference.photo, [v.photo for v in fitting.values()], count)
    found = [fitting[photo.index] for photo in photos]
    return found + found[:1] * (count - len(found))


def _sample(views: Sequence[_View]) -> KeptSample:
    """Return the views as one sample (b = 1)."""
    pictures = np.stack([view.photo.color for view in views])
    K = np.stack([_matrix(view.photo.intrinsics) for view in views])
    poses = np.stack([view.photo.T_world_cam.matrix for view in views])
    return KeptSample(
        torch.from_numpy(pictures).movedim(-1, 1)[None].float() / 255,
        torch.from_numpy(np.stack([view.depth_m for view in views]))[None],
        torch.from_numpy(K).float()[None],
        torch.from_numpy(poses).float()[None],
        worlds=None,
    )


def _matrix(camera: Intrinsics) -> F64:
    return np.array([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]])
