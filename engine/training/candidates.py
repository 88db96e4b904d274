"""What small depth networks cost: `python -m engine.training.candidates` measures it again.

Two kinds: SimpleRecon with small widths, which learns to match, and the network that corrects a
plane sweep, whose sweep costs the same whatever the network (`evaluate-depth RECORDING`).

What they are worth, only training tells; `docs/training-queue.md` says which were trained.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import replace

import torch

from engine.nets.layout import channels_last
from engine.nets.simplerecon.config import METADATA, SimpleReconConfig
from engine.nets.simplerecon.model import SimpleRecon
from engine.nets.sweepdepth.config import SweepDepthConfig
from engine.nets.sweepdepth.model import SweepDepth, Swept
from engine.training.sizes import SMALL_DEPTH

REPEATS = 4
SWEPT_HW = (192, 256)
HEAVY = replace(
    SMALL_DEPTH,
    planes=32,
    matching_dims=8,
    matching_stem=24,
    mlp_hidden=(24, 24),
    metadata=METADATA,
    encoder_widths=(16, 24, 32, 48, 64, 96),
    decoder_widths=(16, 24, 48, 64),
)
CANDIDATES = {
    "all metadata, 32 planes": HEAVY,
    "all metadata, 64 planes": replace(HEAVY, planes=64),
    "light metadata": replace(HEAVY, metadata=SMALL_DEPTH.metadata, mlp_hidden=(12, 12)),
    "taken": SMALL_DEPTH,
    "taken, 8 channels": replace(SMALL_DEPTH, matching_dims=8),
    "taken, 48 planes": replace(SMALL_DEPTH, planes=48),
    "taken, wider decoder": replace(SMALL_DEPTH, decoder_widths=(16, 24, 48, 64)),
    "taken, 2 sources": replace(SMALL_DEPTH, sources=2),
}
CORRECTING = {
    "taken": SweepDepthConfig(),
    "half as wide": replace(
        SweepDepthConfig(), volume_width=24, widths=(16, 32, 48, 64, 80), blocks=(1, 1, 1, 1, 1)
    ),
}
PARTS = ("image", "one view", "all views", "volume", "join", "decode", "whole")


def costs_ms(config: SimpleReconConfig) -> tuple[int, list[float]]:
    """Return parameters, and processor milliseconds of every part on one thread.

    `whole` is everything for one picture; a walk keeps the features of views it has seen, and pays
    for one view instead of all.
    """
    network = channels_last(SimpleRecon(config).eval())
    views = config.sources + 1
    images = torch.rand(1, views, 3, config.image_height, config.image_width)
    focal, across, down = 0.9 * config.image_width, config.image_width / 2, config.image_height / 2
    K = torch.tensor([[focal, 0, across], [0, focal, down], [0, 0, 1]]).expand(1, views, 3, 3)
    poses = torch.eye(4).repeat(1, views, 1, 1)
    poses[0, :, 0, 3] = 0.05 * torch.arange(views)
    with torch.inference_mode():
        pictures = images[0].contiguous(memory_format=torch.channels_last)
        levels = network.encoder(pictures[:1])
        features = network.match(images)
        cameras = network.cameras(K, poses)
        cost = network.sweep(features, cameras).cost_bdhw
        joined = network.cost_volume_net(cost, levels[1:])
        parts: list[Callable[[], object]] = [
            lambda: network.encoder(pictures[:1]),
            lambda: network.matching_model(pictures[:1]),
            lambda: network.matching_model(pictures),
            lambda: network.sweep(features, cameras),
            lambda: network.cost_volume_net(cost, levels[1:]),
            lambda: network.depth_decoder((levels[0], *joined)),
            lambda: network(images, K, poses),
        ]
        found = [_least_ms(part) for part in parts]
    return sum(p.numel() for p in network.parameters()), found


def correcting_ms(config: SweepDepthConfig) -> tuple[int, float]:
    """Return parameters, and processor milliseconds of the network alone on one thread."""
    network = channels_last(SweepDepth(config).eval())
    height, width = SWEPT_HW
    plane, least, margin = torch.rand(3, 1, height, width)
    volume = torch.rand(1, 2, config.planes, height // 4, width // 4)
    swept = Swept(torch.rand(1, 3, height, width), plane, least, margin, volume)
    with torch.inference_mode():
        ms = _least_ms(lambda: network(swept))
    return sum(p.numel() for p in network.parameters()), ms


def _least_ms(part: Callable[[], object]) -> float:
    times = []
    for _ in range(REPEATS):
        started = time.process_time()
        part()
        times.append(time.process_time() - started)
    return min(times) * 1e3


def main() -> None:
    """Write the table."""
    torch.set_num_threads(1)
    sys.stdout.write("| candidate | parameters | " + " | ".join(PARTS) + " |\n")
    sys.stdout.write("|---" * (len(PARTS) + 2) + "|\n")
    for name, config in CANDIDATES.items():
        parameters, ms = costs_ms(config)
        cells = " | ".join(f"{value:.0f}" for value in ms)
        sys.stdout.write(f"| {name} | {parameters / 1e6:.2f} M | {cells} |\n")
        sys.stdout.flush()
    sys.stdout.write("\n| correcting a sweep | parameters | network |\n|---|---|---|\n")
    for name, correcting in CORRECTING.items():
        parameters, once = correcting_ms(correcting)
        sys.stdout.write(f"| {name} | {parameters / 1e6:.2f} M | {once:.0f} |\n")


if __name__ == "__main__":
    main()
