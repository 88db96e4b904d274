"""The scores of a mesh of a synthetic world: against its exact surface and unseen pictures."""

from dataclasses import dataclass

import numpy as np

from engine.core.frames import Photo
from engine.core.surface import Mesh, TexturedMesh
from engine.evaluation.geometry import SurfaceScore, compare
from engine.evaluation.images import ImageScore, compare_renders
from engine.evaluation.reference import WorldReference
from engine.evaluation.views import View
from engine.sources.synthetic import SyntheticSource

MAX_VIEWS = 60


@dataclass(frozen=True, slots=True)
class SyntheticScore:
    """Both scores of one mesh."""

    surface: SurfaceScore
    images: ImageScore

    def as_json(self) -> dict[str, float | str]:
        """Return the surface's keys, and `psnr_heldout_db`, `ssim_heldout`, `coverage_heldout`."""
        row = self.surface.as_json() | self.images.as_json()
        row["protocol"] = f"{self.surface.protocol}. {self.images.protocol}"
        return row


def world_reference(source: SyntheticSource, max_m: float = 5.0) -> WorldReference:
    """Return the exact world, limited to what the true camera poses see within `max_m`."""
    count = source.spec.frames
    indices = np.unique(np.linspace(0, count - 1, min(count, MAX_VIEWS)).round().astype(int))
    views = []
    for index in indices:
        depth = source.truth_frame(int(index)).depth_m
        near = np.where(depth <= max_m, depth, 0).astype(np.float32)
        views.append(View(source.camera, source.true_pose(int(index)), near))
    return WorldReference(source.world, views)


def synthetic_scores(
    surface: Mesh | TexturedMesh,
    source: SyntheticSource,
    heldout: int = 12,
    max_m: float = 5.0,
) -> SyntheticScore:
    """Return a mesh's scores against the world it was scanned from.

    Geometry is judged where the true cameras saw the world within `max_m`; pictures at poses near
    the path that no frame has, against perfect ones: without blur, noise or drift of exposure.

    Raises:
        BadInput: an empty mesh, or one outside the world.
    """
    mesh = surface if isinstance(surface, Mesh) else surface.mesh
    score = compare(mesh, world_reference(source, max_m))
    photos = [
        Photo(source.truth_at(pose).color, source.camera, pose)
        for pose in source.heldout_poses(heldout)
    ]
    return SyntheticScore(score, compare_renders(surface, photos))
