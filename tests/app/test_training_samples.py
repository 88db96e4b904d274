from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from app import training_samples
from app.training_samples import keep_samples
from engine.core.faults import BadInput
from engine.core.frames import Frame
from engine.core.poses import Pose
from engine.runtime.progress import run_job
from engine.sources.base import SourceInfo
from engine.training.command import Pictures, start
from engine.training.kept import KeptSample, read
from engine.training.mixed import sample_files
from engine.weights.store import load
from tests.scenes import CAMERA, orbit

WANTED = Pictures(views=4, height=64, width=96)


class Orbit:
    """A ball in front of a wall, as a recording; frames may be changed on the way."""

    def __init__(self, **known: Any) -> None:
        self.skipped: dict[str, int] = {}
        self.info = SourceInfo("orbit", "test", 40, True, True, True)
        self.info = replace(self.info, **known)
        self.change = lambda frame: frame

    def describe(self) -> SourceInfo:
        return self.info

    def frames(self) -> Iterator[Frame]:
        return (self.change(frame) for frame in orbit(40))

    def close(self) -> None:
        pass

    def __enter__(self) -> "Orbit":
        return self

    def __exit__(self, *_: object) -> None:
        pass


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> Orbit:
    opened = Orbit()
    monkeypatch.setattr(training_samples, "open_source", lambda _: opened)
    return opened


def kept(folder: Path, wanted: Pictures = WANTED) -> list[KeptSample]:
    job = keep_samples(["somewhere"], folder / "samples", wanted)
    count = run_job(job, lambda _: None, lambda: False)
    files = sample_files(folder / "samples")
    assert len(files) == count
    return [read(path) for path in files]


def off_m(sample: KeptSample) -> float:
    """Return how far the first source's depth lies from the reference's points, median metres.

    Small only where depth, cameras and poses belong to each other.
    """
    K, T, depth = sample.K[0].double(), sample.T_world_cam[0].double(), sample.depth[0].double()
    v, u = torch.nonzero(depth[0] > 0, as_tuple=True)
    pixels = torch.stack([u + 0.5, v + 0.5, torch.ones_like(u)]).double()
    points = torch.linalg.inv(K[0]) @ pixels * depth[0, v, u]
    T_src_ref = torch.linalg.inv(T[1]) @ T[0]
    there = T_src_ref[:3, :3] @ points + T_src_ref[:3, 3:]
    pixels = (K[1] @ there)[:2] / there[2]
    column, row = pixels.floor().long()
    inside = (column >= 0) & (column < depth.shape[2]) & (row >= 0) & (row < depth.shape[1])
    seen = depth[1, row[inside], column[inside]]
    known = seen > 0
    return float((seen - there[2, inside])[known].abs().median())


@pytest.mark.usefixtures("source")
def test_samples_are_posed_pictures_with_depth(tmp_path: Path) -> None:
    samples = kept(tmp_path)
    assert len(samples) > 5
    for sample in samples:
        assert sample.pictures.shape == (1, 4, 3, 64, 96)
        assert sample.depth.shape == (1, 4, 64, 96)
        assert float((sample.depth[:, 0] > 0).float().mean()) > 0.3
        assert sample.pictures.std() > 0.05
        # The whole picture, squeezed.
        assert torch.allclose(sample.K[0, :, 0, 0], torch.tensor(CAMERA.fx * 96 / CAMERA.width))
        assert torch.allclose(sample.K[0, :, 1, 2], torch.tensor(CAMERA.cy * 64 / CAMERA.height))
        moved = torch.linalg.inv(sample.T_world_cam[0, 0]) @ sample.T_world_cam[0, 1:]
        assert float(moved[:, :3, 3].norm(dim=1).min()) > 0.05
        # A pixel is 14 mm wide at this distance, and the ball is round.
        assert off_m(sample) < 0.02
    assert not list(tmp_path.glob(".*"))


