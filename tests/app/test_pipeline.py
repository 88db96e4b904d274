from dataclasses import replace

import numpy as np
import pytest

from app import pipeline as pipeline_module
from app.pipeline import ScanPipeline
from engine.core.faults import BadFrame, BadInput
from engine.core.poses import Pose
from engine.core.settings import (
    KeyframeSettings,
    MeshSettings,
    Settings,
    TextureSettings,
    VolumeSettings,
)
from engine.core.surface import Mesh, TexturedMesh
from engine.depth.base import DepthMap
from engine.meshing.seams import weld
from engine.volume.pool import OutOfRoom
from tests.export.shapes import finish
from tests.scenes import BALL_CENTER, BALL_RADIUS, WALL_Y, ball_and_wall, orbit

SETTINGS = Settings(
    keyframes=KeyframeSettings(min_move_m=0.01, min_turn_deg=0.5),
    volume=VolumeSettings(voxel_m=0.04, memory_mb=128),
    mesh=MeshSettings(min_island_faces=20),
    texture=TextureSettings(size_px=256, max_views=10),
)


@pytest.fixture(scope="module")
def frames():
    return orbit(9)


@pytest.fixture
def make():
    made = []

    def make(**options):
        made.append(ScanPipeline(SETTINGS, **{"with_texture": False} | options))
        return made[-1]

    yield make
    for one in made:
        one.close()


def moved(frame, index, x_m):
    there = Pose.from_parts(np.eye(3), [x_m, 0, 0]) @ frame.T_world_cam
    return replace(frame, index=index, T_world_cam=there)


def test_a_frame_that_did_not_move_is_not_fused(make, frames):
    pipeline = make()
    assert pipeline.add(frames[0])
    before = pipeline.volume.layers.weight.sum()
    for i in range(1, 4):
        assert pipeline.add(moved(frames[0], i, 0.002 * i)) == []
    assert pipeline.frames_used == 1
    assert pipeline.volume.layers.weight.sum() == before
    assert list(pipeline.volume.frames) == [0]


def test_many_small_moves_are_one_large_one(make, frames):
    pipeline = make()
    for i in range(13):
        pipeline.add(moved(frames[0], i, 0.004 * i))
    # Measured from the last frame that was fused, not from the last one seen.
    assert list(pipeline.volume.frames) == [0, 3, 6, 9, 12]


def test_a_turn_counts_as_a_move(make, frames):
    pipeline = make()
    for i in range(4):
        turned = frames[0].T_world_cam @ Pose.exp([0, np.radians(0.4) * i, 0, 0, 0, 0])
        pipeline.add(replace(frames[0], index=i, T_world_cam=turned))
    assert list(pipeline.volume.frames) == [0, 2]


def test_held_out_frames_are_kept_to_judge_by_and_not_fused(make, frames):
    pipeline, others = make(hold_out=3), make()
    for frame in frames:
        pipeline.add(frame)
        if frame.index % 3 != 2:
            others.add(frame)
    assert [p.index for p in pipeline.withheld] == [2, 5, 8]
    assert list(pipeline.volume.frames) == [0, 1, 3, 4, 6, 7]
    assert pipeline.frames_used == 6
    assert not {2, 5, 8} & {p.index for p in pipeline.album.photos()}
    assert np.array_equal(pipeline.withheld[0].color, frames[2].color)
    assert pipeline.withheld[0].T_world_cam == frames[2].T_world_cam
    one, other = weld(pipeline.mesher.patches.values()), weld(others.mesher.patches.values())
    assert np.array_equal(one.vertices, other.vertices)
    assert np.array_equal(one.colors, other.colors)


def test_no_more_photographs_are_held_out_than_are_of_use(make, frames, monkeypatch):
    monkeypatch.setattr(pipeline_module, "MAX_WITHHELD", 2)
    pipeline = make(hold_out=2)
    for frame in frames:
        pipeline.add(frame)
    assert [p.index for p in pipeline.withheld] == [1, 3]
    assert pipeline.frames_used == 5


