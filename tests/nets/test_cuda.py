"""On CUDA every network gives what it gives on a CPU; needs torch alone."""

import pytest
import torch

from engine.nets.gtr.grid import density_grid
from tests.nets.finerecon import worlds
from tests.nets.gtr.small import tiny
from tests.nets.simplerecon import small

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]

# bfloat16 has 8 bits of mantissa; after a few dozen layers so much of the largest value is off.
BF16_SHARE = 0.08


@pytest.fixture(autouse=True)
def _exact_products(monkeypatch):
    monkeypatch.setattr(torch.backends.cuda.matmul, "allow_tf32", False)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)


def finerecon(device):
    network = worlds.network().to(device)
    channels = worlds.SMALL.image_feature_dim
    pictures = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(1)).to(device)
    mean = torch.rand(channels, 16, 12, 8, generator=torch.Generator().manual_seed(2)).to(device)
    features = network.coarse_features(pictures)
    volume = network.unet(network.volume_input(mean, mean[0]))
    flat = volume.flatten(1)
    return [
        features,
        volume,
        network.occupancy(flat),
        network.surface(mean.flatten(1), flat, mean[0].flatten()),
    ]


def simplerecon(device):
    network = small.network().to(device)
    pictures = torch.randn(1, 4, 3, 96, 128, generator=torch.Generator().manual_seed(1))
    K = torch.tensor([[110.0, 0, 64], [0, 110, 48], [0, 0, 1]]).expand(1, 4, 3, 3)
    poses = torch.eye(4).repeat(1, 4, 1, 1)
    poses[0, :, 0, 3] = torch.tensor([0.0, 0.1, -0.12, 0.15])
    found = network(pictures.to(device), K.to(device), poses.to(device))
    return [found.volume.cost_bdhw, *found.log_depths]


def gtr(device):
    network = tiny().to(device)
    views = torch.rand(2, 10, 128, 128, generator=torch.Generator().manual_seed(1)).to(device)
    triplane = network.generator(views)
    return [triplane, density_grid(network.field, triplane, 24)]


@pytest.mark.parametrize("outputs", [finerecon, simplerecon, gtr])
@pytest.mark.parametrize(("precision", "share"), [(None, 2e-4), (torch.bfloat16, BF16_SHARE)])
def test_cuda_agrees_with_the_cpu(outputs, precision, share):
    results = []
    for device in ("cpu", "cuda"):
        torch.manual_seed(0)
        with torch.inference_mode(), torch.autocast(device, precision, enabled=bool(precision)):
            results.append(outputs(device))
    for ours, theirs in zip(*results, strict=True):
        scale = ours.float().abs().max().item()
        off = (ours.float() - theirs.float().cpu()).abs().max().item()
        assert off <= share * max(scale, 1e-3)


@pytest.mark.parametrize("outputs", [finerecon, simplerecon, gtr])
def test_half_precision_on_cuda_stays_finite(outputs):
    torch.manual_seed(0)
    with torch.inference_mode(), torch.autocast("cuda", torch.float16):
        for value in outputs("cuda"):
            assert torch.isfinite(value).all()
