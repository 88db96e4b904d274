"""Refining on CUDA: the same surface as on the processor, and no wait that is not needed."""

import warnings

import numpy as np
import pytest
import torch

from engine.recon.compute import ON_CPU, Compute
from engine.recon.live import LiveRecon
from engine.recon.refiner import Refiner
from tests.recon.small import HEIGHT, WIDTH, network
from tests.recon.test_live import FRAMES, NEAR, fed, refined

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA"),
]


def started(compute: Compute) -> tuple[LiveRecon, Refiner]:
    net = network().to(compute.device)
    return LiveRecon(net, compute, NEAR, 0.02, WIDTH, HEIGHT), Refiner(net, compute, NEAR, 0.02)


def test_cuda_refines_what_the_processor_does():
    found = {}
    for compute in (ON_CPU, Compute(torch.device("cuda", 0))):
        live, refiner = started(compute)
        fed(live, refiner)
        found[compute.device.type] = {chunk.key: chunk for chunk in refined(live, refiner)}
    assert found["cpu"].keys() == found["cuda"].keys()
    for key, plain in found["cpu"].items():
        other = found["cuda"][key]
        both = np.intersect1d(plain.brick_keys, other.brick_keys)
        assert len(both) >= 0.98 * max(len(plain.brick_keys), len(other.brick_keys))
        a = plain.values[np.searchsorted(plain.brick_keys, both)]
        b = other.values[np.searchsorted(other.brick_keys, both)]
        known = (a != 0) & (b != 0)
        assert np.abs(a[known].astype(int) - b[known]).mean() < 32767 * 1e-3


def test_a_keyframe_waits_for_the_device_once():
    live, _ = started(Compute(torch.device("cuda", 0)))
    # The first one loads kernels.
    live.add_keyframe(FRAMES[0])
    torch.cuda.synchronize()
    before = torch.cuda.get_sync_debug_mode()
    try:
        torch.cuda.set_sync_debug_mode("warn")
        with warnings.catch_warnings(record=True) as waits:
            warnings.simplefilter("always")
            live.add_keyframe(FRAMES[1])
    finally:
        torch.cuda.set_sync_debug_mode(before)
    places = [f"{wait.filename}:{wait.lineno}" for wait in waits]
    # Its picture goes there, its features come back.
    assert len(places) <= 3, places
