"""The camera errs as stated."""

import numpy as np
import pytest
import torch

from engine.core.poses import Pose
from engine.synth.paths import walk
from engine.synth.render import Renderer, Views, pinhole, poses_tensor
from engine.synth.sensors import SensorModel
from engine.synth.world import World
from tests.synth.conftest import CAMERA


def _wall(depth_m: float, gloss: float = 0.1, facing: float = 1.0) -> Views:
    shape = (1, 120, 160)
    return Views(
        torch.full(shape, depth_m),
        torch.full((*shape, 3), 0.3),
        torch.zeros(*shape, 3),
        torch.ones(shape, dtype=torch.int64),
        torch.full(shape, gloss),
        torch.full(shape, facing),
    )


def _error_m(depth_m: float, noise: float = 1.0) -> float:
    model = SensorModel(seed=1, noise=noise)
    measured = torch.stack([model.depth(_wall(depth_m), i) for i in range(6)])
    known = measured[measured > 0]
    assert float(known.mean()) == pytest.approx(depth_m, abs=0.002 * depth_m)
    return float(known.std())


def test_noise_grows_with_the_square_of_range() -> None:
    one, two_and_half, four = _error_m(1.0), _error_m(2.5), _error_m(4.0)
    assert 0.0013 < one < 0.0027
    assert 0.007 < two_and_half < 0.013
    assert 0.018 < four < 0.036
    assert _error_m(2.5, noise=0.5) == pytest.approx(two_and_half / 2, rel=0.1)


def test_depth_is_quantised() -> None:
    near = SensorModel(seed=1).depth(_wall(0.8), 0)
    far = SensorModel(seed=1).depth(_wall(4.0), 0)
    steps = [np.diff(np.unique(d[d > 0].numpy())).min() for d in (near, far)]
    assert steps[0] == pytest.approx(0.8**2 / 1024, rel=0.1)
    assert steps[1] == pytest.approx(4.0**2 / 1024, rel=0.1)


def test_range_gloss_and_grazing_make_holes() -> None:
    model = SensorModel(seed=3)

    def kept(views: Views) -> float:
        return float((model.depth(views, 0) > 0).float().mean())

    assert kept(_wall(2.0)) > 0.98
    assert kept(_wall(0.2)) == 0
    assert kept(_wall(7.0)) == 0
    assert 0.3 < kept(_wall(2.0, gloss=0.9)) < 0.95
    assert kept(_wall(2.0, facing=0.05)) < 0.05
    assert kept(_wall(2.0, facing=0.2)) < kept(_wall(2.0, facing=0.4))


def test_steps_in_depth_bleed_and_leave_holes() -> None:
    views = _wall(1.0)
    views.depth_m[:, :, 80:] = 2.0
    depth = SensorModel(seed=2).depth(views, 0)
    band, rest = depth[:, 77:83], depth[:, 20:60]
    between = (band > 1.1) & (band < 1.9)
    assert between.float().mean() > 0.02
    assert not ((rest > 1.1) & (rest < 1.9)).any()
    assert (band == 0).float().mean() > 4 * (rest == 0).float().mean()


def test_a_frame_depends_on_seed_and_number_only() -> None:
    wall = _wall(2.0)
    first = SensorModel(seed=1).depth(wall, 5)
    assert torch.equal(first, SensorModel(seed=1).depth(wall, 5))
    assert not torch.equal(first, SensorModel(seed=1).depth(wall, 6))
    assert not torch.equal(first, SensorModel(seed=2).depth(wall, 5))


def test_no_noise_is_the_truth() -> None:
    wall = _wall(9.0)
    assert torch.equal(SensorModel(noise=0).depth(wall, 0), wall.depth_m[0])


def test_exposure_wanders_round_one(renderer: Renderer, room: World) -> None:
    path = walk(room, 0, 1)
    pose = path.pose(0)
    camera = pinhole(CAMERA)
    views = renderer.views(camera, poses_tensor([pose]))
    model = SensorModel(seed=4)
    clean = renderer.develop(views.radiance[0]).float()
    levels = []
    for i in range(30):
        color = model.color(renderer, views, camera, (pose, pose), i, i * 2.0).float()
        levels.append(float(color.mean() / clean.mean()))
        assert float((color - clean).abs().mean()) < 9
    assert np.mean(levels) == pytest.approx(1.0, abs=0.02)
    assert 0.004 < np.std(levels) < 0.06


def test_turning_while_the_shutter_is_open_blurs_along_the_turn(
    renderer: Renderer, room: World
) -> None:
    pose = walk(room, 0, 1).pose(0)
    turn = Pose.exp([0, 0.02, 0, 0, 0, 0])
    camera = pinhole(CAMERA)
    views = renderer.views(camera, poses_tensor([pose]))
    model = SensorModel(seed=4, noise=1e-6)
    still = model.color(renderer, views, camera, (pose, pose), 0, 0.0).float()
    moved = model.color(renderer, views, camera, (pose @ turn.inverse, pose @ turn), 0, 0.0).float()
    across = [float(c.diff(dim=1).abs().mean()) for c in (still, moved)]
    down = [float(c.diff(dim=0).abs().mean()) for c in (still, moved)]
    assert across[1] < 0.8 * across[0]
    assert down[1] / down[0] > across[1] / across[0] + 0.1
    # Light is averaged before the curve of the encoding, which lifts the mean a little.
    assert float((still.mean() - moved.mean()).abs()) < 4


def test_pose_errors_start_at_nothing_and_stay_small() -> None:
    model = SensorModel(seed=3, drift=1.0)
    truth = Pose.identity()
    assert model.pose(truth, 0.0).distance_to(truth)[0] < 1e-9
    far = [model.pose(truth, t).distance_to(truth) for t in np.linspace(0, 60, 200)]
    assert 0.002 < max(m for m, _ in far) < 0.03
    assert max(np.degrees(r) for _, r in far) < 0.8
    assert SensorModel(seed=3).pose(truth, 30.0) is truth
