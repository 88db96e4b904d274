"""GTR's feed-forward half against stored outputs: tokens, triplane, field, grid, rays."""

import re
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from engine.core.arrays import I64
from engine.core.camera import Intrinsics
from engine.core.faults import BadInput
from engine.core.poses import Pose
from engine.evaluation.parity.check import Check, close
from engine.evaluation.parity.fixture import REMEDY, Entries
from engine.evaluation.parity.gtr_case import Case
from engine.evaluation.parity.gtr_mesh import checks as mesh_checks
from engine.evaluation.parity.gtr_views import load_checks, rig_checks, turntable_checks
from engine.nets.gtr.field import TriplaneField
from engine.nets.gtr.generator import Generator
from engine.nets.gtr.grid import density_grid
from engine.nets.gtr.model import Gtr
from engine.nets.gtr.volume_render import MISS, ray_box, render_rays
from engine.objects.cameras import ObjectCamera

# What the fixture's README recommends: absolute, on tokens, triplane and colours; on densities
# of a reduced network; and on densities of the released one.
TOL = 1e-4
DENSITY_TOL = 1e-3
FULL_DENSITY_TOL = 3e-3
# Rays are a few roundings away from exact.
RAY_TOL = 1e-5
LEVEL = 10.0

# What is stored of a full-size triplane.
TRIPLANE_PARTS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "triplane@stride": lambda t: t[:, :, 3::29, 5::31],
    "triplane.corner8": lambda t: t[:, :4, :8, :8],
    "triplane.mean_per_plane_channel": lambda t: t.mean((-2, -1)),
    "triplane.std_per_plane_channel": lambda t: t.std((-2, -1), correction=0),
}
BLOCK_OUTPUT = re.compile(r"block(\d+)\.(out|attn_out)")
GRID_OUTPUT = re.compile(r"grid(\d+)\.sdf")


def whole_checks(case: Case, network: Gtr) -> Iterator[Check]:
    """Yield the checks of a network of which everything is stored.

    Raises:
        BadInput: inputs are missing or of the wrong shape.
    """
    views = case.views()
    yield from load_checks(case, views)
    yield from rig_checks(case)
    names = [key.removeprefix("gen.") for key in case.stored.values if key.startswith("gen.")]
    tokens, triplane = forward(network.generator, views.network_input(), names, _whole)
    for name, ours in {**tokens, "triplane": triplane}.items():
        stored = case.stored.values.get(f"gen.{name}")
        if stored is not None:
            yield close(f"gen.{name}", ours, stored, TOL)
    yield from query_checks(network.field, triplane, case.inputs, case.stored, DENSITY_TOL)
    if "grid.density" in case.stored.values:
        stored = case.stored.array("grid.density", None, None, None)
        density = _density(network.field, triplane, case.count("grid_res", stored.shape[0]))
        yield close("grid.density", density, stored, DENSITY_TOL)
    if any(key.startswith("nerf.") for key in case.stored.values):
        yield from ray_checks(case, network.field, triplane)
    yield from turntable_checks(case)
    # A copy, since what inference mode made takes no part in gradients.
    yield from mesh_checks(
        case.config.values,
        case.inputs.values,
        case.stored.values,
        network,
        triplane.clone(),
        views,
    )


def slice_checks(case: Case, network: Gtr) -> Iterator[Check]:
    """Yield the checks of a network of which some tokens, channels and texels are stored.

    Raises:
        BadInput: inputs are missing or of the wrong shape.
    """
    stored = case.stored
    keep = _slices(
        stored.array("token_index", None),
        stored.array("channel_index", None),
        3 * network.config.generator.plane_resolution**2,
    )
    images = case.views().network_input()
    tokens, triplane = forward(network.generator, images, list(stored.values), keep)
    for name, ours in tokens.items():
        yield close(name, ours, stored[name], TOL)
    for name, part in TRIPLANE_PARTS.items():
        if name in stored.values:
            yield close(name, part(triplane), stored[name], TOL)
    yield from query_checks(network.field, triplane, stored, stored, FULL_DENSITY_TOL)
    level = case.number("mc_level", LEVEL)
    for name, found in ((name, GRID_OUTPUT.fullmatch(name)) for name in stored.values):
        if found:
            sdf = level - _density(network.field, triplane, int(found[1]))
            yield close(name, sdf, stored[name], FULL_DENSITY_TOL)


