"""The sparse lattice against the dense volume of a finished recording, through the network."""

import numpy as np
import pytest
import torch

from app.bundled import bundled
from app.chosen_weights import finerecon
from engine.core.settings import RefineSettings
from engine.recon.coarse import CoarseVolume, occupancy_logits
from engine.recon.compute import ON_CPU
from engine.recon.fine import Keyframes, points_of, surface_logits
from engine.recon.gather import Sums
from engine.recon.lattice import Lattice
from engine.recon.views import color_view, depth_view
from engine.sources.synthetic import SyntheticSource
from engine.volume.features import FeatureLattice, FeatureView

SHIFT_M = 0.01
DIMS = (32, 32, 32)
VIEWS = 5
SPEC = "synthetic:room?seed=3&frames=150&size=160x120&area=10"


@pytest.fixture(scope="module")
def network():
    return finerecon(bundled("finerecon"))


@pytest.fixture(scope="module")
def views():
    found = []
    source = SyntheticSource(SPEC)
    for frame in map(source.frame, range(0, 3 * VIEWS, 3)):
        depth = depth_view(frame.depth_m, frame.depth_intrinsics, frame.T_world_depth)
        found.append(color_view(frame.color, frame.intrinsics, frame.T_world_cam, depth))
    return found


@pytest.fixture(scope="module")
def features(network, views):
    with torch.no_grad():
        return [network.coarse_features(v.image_3hw[None].float() / 255)[0] for v in views]


@pytest.fixture(scope="module")
def low_vox(views):
    """Return where a box begins that the first view looks into, the wall included."""
    T = np.linalg.inv(views[0].T_cam_world.numpy().astype(np.float64))
    middle = T[:3, :3] @ [0, 0, np.median(views[0].depth.depth_hw)] + T[:3, 3]
    return (np.floor(middle / 0.32).astype(np.int32) - 2) * 8


def told(number, view, features):
    depth = view.depth
    return FeatureView(
        number, features.numpy(), view.K.numpy(), view.image_hw, view.T_cam_world.numpy(),
        depth.depth_hw.numpy(), depth.K.numpy(), depth.T_cam_world.numpy(),
    )  # fmt: skip


class Both:
    """The dense volume, and one like it that has its sums from the sparse lattice."""

    def __init__(self, network, views, low_vox, given, exact):
        x, y, z = (low_vox * 0.04 + SHIFT_M).tolist()
        self.network, self.views = network, views
        self.lattice = Lattice((x, y, z), DIMS, 0.04)
        box = (tuple(low_vox // 8), tuple(low_vox // 8 + 3))
        sparse = FeatureLattice(
            network.config.image_feature_dim, network.config.guidance_margin_m, SHIFT_M,
            RefineSettings(features_mb=64), box=box,
        )  # fmt: skip
        self.dense, self.live = (CoarseVolume(network, self.lattice, ON_CPU) for _ in range(2))
        images = iter(exact)
        network.coarse_features = lambda _: next(images)[None]
        for number, view in enumerate(views):
            self.dense.add(view)
            sparse.add(told(number, view, given[number]))
        del network.coarse_features
        found = sparse.region(low_vox, DIMS)
        parts = (found.views_xyz, found.guidance_xyz, found.depths_xyz)
        self.live.sums = Sums(
            torch.from_numpy(found.features_cxyz).flatten(1),
            *(torch.from_numpy(part).flatten() for part in parts),
        )

    def off(self):
        """Return the largest difference of voxel features, of occupancy logits and of the TSDF.

        The last one at samples of voxels which the dense volume refines.
        """
        keyframes = Keyframes(self.network, ON_CPU, "consistent")
        for view in self.views:
            keyframes.add(view)
        dense, live = self.dense.features(), self.live.features()
        logits = [occupancy_logits(self.network, found, ON_CPU) for found in (dense, live)]
        voxels = (logits[0] > 0).nonzero()
        assert len(voxels) > 500
        points = points_of(self.lattice, voxels[:: len(voxels) // 500], 2)
        with torch.no_grad():
            readings = [keyframes.read(points, found, self.lattice) for found in (dense, live)]
            tsdf = [surface_logits(self.network, read, ON_CPU).tanh() for read in readings]
        pairs = ((dense, live), logits, tsdf)
        return [(one - other).abs().max().item() for one, other in pairs]


def test_given_the_same_features_the_network_says_the_same(network, views, features, low_vox):
    half = [f.half() for f in features]
    pair = Both(network, views, low_vox, half, [f.float() for f in half])
    dense, live = pair.dense.sums, pair.live.sums
    assert torch.equal(dense.views_n, live.views_n)
    assert torch.equal(dense.depths_n, live.depths_n)
    assert dense.depths_n.max() >= 4
    off_features = (dense.mean() - live.mean()).abs()
    assert off_features.max() < 4e-5
    assert off_features.mean() < 1.1e-5
    off_guidance = (dense.guidance_n - live.guidance_n) / dense.depths_n.clamp(min=1)
    assert off_guidance.abs().max() < 2e-6
    features, logits, tsdf = pair.off()
    assert features < 1e-4
    assert logits < 1e-4
    assert tsdf < 1e-5


def test_half_precision_is_near_enough(network, views, features, low_vox):
    pair = Both(network, views, low_vox, [f.half() for f in features], features)
    assert torch.equal(pair.dense.sums.views_n, pair.live.sums.views_n)
    assert pair.off()[2] < 1e-4
