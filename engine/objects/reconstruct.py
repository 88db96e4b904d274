"""From photographs with cameras to a coloured mesh of the object they show."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from engine.core.arrays import F32, U8
from engine.core.faults import BadInput
from engine.core.news import Job, Progress
from engine.core.surface import Mesh
from engine.kernels.diff_marching import Surface, extract
from engine.kernels.raster_embree import EmbreeRasteriser
from engine.kernels.rasterise import Rasteriser, interpolate
from engine.nets.gtr.grid import density_grid
from engine.nets.gtr.model import Gtr
from engine.objects.mesh_render import look
from engine.objects.refine_look import Look, RefineSettings, Sight, colors_at, refine_look
from engine.objects.views import Views


@dataclass(frozen=True, slots=True)
class ReconstructSettings:
    """The published sizes.

    Attributes:
        grid_points: along one side of the box.
        density_level: density on the surface; below it is free space.
        raster_px: side of the pictures in which surface points are found for refinement.
        refine: how the look is refined; None leaves it as the network gives it.
    """

    grid_points: int = 256
    density_level: float = 10.0
    raster_px: int = 1024
    refine: RefineSettings | None = field(default_factory=RefineSettings)


@dataclass(frozen=True, slots=True)
class Reconstruction:
    """A reconstructed object.

    Attributes:
        mesh: coloured, +Z up, in the unit and about the origin of the cameras.
        triplane: (3, c, h, w) as the network gave it; shape hangs on this one.
        look: the refined appearance, or None.
    """

    mesh: Mesh
    triplane: Tensor
    look: Look | None


def reconstruct(
    network: Gtr,
    views: Views,
    settings: ReconstructSettings | None = None,
    rasteriser: Rasteriser | None = None,
) -> Job[Reconstruction]:
    """Return the object in the views, on the device and with the weights of the network.

    Triplane and mesh are computed once. Between two yields lies at most one pass of the network,
    the grid, or one step of refinement.

    Raises:
        BadInput: the network finds no surface.
    """
    settings = settings or ReconstructSettings()
    yield Progress("reading the views", 0, 1)
    triplane = _triplane(network, views)
    yield Progress("finding the surface", 0, 1)
    surface = find_surface(network, triplane, settings)
    if not len(surface.faces):
        raise BadInput(
            "The network sees no object in these pictures.",
            "Show the whole object, cut out, in the middle of every picture.",
        )
    refined = None
    if settings.refine is not None:
        sights = []
        for sight in _sights(surface, views, settings.raster_px, rasteriser or EmbreeRasteriser()):
            sights.append(sight)
            yield Progress("looking at the surface", len(sights), len(views.cameras))
        refined = yield from refine_look(network.field, triplane, sights, settings.refine)
    yield Progress("colouring", 0, 1)
    if refined is None:
        color = colors_at(network.field, triplane, surface.vertices)
    else:
        color = refined.color(surface.vertices)
    return Reconstruction(_mesh(surface, color_bytes(color)), triplane, refined)


@torch.no_grad()
def find_surface(network: Gtr, triplane: Tensor, settings: ReconstructSettings) -> Surface:
    """Return the surface of a triplane in the box, [-1, 1]^3 with +Y up."""
    density = density_grid(network.field, triplane, settings.grid_points)
    # Negative inside.
    surface = extract(settings.density_level - density)
    return Surface(to_box(surface.vertices, settings.grid_points), surface.faces)


def to_box(vertices: Tensor, grid_points: int) -> Tensor:
    """Return vertices given in grid steps, in [-1, 1]; the grid has a point on both ends."""
    return 2 * (vertices / (grid_points - 1)) - 1


def color_bytes(rgb: Tensor) -> U8:
    """Return colours as bytes, cut off and not rounded, as the published exporter does."""
    values: U8 = (rgb.clamp(0, 1) * 255).cpu().numpy().astype(np.uint8)
    return values


def upright(points_obj: F32) -> F32:
    """Return points (n, 3) of the object's frame (+Y up) in one with +Z up."""
    return np.stack([points_obj[:, 0], -points_obj[:, 2], points_obj[:, 1]], axis=-1)


@torch.no_grad()
def _triplane(network: Gtr, views: Views) -> Tensor:
    device = network.field.aabb.device
    triplane: Tensor = network(views.network_input().to(device))
    return triplane.float()


def _sights(
    surface: Surface, views: Views, raster_px: int, rasteriser: Rasteriser
) -> Iterator[Sight]:
    """Return what every camera sees of the surface, with the picture it took."""
    vertices, faces = surface
    for camera, photo in zip(views.cameras, views.color, strict=True):
        view, projection = (torch.from_numpy(m)[None] for m in (camera.view(), camera.projection()))
        seen, _ = look(vertices, faces, view, projection, raster_px, raster_px, rasteriser)
        mask = seen.mask()[0, :, :, 0] > 0
        points = interpolate(vertices, seen, faces)
        yield Sight(mask, points, torch.from_numpy(photo).to(vertices))


def _mesh(surface: Surface, colors: U8) -> Mesh:
    vertices = upright(surface.vertices.float().cpu().numpy())
    return Mesh(vertices, surface.faces.int().cpu().numpy(), colors)
