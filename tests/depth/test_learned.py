"""The learned estimator: what it hands to the network, and what it makes of the answer."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from engine.core.camera import Intrinsics
from engine.core.faults import BadInput
from engine.core.frames import Photo
from engine.core.poses import Pose
from engine.depth.base import DepthEstimator
from engine.depth.learned import LearnedDepth, resized
from engine.nets.simplerecon.model import DepthPrediction, SimpleRecon
from tests.nets.simplerecon.small import SMALL, network, views


def photos(width: int = 128, height: int = 96) -> list[Photo]:
    """Return the scene of the small network, the world moved away and turned."""
    scene = views(width=width, height=height)
    T_world_first = Pose.from_quaternion((0.1, 0.5, -0.3, 0.8), (40.0, -70.0, 1.5))
    camera = Intrinsics(width, height, scene.K[0, 0], scene.K[1, 1], scene.K[0, 2], scene.K[1, 2])
    return [
        Photo(
            np.ascontiguousarray(rgb.transpose(1, 2, 0)),
            camera,
            T_world_first @ Pose.from_matrix(T),
        )
        for rgb, T in zip(scene.rgb, scene.poses, strict=True)
    ]


class Listener(SimpleRecon):
    """Keeps what it was asked."""

    def forward(self, images_bv3hw, K_bv33, T_world_cam_bv44, is_mirrored=False) -> DepthPrediction:
        """Return the network's answer."""
        self.asked = images_bv3hw, K_bv33, T_world_cam_bv44
        self.precise = not torch.is_autocast_enabled("cpu")
        self.answer = super().forward(images_bv3hw, K_bv33, T_world_cam_bv44, is_mirrored)
        return self.answer


@pytest.fixture
def listener() -> Listener:
    """Return the small network with its weights."""
    made = Listener(SMALL)
    made.load_state_dict(network().state_dict())
    return made


def test_depth_is_what_the_network_says(listener):
    reference, *sources = photos()
    estimator: DepthEstimator = LearnedDepth(listener)
    found = estimator.estimate(reference, sources[::-1])
    with torch.no_grad():
        wanted = network()(*views().tensors()).log_depths[0][0, 0].exp()
    assert found.depth_m.shape == (48, 64)
    assert np.abs(found.depth_m / wanted.numpy() - 1).max() < 2e-3
    assert found.intrinsics == reference.intrinsics.scaled_to(64, 48)
    assert estimator.source_count == 3
    assert listener.precise


def test_sources_come_nearest_first_in_the_frame_of_the_reference(listener):
    reference, *sources = photos()
    LearnedDepth(listener).estimate(reference, [sources[2], sources[0], sources[1]])
    images, K, T = views().tensors()
    assert torch.equal(listener.asked[0], images)
    assert torch.allclose(listener.asked[1], K)
    assert torch.allclose(listener.asked[2], T, atol=1e-5)


def test_the_nearest_source_is_repeated(listener):
    reference, *sources = photos()
    LearnedDepth(listener).estimate(reference, [sources[1], sources[0]])
    _, _, T = views().tensors()
    assert torch.allclose(listener.asked[2][0], T[0, [0, 1, 1, 2]], atol=1e-5)


def test_the_first_sources_are_kept(listener):
    reference, *sources = photos()
    LearnedDepth(listener).estimate(reference, [sources[2], sources[1], sources[1], sources[0]])
    _, _, T = views().tensors()
    assert torch.allclose(listener.asked[2][0], T[0, [0, 2, 2, 3]], atol=1e-5)


def test_pictures_of_any_size_are_resized_with_their_cameras(listener):
    reference, *sources = photos(200, 120)
    found = LearnedDepth(listener).estimate(reference, sources)
    images, K, _ = listener.asked
    assert images.shape == (1, 4, 3, 96, 128)
    camera = reference.intrinsics
    wanted = [camera.fx * 128 / 200, camera.fy * 96 / 120, camera.cx * 0.64, camera.cy * 0.8]
    assert torch.allclose(K[0, 0, [0, 1, 0, 1], [0, 1, 2, 2]], torch.tensor(wanted).float())
    assert (found.intrinsics.width, found.intrinsics.height) == (64, 48)


def test_resizing_averages_and_keeps_the_centre():
    ramp = np.repeat(np.arange(0, 240, 10, dtype=np.uint8)[None, :, None], 12, axis=0)
    small = resized(np.repeat(ramp, 3, axis=2), 12, 6)
    assert small.shape == (6, 12, 3)
    assert np.abs(small[:, 1:-1, 0] - (np.arange(1, 11) * 20 + 5)).max() <= 1
    assert np.isclose(small.mean(), ramp.mean(), atol=1)


def test_confidence_needs_a_source_and_agreement(listener):
    reference, *sources = photos()
    found = LearnedDepth(listener).estimate(reference, sources)
    volume = listener.answer.volume
    seen = volume.mask_bhw[0].numpy().repeat(2, 0).repeat(2, 1)
    best = volume.best_depth_bhw[0].numpy().repeat(2, 0).repeat(2, 1)
    assert 0 < seen.mean() < 1
    assert (found.confidence[~seen] == 0).all()
    planes_off = np.abs(np.log(found.depth_m / best)) / (np.log(20) / 15)
    assert np.allclose(found.confidence[seen], np.exp(-planes_off[seen] / 4), atol=1e-4)
    assert found.confidence.max() <= 1


def test_what_overflows_is_unknown(listener):
    with torch.no_grad():
        listener.depth_decoder.convs["output_0"][1].bias.fill_(200.0)
    reference, *sources = photos()
    found = LearnedDepth(listener).estimate(reference, sources)
    assert (found.depth_m == 0).all()
    assert (found.confidence == 0).all()


def test_half_precision_is_near_single(listener):
    reference, *sources = photos()
    single = LearnedDepth(listener).estimate(reference, sources)
    half = LearnedDepth(listener, torch.bfloat16).estimate(reference, sources)
    assert not listener.precise
    assert not np.array_equal(single.depth_m, half.depth_m)
    assert np.median(np.abs(half.depth_m / single.depth_m - 1)) < 0.03


def test_a_photograph_alone_is_refused(listener):
    with pytest.raises(BadInput, match="at least one other photograph"):
        LearnedDepth(listener).estimate(photos()[0], [])


def test_training_networks_are_put_into_evaluation():
    model = network().train()
    LearnedDepth(model)
    assert not model.training


def test_another_size_of_network_gives_another_size_of_depth():
    model = network(replace(SMALL, image_width=64, image_height=64))
    reference, *sources = photos()
    found = LearnedDepth(model).estimate(reference, sources)
    assert found.depth_m.shape == (32, 32)
    assert found.intrinsics.width == 32
