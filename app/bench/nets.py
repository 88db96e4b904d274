"""How long each network takes and how much memory, at its published size and at a small one."""

import gc
import multiprocessing
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any, Literal

import psutil
import torch
from torch import Tensor, nn

from app.diagnostics import machine, peak_rss_mb, version
from engine.core.news import Progress
from engine.nets.finerecon.config import FineReconConfig
from engine.nets.finerecon.model import FineRecon
from engine.nets.gtr.config import FieldConfig, GeneratorConfig, GtrConfig
from engine.nets.gtr.grid import density_grid
from engine.nets.gtr.model import Gtr
from engine.nets.layout import channels_last
from engine.nets.simplerecon.config import SimpleReconConfig
from engine.nets.simplerecon.model import SimpleRecon
from engine.training.sizes import SMALL_FINERECON

Size = Literal["published", "small"]
SIZES: tuple[Size, ...] = ("published", "small")
# A case is repeated until it has had this many seconds, but not more often than that.
ENOUGH_S, AT_MOST = 5.0, 20
# What the published object network needs; a machine without it skips this case and says so.
GTR_NEEDS_MB = 4000

# Widths a laptop carries. Training may find better ones; what counts here is the cost of a size.
SMALL_SIMPLERECON = SimpleReconConfig(
    image_width=320,
    image_height=256,
    sources=4,
    planes=32,
    matching_dims=8,
    matching_stem=24,
    matching_blocks=1,
    matching_hidden=32,
    mlp_hidden=(24, 24),
    encoder_stem=16,
    encoder_widths=(16, 24, 32, 48, 64, 96),
    encoder_repeats=(1, 2, 2, 2, 2, 2),
    volume_widths=(32, 48, 64, 96),
    decoder_widths=(16, 24, 48, 64),
)
SMALL_GTR = GtrConfig(
    GeneratorConfig(
        plane_resolution=16,
        out_channels=16,
        model_channels=256,
        num_layers=6,
        num_heads=8,
        num_head_channels=32,
        upsample_factor=4,
    ),
    FieldConfig(in_dim=48),
)

Report = Callable[[Progress], object]
Step = Callable[[], object]


def _picture(device: str, hw: tuple[int, int], views: int = 1, channels: int = 3) -> Tensor:
    return torch.rand(views, channels, *hw, device=device)


def _ready(network: nn.Module, device: str) -> Any:
    return channels_last(network.eval().to(device))


def finerecon_picture(size: Size, device: str) -> Step:
    """Return a step: 2D features of one picture, 640x480 or 320x240."""
    config, hw = (
        (FineReconConfig(), (480, 640)) if size == "published" else (SMALL_FINERECON, (240, 320))
    )
    network, picture = _ready(FineRecon(config), device), _picture(device, hw)
    return lambda: network.coarse_features(picture)


def finerecon_volume(size: Size, device: str) -> Step:
    """Return a step: the 3D network over the crop of training, 96x96x56 voxels of 4 cm."""
    config = FineReconConfig() if size == "published" else SMALL_FINERECON
    network = _ready(FineRecon(config), device)
    volume = torch.rand(config.volume_channels, 96, 96, 56, device=device)
    return lambda: network.unet(volume)


def finerecon_points(size: Size, device: str) -> Step:
    """Return a step: the surface at 131,072 points whose features are known."""
    config = FineReconConfig() if size == "published" else SMALL_FINERECON
    network, n = _ready(FineRecon(config), device), 1 << 17
    image = torch.rand(config.image_feature_dim, n, device=device)
    voxel = torch.rand(config.unet_up_widths[-1], n, device=device)
    guidance = torch.rand(n, device=device)
    return lambda: network.surface(image, voxel, guidance)


def simplerecon_depth(size: Size, device: str) -> Step:
    """Return a step: depth of one picture, 512x384 from 7 sources or 320x256 from 4."""
    config = SimpleReconConfig() if size == "published" else SMALL_SIMPLERECON
    network, views = _ready(SimpleRecon(config), device), config.sources + 1
    pictures = _picture(device, (config.image_height, config.image_width), views)[None]
    focal, middle = 0.9 * config.image_width, (config.image_width / 2, config.image_height / 2)
    K = torch.tensor([[focal, 0, middle[0]], [0, focal, middle[1]], [0, 0, 1]], device=device)
    poses = torch.eye(4, device=device).repeat(views, 1, 1)
    poses[:, 0, 3] = 0.05 * torch.arange(views)
    return lambda: network(pictures, K.expand(1, views, 3, 3), poses[None])


