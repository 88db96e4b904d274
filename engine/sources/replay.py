"""Our own scans, read back as a recording."""

from functools import partial
from pathlib import Path

import numpy as np

from engine.archive.layout import Entry, Manifest, looks_like_scan
from engine.archive.recover import recover
from engine.core.arrays import F32, F64
from engine.core.poses import Pose
from engine.sources import images
from engine.sources.raw import Convention, RawFrame, RawRecording


def sniff(path: Path) -> bool:
    """Return whether a folder holds a scan of ours."""
    return path.is_dir() and looks_like_scan(path)


def read(path: Path) -> RawRecording:
    """Return a scan, closed or not; its world is ours and stays as it is.

    Raises:
        BadInput: a manifest that is damaged or of another version, or no journal.
    """
    found = recover(path)
    return RawRecording(
        name=found.manifest.name,
        layout="finescan",
        frames=tuple(_frame(path, entry, found.manifest) for entry in found.entries),
        declared=Convention("c2w", "cv"),
        up_source=(0.0, 0.0, 1.0),
        is_metric=found.manifest.is_metric,
        notes=found.notes,
    )


def _frame(path: Path, entry: Entry, manifest: Manifest) -> RawFrame:
    color_camera, depth_camera = entry.color_camera, entry.depth_camera
    offset = entry.T_cam_depth
    load_depth = images.read_depth_png
    return RawFrame(
        t_ns=entry.t_ns,
        name=f"{entry.index:06d}",
        pose=None if entry.T_world_cam is None else _matrix(entry.T_world_cam),
        color=None if entry.color is None else partial(images.read_color, path / entry.color),
        depth=(
            None
            if entry.depth is None
            else partial(load_depth, path / entry.depth, manifest.depth_unit_m)
        ),
        confidence=(
            None if entry.confidence is None else partial(_read_confidence, path / entry.confidence)
        ),
        color_camera=None if color_camera is None else color_camera.intrinsics(),
        depth_camera=None if depth_camera is None else depth_camera.intrinsics(),
        T_cam_depth=Pose.identity() if offset is None else Pose.from_matrix(_matrix(offset)),
    )


def _matrix(numbers: tuple[float, ...]) -> F64:
    return np.array(numbers, np.float64).reshape(4, 4)


def _read_confidence(path: Path) -> F32:
    return np.multiply(images.read_grey(path), np.float32(1 / 255), dtype=np.float32)