@pytest.mark.parametrize("lack", ["depth_m", "T_world_cam"])
def test_a_frame_without_depth_or_pose_is_refused_and_counts_for_nothing(make, frames, lack):
    pipeline = make(hold_out=2)
    with pytest.raises(BadFrame, match="Frame 0"):
        pipeline.add(replace(frames[0], **{lack: None}))
    pipeline.add(frames[0])
    assert pipeline.frames_used == 1
    assert pipeline.withheld == []


def test_a_scan_of_nothing_cannot_be_finished(make, frames):
    pipeline = make()
    with pytest.raises(BadInput, match="No surface") as caught:
        finish(pipeline.finish())
    assert caught.value.remedy
    empty = replace(frames[0], depth_m=np.zeros_like(frames[0].depth_m))
    pipeline.add(empty)
    with pytest.raises(BadInput, match="No surface"):
        finish(pipeline.finish())


def test_the_patches_handed_out_add_up_to_the_surface(make, frames):
    pipeline = make()
    shown = {}
    for frame in frames:
        for patch in pipeline.add(frame):
            shown[patch.key] = patch
    held = {key: patch for key, patch in shown.items() if len(patch.faces)}
    assert held.keys() == pipeline.mesher.patches.keys()
    one, other = weld(held.values()), weld(pipeline.mesher.patches.values())
    assert np.array_equal(one.vertices, other.vertices)
    assert np.array_equal(one.faces, other.faces)


def test_the_finished_mesh_lies_on_what_was_seen(make, frames):
    pipeline = make()
    for frame in frames:
        pipeline.add(frame)
    mesh = finish(pipeline.finish())
    assert isinstance(mesh, Mesh)
    to_ball = abs(np.linalg.norm(mesh.vertices - BALL_CENTER, axis=1) - BALL_RADIUS)
    error = np.minimum(to_ball, abs(mesh.vertices[:, 1] - WALL_Y))
    assert np.quantile(error, 0.9) < 0.01
    assert {"clean", "fuse", "mesh", "weld", "tidy"} <= pipeline.meters.timings().keys()


def test_with_photographs_the_mesh_is_painted(make, frames):
    painted = make(with_texture=True)
    for frame in frames[3:6]:
        painted.add(frame)
    surface = finish(painted.finish())
    assert isinstance(surface, TexturedMesh)
    assert surface.texture.shape == (256, 256, 3)
    assert surface.texture.std() > 10
    colorless = make(with_texture=True)
    colorless.add(replace(frames[4], color=None))
    assert isinstance(finish(colorless.finish()), Mesh)


def test_finishing_tells_each_step_and_can_be_left_at_any(make, frames):
    pipeline = make()
    pipeline.add(ball_and_wall(0, 0.0))
    job = pipeline.finish()
    assert [next(job).stage, next(job).stage] == ["weld", "clean"]
    job.close()
    assert len(finish(pipeline.finish()).faces) > 100


def test_closing_lets_go_of_what_the_volume_put_on_disk(make, frames):
    pipeline = make()
    pipeline.add(frames[0])
    spilled = pipeline.volume.pool._file()
    assert spilled.exists()
    pipeline.close()
    assert not spilled.exists()
    pipeline.close()


def test_what_could_not_be_meshed_stays_owed(make, frames, monkeypatch):
    pipeline = make()

    def full(_):
        raise OutOfRoom("No room.")

    with monkeypatch.context() as broken:
        broken.setattr(pipeline.mesher, "update", full)
        with pytest.raises(OutOfRoom):
            pipeline.add(frames[0])
    pipeline.add(moved(frames[0], 1, 0.02))
    whole = make()
    whole.add(frames[0])
    whole.add(moved(frames[0], 1, 0.02))
    assert sorted(pipeline.mesher.patches) == sorted(whole.mesher.patches)