def test_portraits_stay_portraits(tmp_path: Path, source: Orbit) -> None:
    def turned(frame: Frame) -> Frame:
        """Return the frame of a camera turned by a quarter: its x is the other's -y."""
        assert frame.color is not None
        assert frame.depth_m is not None
        assert frame.T_world_cam is not None
        quarter = np.array([[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]])
        camera = replace(
            CAMERA, width=CAMERA.height, height=CAMERA.width,
            cx=CAMERA.height - CAMERA.cy, cy=CAMERA.cx,
        )  # fmt: skip
        return replace(
            frame,
            color=np.ascontiguousarray(np.rot90(frame.color, -1)),
            depth_m=np.ascontiguousarray(np.rot90(frame.depth_m, -1)),
            intrinsics=camera,
            depth_intrinsics=camera,
            T_world_cam=frame.T_world_cam @ Pose.from_parts(quarter, np.zeros(3)),
        )

    source.change = turned
    samples = kept(tmp_path)
    assert {sample.pictures.shape for sample in samples} == {(1, 4, 3, 96, 64)}
    assert max(off_m(sample) for sample in samples) < 0.02


def test_depth_of_another_camera_is_carried_over(tmp_path: Path, source: Orbit) -> None:
    T_cam_depth = Pose.from_parts(np.eye(3), np.array([0.03, 0, 0]))

    def apart(frame: Frame) -> Frame:
        """Return the frame with depth that was seen from beside the colour camera."""
        assert frame.T_world_cam is not None
        return replace(
            frame, T_cam_depth=T_cam_depth, T_world_cam=frame.T_world_cam @ T_cam_depth.inverse
        )

    source.change = apart
    ours = kept(tmp_path)
    # What was not carried over would be wrong by the distance between the cameras.
    assert max(off_m(sample) for sample in ours) < 0.03
    shifted = torch.stack([sample.depth[0, 0] for sample in ours])
    source.change = lambda frame: replace(frame)
    plain = torch.stack([sample.depth[0, 0] for sample in kept(tmp_path / "plain")])
    assert float((shifted != plain[: len(shifted)]).float().mean()) > 0.05


def test_views_of_different_segments_are_not_joined(tmp_path: Path, source: Orbit) -> None:
    source.change = lambda frame: replace(frame, segment=frame.index)
    with pytest.raises(BadInput, match="another one of the same place"):
        kept(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("known", "says"),
    [
        ({"has_depth": False}, "no sensor depth"),
        ({"has_poses": False}, "takes colour and poses"),
        ({"is_metric": False}, "without a unit"),
    ],
)
def test_recordings_that_cannot_teach_are_refused(
    tmp_path: Path, source: Orbit, known: dict[str, bool], says: str
) -> None:
    source.info = replace(source.info, **known)
    with pytest.raises(BadInput, match=says):
        kept(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("source")
def test_a_run_keeps_its_recordings(tmp_path: Path) -> None:
    kept(tmp_path)
    with pytest.raises(BadInput, match="already has its recordings"):
        kept(tmp_path)


@pytest.mark.usefixtures("source")
@pytest.mark.parametrize(("recipe", "hw"), [("depth", (64, 96)), ("sweepdepth", (96, 128))])
def test_a_run_learns_from_them_and_its_weights_say_so(
    tmp_path: Path, recipe: str, hw: tuple[int, int]
) -> None:
    out = tmp_path / "run"
    asked: list[Pictures] = []

    def prepare(wanted: Pictures) -> None:
        asked.append(wanted)
        run_job(keep_samples(["x"], out / "recordings", wanted), lambda _: None, lambda: False)

    given = {
        "size": "smoke", "steps": 3, "width": hw[1], "height": hw[0],
        "recording_share": 1.0, "recordings": str(out / "recordings"),
    }  # fmt: skip
    news = list(start(recipe, out, given, device="cpu", prepare=prepare))
    assert (asked[0].height, asked[0].width) == hw
    assert news[-1].step == 3
    assert news[-1].row["skipped"] == 0
    words = load(out / "weights.safetensors").metadata
    assert words["licence"] == "that of the recordings"
    assert "recordings" in words["data"]
    with pytest.raises(BadInput, match="needs exact answers"):
        list(start("finerecon", tmp_path / "other", given, device="cpu"))
