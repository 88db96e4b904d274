"""A camera inside a painted box: exact depth, smooth colour, no file and no other room needed."""

import functools
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from engine.core.camera import Intrinsics
from engine.core.frames import Frame
from engine.core.news import Job
from engine.core.poses import Pose
from engine.sources.base import FrameSource, SourceInfo
from engine.sources.conventions import camera_to_world
from engine.sources.raw import RawRecording
from engine.sources.write.recording import write_recording

LOW_M, HIGH_M = np.array([-2.0, -1.5, 0.0]), np.array([2.0, 1.6, 2.4])
CAMERA = Intrinsics(320, 240, 262.5, 261.0, 163.25, 118.5)


def look(angle_rad: float, position_m: tuple[float, float, float], tilt_rad: float = 0.2) -> Pose:
    """Return an upright camera that looks along a compass angle, a little down."""
    forward = np.array(
        [
            np.cos(angle_rad) * np.cos(tilt_rad),
            np.sin(angle_rad) * np.cos(tilt_rad),
            -np.sin(tilt_rad),
        ]
    )
    right = np.cross(forward, (0, 0, 1.0))
    right /= np.linalg.norm(right)
    return Pose.from_parts(np.stack([right, np.cross(forward, right), forward], axis=1), position_m)


def depth_in_box(camera: Intrinsics, T_world_cam: Pose) -> np.ndarray:
    """Return the exact depth (h, w) of the box's inside."""
    directions = camera.directions() @ T_world_cam.rotation.T
    far_side = np.where(directions > 0, HIGH_M, LOW_M)
    with np.errstate(divide="ignore"):
        reach = (far_side - T_world_cam.translation) / directions
    return np.nanmin(np.where(directions == 0, np.inf, reach), axis=-1).astype(np.float32)


def color_in_box(camera: Intrinsics, T_world_cam: Pose, depth_m: np.ndarray) -> np.ndarray:
    """Return smooth stripes (h, w, 3) painted on the walls."""
    points = T_world_cam.apply(camera.directions() * depth_m[..., None])
    waves = 0.5 + 0.4 * np.sin(3.0 * points + points[..., [1, 2, 0]])
    return np.rint(255 * waves).astype(np.uint8)


@functools.lru_cache(maxsize=256)
def seen_in_box(
    number: int, camera: Intrinsics, depth: tuple[Intrinsics, Pose] | None, clock: tuple[int, int]
) -> Frame:
    """Return frame `number` of a slow walk; frames never change, so tests share them."""
    pose = look(0.3 + 0.07 * number, (0.1 * number - 0.4, 0.2 - 0.05 * number, 1.3))
    frame = Frame(
        index=number,
        t_ns=clock[0] + number * clock[1],
        intrinsics=camera,
        color=color_in_box(camera, pose, depth_in_box(camera, pose)),
        T_world_cam=pose,
    )
    if depth is None:
        return frame
    depth_camera, T_cam_depth = depth
    depth_m = depth_in_box(depth_camera, pose @ T_cam_depth)
    depth_m[:6, :9] = 0
    confidence = np.ones_like(depth_m)
    confidence[:, : depth_m.shape[1] // 2] = 0.5
    return replace(
        frame,
        depth_m=depth_m,
        depth_intrinsics=depth_camera,
        confidence=confidence,
        T_cam_depth=T_cam_depth,
    )


class BoxRoom:
    """A `FrameSource` of a slow walk in the box; depth may have a camera of its own."""

    def __init__(
        self,
        count: int = 7,
        camera: Intrinsics = CAMERA,
        depth_camera: Intrinsics | None = None,
        T_cam_depth: Pose | None = None,
        has_depth: bool = True,
        step_ns: int = 50_000_000,
    ) -> None:
        self.has_depth = has_depth
        self.skipped: dict[str, int] = {}
        clock = (12_000_000_000, step_ns) if step_ns > 1 else (0, step_ns)
        own = depth_camera or camera, T_cam_depth or Pose.identity()
        self._list = [
            seen_in_box(number, camera, own if has_depth else None, clock)
            for number in range(count)
        ]

    def describe(self) -> SourceInfo:
        return SourceInfo(
            name="box",
            layout="test",
            frame_count=len(self._list),
            has_color=True,
            has_depth=self.has_depth,
            has_poses=True,
        )

    def frames(self) -> Iterator[Frame]:
        yield from self._list

    def close(self) -> None:
        pass

    def __enter__(self) -> "BoxRoom":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def finish(job: Job[Path]) -> Path:
    """Run a job to its end and return its result."""
    while True:
        try:
            next(job)
        except StopIteration as end:
            path: Path = end.value
            return path


def written(source: FrameSource, folder: Path, layout: str) -> Path:
    """Write a source's frames and return the path to open."""
    return finish(write_recording(source, folder, layout))


def zipped(folder: Path, into: Path, prefix: str = "scan/") -> Path:
    """Return an archive with a folder's files."""
    with zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, prefix + file.relative_to(folder).as_posix())
        archive.writestr("__MACOSX/._junk", b"junk")
    return into


def poses_agree(raw: RawRecording, source: FrameSource, T_file_world: Pose, atol: float) -> None:
    """Check a parsed recording's poses against those of the source it was written from."""
    frames = [frame for frame in source.frames() if frame.T_world_cam is not None]
    assert len(raw.frames) == len(frames)
    for found, frame in zip(raw.frames, frames, strict=True):
        assert found.pose is not None
        assert frame.T_world_cam is not None
        expected = (T_file_world @ frame.T_world_cam).matrix
        np.testing.assert_allclose(
            camera_to_world(found.pose, raw.declared), expected, atol=atol, rtol=0
        )