@torch.inference_mode()
def forward(
    generator: Generator,
    images: Tensor,
    names: list[str],
    keep: Callable[[str, Tensor], Tensor],
) -> tuple[dict[str, Tensor], Tensor]:
    """Return what is kept of the named inner outputs, and the triplane.

    Names that belong to no part of the generator are left out.
    """
    found: dict[str, Tensor] = {}

    def note(name: str) -> Callable[[nn.Module, object, Tensor], None]:
        def hook(_module: nn.Module, _given: object, out: Tensor) -> None:
            found[name] = keep(name, out)

        return hook

    parts = {name: _part(generator, name) for name in names}
    hooks = [part.register_forward_hook(note(name)) for name, part in parts.items() if part]
    triplane = generator(images)
    for hook in hooks:
        hook.remove()
    return found, triplane


def query_checks(
    field: TriplaneField, triplane: Tensor, inputs: Entries, stored: Entries, density_tol: float
) -> Iterator[Check]:
    """Yield the checks of the field at single points."""
    points = torch.from_numpy(inputs.array("query_points", None, 3)).float()
    with torch.inference_mode():
        features = field.features(triplane, points)
        raw, density = field.raw_density(features), field.density(features)
        rows = (
            ("features", features, TOL),
            ("raw_sigma", raw, density_tol),
            ("density", density, density_tol),
            ("rgb", field.color(features), TOL),
        )
    for name, ours, tolerance in rows:
        if f"query.{name}" in stored.values:
            yield close(f"query.{name}", ours, stored[f"query.{name}"], tolerance)


def ray_checks(case: Case, field: TriplaneField, triplane: Tensor) -> Iterator[Check]:
    """Yield the checks of the volume renderer in evaluation mode."""
    height, width = case.inputs.array("nerf_hw", 2).tolist()
    fx, fy, cx, cy = case.inputs.array("nerf_intrinsics", 4).tolist()
    lens = Intrinsics(width, height, fx, fy, cx, cy)
    T_world_cam = case.inputs.array("nerf_c2w", 4, 4).astype(np.float64)
    Pose.from_matrix(T_world_cam)
    pose = Pose.from_parts(T_world_cam[:3, :3], T_world_cam[:3, 3])
    origin, directions = ObjectCamera(lens, pose, lens).rays(height, width)
    flat = torch.from_numpy(directions).float().flatten(0, 1)
    origins = torch.from_numpy(origin.copy()).float().expand_as(flat)
    with torch.inference_mode():
        near, far = ray_box(origins, flat, field.aabb)
        seen = render_rays(field, triplane, origins, flat)
    rows = (
        ("rays_o", origin, RAY_TOL),
        ("rays_d", directions, RAY_TOL),
        ("near", _misses_marked(near.view(height, width).numpy()), TOL),
        ("far", _misses_marked(far.view(height, width).numpy()), TOL),
        ("rgb", seen.rgb.view(height, width, 3), TOL),
        ("accumulation", seen.accumulation.view(height, width), TOL),
    )
    for name, ours, tolerance in rows:
        if f"nerf.{name}" not in case.stored.values:
            continue
        stored = case.stored[f"nerf.{name}"]
        known = _misses_marked(stored) if name in ("near", "far") else stored
        yield close(f"nerf.{name}", ours, known, tolerance)


def _misses_marked(distance: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return distances with infinity for a miss, so that a miss must meet a miss."""
    return np.where(distance >= MISS, np.float32(np.inf), distance)


def _part(generator: Generator, name: str) -> nn.Module | None:
    """Return the module whose output bears the name."""
    block = BLOCK_OUTPUT.fullmatch(name)
    if block and int(block[1]) < len(generator.attn_layers):
        layer = generator.attn_layers[int(block[1])]
        return layer if block[2] == "out" else layer.get_submodule("self_attn")
    return {
        "conv_out": generator.conv_proj,
        "view_tokens_normed": generator.norm1,
        "plane_tokens_normed": generator.norm2,
    }.get(name)


def _whole(_name: str, out: Tensor) -> Tensor:
    """Return all of an output; tokens (1, n, c) lose the axis of scenes."""
    return out[0] if out.ndim == 3 else out


def _slices(tokens: I64, channels: I64, planes: int) -> Callable[[str, Tensor], Tensor]:
    """Return what keeps the stored tokens and channels of (1, n, c); `planes` tokens come first."""
    rows = {"view_tokens_normed": tokens[tokens >= planes] - planes}
    rows["plane_tokens_normed"] = tokens[tokens < planes]

    def keep(name: str, out: Tensor) -> Tensor:
        try:
            return out[0][rows.get(name, tokens)][:, channels]
        except (IndexError, TypeError):
            raise BadInput(f"The stored indices do not fit {name}.", REMEDY) from None

    return keep


@torch.inference_mode()
def _density(field: TriplaneField, triplane: Tensor, resolution: int) -> Tensor:
    return density_grid(field, triplane, resolution)
