"""Where the shared phone recordings lie, and the exact poses some of them were written from."""

import json
from pathlib import Path

import numpy as np
import pytest

from engine.core.poses import Pose
from engine.sources.raw import RawRecording
from engine.sources.recording import Recording

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
HOLOLENS = DATA / "arkit" / "from-hololens"
# y up into z up: a quarter turn about x.
T_zup_yup = Pose.from_parts([[1, 0, 0], [0, 0, -1], [0, 1, 0]], np.zeros(3))


def sample(*parts: str) -> Path:
    """Return a path below the shared data, or skip the test."""
    path = DATA.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"the shared sample {'/'.join(parts)} is not here")
    return path


def true_poses(every: int, count: int) -> list[Pose]:
    """Return camera-to-world poses, OpenCV axes, y up, of the frames a container holds."""
    frames = json.loads((HOLOLENS / "truth.json").read_text())["frames"]
    return [Pose.from_matrix(f["c2w_opencv"]) for f in frames[::every][:count]]


def assert_true_poses(
    raw: RawRecording, every: int = 1, T_yup_file: Pose | None = None, atol: float = 1e-4
) -> None:
    """Check a container's poses against the truth, through everything a recording does."""
    T_yup_file = T_yup_file or Pose.identity()
    with Recording(raw) as recording:
        T_source_world = recording.describe().T_world_source.inverse
        truth = true_poses(every, len(raw.frames))
        frames = list(recording.frames())
        assert len(frames) == len(truth) == len(raw.frames)
        for frame, T_yup_cam in zip(frames, truth, strict=True):
            assert frame.T_world_cam is not None
            found = T_yup_file @ T_source_world @ frame.T_world_cam
            np.testing.assert_allclose(found.matrix, T_yup_cam.matrix, atol=atol, rtol=0)