def gtr_triplane(size: Size, device: str) -> Step:
    """Return a step: the triplane of four views, 512x512 or 256x256."""
    config, side = (GtrConfig(), 512) if size == "published" else (SMALL_GTR, 256)
    network = _ready(Gtr(config), device)
    views = _picture(device, (side, side), 4, config.generator.in_channels)
    return lambda: network.generator(views)


def gtr_grid(size: Size, device: str) -> Step:
    """Return a step: density on 256^3 or 128^3 points of a triplane."""
    config, resolution = (GtrConfig(), 256) if size == "published" else (SMALL_GTR, 128)
    # Only the field is used; the generator's weights would drown its memory.
    field = _ready(Gtr(config) if size == "small" else _field_only(config), device).field
    side = config.generator.plane_resolution * config.generator.upsample_factor
    triplane = torch.randn(3, config.generator.out_channels, side, side, device=device)
    return lambda: density_grid(field, triplane, resolution)


def _field_only(config: GtrConfig) -> Gtr:
    tiny = GeneratorConfig(
        model_channels=64, num_layers=1, num_heads=1, out_channels=config.generator.out_channels
    )
    return Gtr(GtrConfig(tiny, config.field))


CASES: dict[str, Callable[[Size, str], Step]] = {
    "finerecon_picture": finerecon_picture,
    "finerecon_volume": finerecon_volume,
    "finerecon_points": finerecon_points,
    "simplerecon_depth": simplerecon_depth,
    "gtr_triplane": gtr_triplane,
    "gtr_grid": gtr_grid,
}


def nets(on_progress: Report, sizes: tuple[Size, ...] = SIZES) -> dict[str, Any]:
    """Return median milliseconds, peak memory and parameters' precision of every case.

    Weights are random, which costs the same. Each case runs in a process of its own; its memory
    is the whole process's on a CPU and what was allocated there on a GPU. With a GPU, float32 and
    bfloat16 are measured beside the CPU.
    """
    row: dict[str, Any] = {"suite": "nets", "version": version(), "machine": machine()}
    row["threads"] = torch.get_num_threads()
    row["gpu"] = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    todo = [
        (case, size, device, precision)
        for case in CASES
        for size in sizes
        for device, precision in _modes()
    ]
    for done, (case, size, device, precision) in enumerate(todo):
        on_progress(Progress(f"{case} {size}", done, len(todo)))
        name = f"{case}_{size}" if device == "cpu" else f"{case}_{size}_{device}_{precision}"
        free_mb = psutil.virtual_memory().available / 2**20
        if (case, size) == ("gtr_triplane", "published") and free_mb < GTR_NEEDS_MB:
            row[name] = f"skipped: needs {GTR_NEEDS_MB} MB, {free_mb:.0f} MB are free"
            continue
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            ms, mb = pool.submit(measure, case, size, device, precision).result()
        row[f"{name}_ms"], row[f"{name}_peak_mb"] = ms, mb
    on_progress(Progress("nets", len(todo), len(todo)))
    return row


def _modes() -> list[tuple[str, str]]:
    if not torch.cuda.is_available():
        return [("cpu", "float32")]
    return [("cpu", "float32"), ("cuda", "float32"), ("cuda", "bfloat16")]


def measure(case: str, size: Size, device: str, precision: str) -> tuple[float, float]:
    """Return median milliseconds and peak megabytes of one case, after one call to warm up."""
    torch.manual_seed(0)
    with torch.inference_mode(), _precision(device, precision):
        step = CASES[case](size, device)
        gc.collect()
        if device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        times_ms = list(_times(step, device))
    if device == "cuda":
        return _median(times_ms), torch.cuda.max_memory_allocated() / 2**20
    return _median(times_ms), peak_rss_mb()


def _times(step: Step, device: str) -> Iterator[float]:
    first = _once(step, device)
    # A call that takes this long is its own warm-up.
    if first >= ENOUGH_S * 1e3:
        yield first
        return
    spent_ms = 0.0
    for _ in range(AT_MOST):
        took = _once(step, device)
        yield took
        spent_ms += took
        if spent_ms >= ENOUGH_S * 1e3:
            return


def _once(step: Step, device: str) -> float:
    started = time.perf_counter()
    step()
    if device == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - started) * 1e3


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


@contextmanager
def _precision(device: str, precision: str) -> Iterator[None]:
    if precision == "float32":
        yield
        return
    with torch.autocast(device, getattr(torch, precision)):
        yield