class KnowsTheBall:
    """Gives the exact depth of the scene to whoever asks, and remembers the question."""

    source_count = 2

    def __init__(self, frames, confidence=1.0):
        self.asked = []
        self._depth = {f.index: f for f in frames}
        self._confidence = confidence

    def estimate(self, reference, sources):
        self.asked.append((reference.index, [s.index for s in sources]))
        frame = self._depth[reference.index]
        sure = np.full_like(frame.depth_m, self._confidence)
        return DepthMap(frame.depth_m, sure, frame.depth_intrinsics)


def colour_only(frames):
    return [replace(f, depth_m=None, depth_intrinsics=None) for f in frames]


def test_colour_alone_gives_the_surface_when_the_estimate_is_right(make, frames):
    estimator = KnowsTheBall(frames)
    by_colour, by_depth = make(estimator=estimator), make()
    for frame in colour_only(frames):
        by_colour.add(frame)
    for frame in frames:
        by_depth.add(frame)
    # The first keyframe has nobody to be compared with.
    assert [reference for reference, _ in estimator.asked] == list(range(1, 9))
    assert all(0 < len(sources) <= 2 for _, sources in estimator.asked)
    assert by_colour.frames_used == 8
    mesh, whole = finish(by_colour.finish()), finish(by_depth.finish())
    to_ball = abs(np.linalg.norm(mesh.vertices - BALL_CENTER, axis=1) - BALL_RADIUS)
    error = np.minimum(to_ball, abs(mesh.vertices[:, 1] - WALL_Y))
    assert np.quantile(error, 0.9) < 0.01
    # The rim, which a single keyframe saw, is missing.
    assert 0.5 * whole.area_m2() < mesh.area_m2() < whole.area_m2()
    assert len(by_colour.album.photos()) == len(make_album(frames, by_colour))


def test_keyframes_that_waited_are_fused_before_the_mesh_is_finished(make, frames):
    pipeline = make(estimator=KnowsTheBall(frames), can_wait=True)
    for frame in colour_only(frames):
        pipeline.add(frame)
    assert 0 < pipeline.frames_used < 5
    shown = sum(len(patch.faces) for patch in pipeline.mesher.patches.values())
    job = pipeline.finish()
    assert next(job).stage == "depth"
    mesh = finish(job)
    assert pipeline.frames_used == 9
    assert len(mesh.faces) > 1.1 * shown
    assert sorted(pipeline.volume.frames) == list(range(9))


def test_a_full_volume_costs_the_last_keyframes_and_not_the_scan(make, frames, monkeypatch):
    pipeline = make(estimator=KnowsTheBall(frames), can_wait=True)
    for frame in colour_only(frames):
        pipeline.add(frame)
    fused = pipeline.frames_used

    def full(_):
        raise OutOfRoom("No room.")

    monkeypatch.setattr(pipeline.volume, "add", full)
    assert len(finish(pipeline.finish()).faces) > 100
    assert pipeline.frames_used == fused


def make_album(frames, pipeline):
    """All photographs count for the texture, whether they got depth or not."""
    album = pipeline_module.PhotoAlbum(pipeline.settings.keyframes, 10)
    for frame in frames:
        album.offer(frame)
    return album.photos()


def test_unsure_estimates_are_not_fused(make, frames):
    pipeline = make(estimator=KnowsTheBall(frames, confidence=0.2))
    for frame in colour_only(frames):
        pipeline.add(frame)
    with pytest.raises(BadInput, match="No surface"):
        finish(pipeline.finish())


def test_with_an_estimator_the_sensor_is_not_asked(make, frames):
    wrong = [replace(f, depth_m=np.full_like(f.depth_m, 0.5)) for f in frames]
    pipeline, plain = make(estimator=KnowsTheBall(frames)), make(estimator=KnowsTheBall(frames))
    for frame in wrong:
        pipeline.add(frame)
    for frame in colour_only(frames):
        plain.add(frame)
    assert np.array_equal(finish(pipeline.finish()).vertices, finish(plain.finish()).vertices)


def test_an_estimator_needs_colour(make, frames):
    with pytest.raises(BadFrame, match="no colour"):
        make(estimator=KnowsTheBall(frames)).add(replace(frames[0], color=None))
