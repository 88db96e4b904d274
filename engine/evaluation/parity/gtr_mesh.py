"""GTR's mesh half against stored outputs: surface, pictures, losses, refinement.

Tolerances are three times the largest difference that the fixture's README states between float32
and float64, and what it recommends for colours and for the refined triplane.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.core.arrays import U8
from engine.core.faults import BadInput
from engine.evaluation.parity.check import Check, close, equal, relative
from engine.evaluation.parity.fixture import REMEDY, Entries
from engine.evaluation.parity.gtr_refine import number, refine_checks
from engine.kernels.diff_marching import Surface, extract
from engine.kernels.raster_embree import EmbreeRasteriser
from engine.nets.gtr.grid import density_grid
from engine.nets.gtr.losses import Rendered, Stage2Weights, Wanted, ray_opacity, stage2_terms
from engine.nets.gtr.model import Gtr
from engine.nets.gtr.volume_render import ray_box
from engine.objects.mesh_render import look, render_mesh, vertex_normals
from engine.objects.reconstruct import color_bytes, to_box
from engine.objects.refine_look import colors_at
from engine.objects.views import Views

VERTEX_TOL, NORMAL_TOL, COLOR_TOL = 4e-5, 1.1e-3, 4e-4
GRADIENT_TOL, DEPTH_TOL, OPACITY_TOL = 1.1e-3, 3e-5, 5e-5
# A share of the loss: a few roundings.
LOSS_TOL = 1e-6
# Barycentric weights of slivers; the stored ones were rounded to float32 before the division.
WEIGHT_TOL = 3e-4
# Share of a picture's numbers left out of account: where an edge runs through a pixel's centre to
# within rounding, which of the two faces is seen is anybody's choice.
EDGE_SHARE = 5e-4
# Share of bytes that may differ by one count.
BYTE_SHARE = 1e-2
# A grid point this near to the level may lie on either side of it.
TIE = 1e-3
# Seed of the weights of the vertex sum whose gradient is stored.
VERTEX_SUM_SEED = 78
# The stored losses' names are these after a prefix.
STAGE2_TERMS = ("rgb", "mask", "depth", "ray_opacity", "normal", "normal_l2")


def checks(
    config: Mapping[str, Any],
    inputs: Mapping[str, Any],
    stored: Mapping[str, Any],
    network: Gtr,
    triplane: Tensor,
    views: Views,
) -> Iterator[Check]:
    """Yield one check for every stored output whose name starts with one of our stages.

    Args:
        config: the JSON file of the configuration.
        inputs: arrays by name.
        stored: arrays by name; stages that are missing are not checked.
        network: with the weights of the recipe.
        triplane: (3, c, h, w) made by that network.
        views: what the loader made of the inputs.

    Raises:
        BadInput: an entry that a stored stage needs is missing or has another shape.
    """
    sources = Entries("the fixture's inputs", dict(inputs))
    results = Entries("the fixture's outputs", dict(stored))
    settings = Entries("the fixture's configuration", dict(config))
    stages = {name.split(".")[0] for name in stored}
    if stages & {"mesh", "raster"}:
        density = _density(settings, results, network, triplane)
        with torch.no_grad():
            surface = _surface(settings, density)
            color = colors_at(network.field, triplane, surface.vertices).clamp(0, 1)
        yield from _mesh_checks(settings, results, surface, color, density)
        yield from _raster_checks(settings, results, surface, network, triplane, views)
    if "stage2" in stages:
        yield from _opacity_checks(sources, results, network, triplane, views)
    if "loss" in stages:
        yield from _loss_checks(sources, results)
    if "refine" in stages:
        yield from refine_checks(settings, results, network, triplane, views)


def _density(settings: Entries, results: Entries, network: Gtr, triplane: Tensor) -> Tensor:
    """Return our density grid, on the stored side of the level where rounding could tell."""
    with torch.no_grad():
        density = density_grid(network.field, triplane, int(number(settings, "grid_res")))
    if "grid.density" in results.values:
        level = number(settings, "mc_level")
        theirs = torch.from_numpy(results.array("grid.density", *density.shape)).to(density)
        tie = ((density > level) != (theirs > level)) & ((density - theirs).abs() < TIE)
        density = torch.where(tie, theirs, density)
    return density


def _surface(settings: Entries, density: Tensor) -> Surface:
    surface = extract(number(settings, "mc_level") - density)
    return Surface(to_box(surface.vertices, len(density)), surface.faces)


def _mesh_checks(
    settings: Entries, results: Entries, surface: Surface, color: Tensor, density: Tensor
) -> Iterator[Check]:
    vertices, faces = surface
    ours = {
        "verts": (vertices, VERTEX_TOL),
        "vertex_normals": (vertex_normals(vertices, faces), NORMAL_TOL),
        "vertex_rgb": (color, COLOR_TOL),
    }
    for name, (values, tolerance) in ours.items():
        yield from _close(results, f"mesh.{name}", values, tolerance)
    if "mesh.vertex_rgb_u8" in results.values:
        yield _bytes_check("mesh.vertex_rgb_u8", color_bytes(color), results)
    if "mesh.faces" in results.values:
        yield equal("mesh.faces", faces, results["mesh.faces"], excused=0.0)
    name = "mesh.grad_density_of_weighted_vertex_sum"
    if name in results.values:
        yield close(name, vertex_sum_gradient(settings, density), results[name], GRADIENT_TOL)


def vertex_sum_gradient(settings: Entries, density: Tensor) -> Tensor:
    """Return the gradient of a fixed random sum of vertices with respect to the density grid."""
    leaf = density.detach().clone().requires_grad_()
    vertices = _surface(settings, leaf).vertices
    generator = np.random.Generator(np.random.PCG64(VERTEX_SUM_SEED))
    weights = torch.from_numpy(generator.standard_normal(vertices.shape)).to(vertices)
    (gradient,) = torch.autograd.grad((weights * vertices).sum(), leaf)
    return gradient


@torch.no_grad()
def _raster_checks(
    settings: Entries,
    results: Entries,
    surface: Surface,
    network: Gtr,
    triplane: Tensor,
    views: Views,
) -> Iterator[Check]:
    vertices, faces = surface
    side = int(number(settings, "render_res"))
    to_view, to_clip = (
        torch.from_numpy(np.stack(list(matrices)))
        for matrices in (
            (camera.view() for camera in views.cameras),
            (camera.projection() for camera in views.cameras),
        )
    )
    rasteriser = EmbreeRasteriser()

    def color(points: Tensor) -> Tensor:
        return colors_at(network.field, triplane, points)

    pictures = render_mesh(vertices, faces, to_view, to_clip, side, side, rasteriser, color)
    seen, _ = look(vertices, faces, to_view, to_clip, side, side, rasteriser)
    raster = torch.cat([seen.weights[:, :2], seen.depth[:, None], seen.face[:, None] + 1], dim=-1)
    ours = {
        # One wrong face counts as one, far above the tolerance of the other channels.
        "rast": (seen.picture(raster, 0.0), WEIGHT_TOL),
        "hard_mask": (pictures.hard_mask, 0.0),
        "tex_pts": (pictures.points, DEPTH_TOL),
        "depth": (pictures.depth, DEPTH_TOL),
        "normal": (pictures.normal, NORMAL_TOL),
        "rgb": (pictures.color, COLOR_TOL),
    }
    for name, (values, tolerance) in ours.items():
        yield from _close(results, f"raster.{name}", values, tolerance, EDGE_SHARE)


@torch.no_grad()
def _opacity_checks(
    sources: Entries, results: Entries, network: Gtr, triplane: Tensor, views: Views
) -> Iterator[Check]:
    name = "stage2.ray_opacities"
    if name not in results.values:
        return
    height, width, count = (int(n) for n in sources.array("stage2_hw", 3))
    if not 0 < count <= len(views.cameras):
        raise BadInput(f"The fixture has no {count} views for its ray opacities.", REMEDY)
    origins, directions = [], []
    for camera in views.cameras[:count]:
        rays = camera.intrinsics.scaled_to(width, height).directions()
        directions.append((rays @ camera.T_world_cam.rotation.T).reshape(-1, 3))
        origins.append(np.broadcast_to(camera.T_world_cam.translation, directions[-1].shape))
    o, d = (torch.from_numpy(np.concatenate(a)).to(triplane) for a in (origins, directions))
    near, far = ray_box(o, d, network.field.aabb)

    def density(points: Tensor) -> Tensor:
        return network.field.density(network.field.features(triplane, points))

    wanted = _flat(sources.array("stage2_gt_depth", None, count, height, width, 1))
    random = _flat(sources.array("stage2_t_rand", None, len(o), 1))
    yield close(
        name, ray_opacity(density, o, d, near, far, wanted, random), results[name], OPACITY_TOL
    )


def _loss_checks(sources: Entries, results: Entries) -> Iterator[Check]:
    def picture(name: str, channels: int) -> Tensor:
        return torch.from_numpy(sources.array(name, None, None, None, None, channels))

    rendered = Rendered(
        picture("loss_pred.rgb", 3),
        picture("loss_pred.antialias_mask", 1),
        picture("loss_pred.depth", 1),
        picture("loss_pred.normal", 3),
        picture("loss_pred.ray_opacities", 1),
    )
    wanted = Wanted(
        picture("loss_target.imgs", 3),
        picture("loss_target.masks", 1),
        picture("loss_target.depths", 1),
        picture("loss_target.normals", 3),
    )
    ones = Stage2Weights(*[1.0] * 7)
    for kind, weights in (("config", Stage2Weights()), ("allone", ones)):
        terms = stage2_terms(rendered, wanted, weights)
        for term in STAGE2_TERMS:
            name = f"loss.{kind}.loss_{term}"
            if name in results.values:
                ours = terms.get(term, torch.tensor(float("inf")))
                yield relative(name, ours.item(), float(results[name]), LOSS_TOL)


def _bytes_check(name: str, ours: U8, results: Entries) -> Check:
    """Compare colours cut off to bytes, which turns the least difference into one count.

    So few may differ by one; rounding instead of cutting off would make half of them differ.
    """
    theirs = np.asarray(results[name])
    off = np.inf if theirs.shape != ours.shape else np.abs(ours.astype(int) - theirs).max(initial=0)
    return equal(name, ours, theirs, BYTE_SHARE) if off <= 1 else Check(name, np.inf, BYTE_SHARE)


def _close(
    results: Entries, name: str, ours: Tensor | None, tol: float, excused: float = 0
) -> Iterator[Check]:
    if name in results.values and ours is not None:
        yield close(name, ours, results[name], tol, excused)


def _flat(values: NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values)).flatten()
