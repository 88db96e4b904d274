import numpy as np
import pytest

from engine.core.faults import BadInput
from engine.volume.features import FEATURE_ONE, FeatureVolume
from tests.scenes import CAMERA, orbit

CHANNELS = 5


@pytest.fixture(scope="module")
def pairs():
    dice = np.random.default_rng(0)
    return [(f, dice.normal(size=(CHANNELS, 30, 40)).astype(np.float32)) for f in orbit(12)]


def filled(pairs) -> FeatureVolume:
    volume = FeatureVolume(CHANNELS, 64)
    for frame, features in pairs:
        volume.add(frame, features)
    return volume


def test_random_features_taken_back_in_another_order_leave_nothing(pairs):
    volume = filled(pairs)
    assert volume.pool.resident > 20
    for i in np.random.default_rng(1).permutation(len(pairs)):
        volume.subtract(*pairs[i])
    assert volume.pool.resident == 0
    assert not any(layer.any() for layer in volume.pool.layers.values())


def test_order_does_not_matter(pairs):
    one, other = filled(pairs), filled(pairs[::-1])
    keys = one.pool.keys()
    assert keys.tolist() == other.pool.keys().tolist()
    assert np.array_equal(one.means(keys), other.means(keys))


def test_mean_of_one_picture_is_its_bilinear_sample(pairs):
    frame, _ = pairs[0]
    assert frame.T_world_cam is not None
    # Each channel is linear in the picture, so the bilinear sample at (u, v) is known.
    u, v = np.meshgrid((np.arange(40) + 0.5) * 4, (np.arange(30) + 0.5) * 4)
    ramp = np.stack([u, v, u + v, u - v, 0 * u]).astype(np.float32)
    volume = FeatureVolume(CHANNELS, 64)
    volume.add(frame, ramp)
    keys = volume.pool.keys()
    means, count = volume.means(keys), volume.pool.layers["count"][volume.pool.slots(keys)]
    from engine.volume.features import _centers

    pixels, _ = CAMERA.project(frame.T_world_cam.inverse.apply(_centers(keys).astype(np.float64)))
    inner = (count > 0) & (abs(pixels - [80, 60]) < [76, 56]).all(axis=-1)
    assert inner.sum() > 1000
    expected = np.stack([pixels[..., 0], pixels[..., 1]], axis=-1)[inner]
    assert np.allclose(means[inner][:, :2], expected, atol=0.01)
    assert abs(means[inner][:, 4]).max() <= 1 / FEATURE_ONE


def test_another_number_of_channels_is_refused(pairs):
    with pytest.raises(BadInput, match="channels"):
        FeatureVolume(3, 64).add(*pairs[0])
