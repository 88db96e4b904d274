"""How alike two pictures are: PSNR and SSIM over the pixels that count."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from skimage.metrics import structural_similarity

from engine.core.arrays import U8, Bool
from engine.core.faults import BadInput
from engine.core.frames import Photo
from engine.core.surface import Mesh, TexturedMesh
from engine.kernels.raster import MeshScene
from engine.kernels.shade import render_colored, render_textured

# Equal pictures have no finite PSNR; half a grey level everywhere would be 54 dB.
BEST_DB = 99.0
# The window of Wang et al. (2004): a Gaussian of 1.5 pixels.
_SSIM_REACH_PX = 7


@dataclass(frozen=True, slots=True)
class ImageScore:
    """Renders against photographs, averaged over pictures.

    Attributes:
        coverage: mean share of pixels the mesh covers.
        pictures: pictures that had any pixel to compare.
    """

    psnr_db: float
    ssim: float
    coverage: float
    pictures: int
    protocol: str

    def as_json(self) -> dict[str, float | str]:
        """Return `psnr_heldout_db`, `ssim_heldout`, `coverage_heldout` and `protocol`."""
        return {
            "psnr_heldout_db": self.psnr_db,
            "ssim_heldout": self.ssim,
            "coverage_heldout": self.coverage,
            "protocol": self.protocol,
        }


def psnr_db(picture: U8, truth: U8, mask: Bool) -> float:
    """Return the peak signal-to-noise ratio in dB of (h, w, 3) pictures over a mask (h, w).

    Raises:
        BadInput: sizes differ or the mask is empty.
    """
    _check_sizes(picture, truth, mask)
    error = picture[mask].astype(np.float64) - truth[mask].astype(np.float64)
    mean_square = float((error**2).mean())
    return BEST_DB if mean_square == 0 else float(10 * np.log10(255**2 / mean_square))


def ssim(picture: U8, truth: U8, mask: Bool) -> float:
    """Return the structural similarity (Wang et al. 2004) of pictures, averaged over a mask (h, w).

    Outside the mask the truth is put in both, so that windows across its rim see no false edge.

    Raises:
        BadInput: sizes differ, the mask is empty, or pictures smaller than the window.
    """
    _check_sizes(picture, truth, mask)
    if min(mask.shape) < 2 * _SSIM_REACH_PX:
        raise BadInput("Pictures under 14 pixels have no structural similarity.")
    filled = np.where(mask[..., None], picture, truth)
    _, similarity = structural_similarity(
        filled,
        truth,
        channel_axis=2,
        data_range=255,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=True,
    )
    return float(similarity[mask].mean())


def compare_renders(
    surface: Mesh | TexturedMesh, photos: Sequence[Photo], scene: MeshScene | None = None
) -> ImageScore:
    """Return how the mesh looks from the photographs' poses against the photographs.

    Only covered pixels count; how many that are is stated. The surface is drawn without light.

    Raises:
        BadInput: the mesh is in none of the photographs.
    """
    mesh = surface if isinstance(surface, Mesh) else surface.mesh
    scene = scene or MeshScene(mesh)
    scores, similarities, coverages = [], [], []
    for photo in photos:
        if isinstance(surface, Mesh):
            picture, covered = render_colored(surface, scene, photo.intrinsics, photo.T_world_cam)
        else:
            picture, covered = render_textured(surface, scene, photo.intrinsics, photo.T_world_cam)
        coverages.append(float(covered.mean()))
        if covered.any():
            scores.append(psnr_db(picture, photo.color, covered))
            similarities.append(ssim(picture, photo.color, covered))
    if not scores:
        raise BadInput("The mesh is in none of the pictures.", "Check poses and units.")
    return ImageScore(
        psnr_db=float(np.mean(scores)),
        ssim=float(np.mean(similarities)),
        coverage=float(np.mean(coverages)),
        pictures=len(scores),
        protocol=(
            f"{len(photos)} renders without light against photographs at the same poses, PSNR of "
            "RGB over covered pixels, mean over pictures; SSIM with a Gaussian window of 1.5 px"
        ),
    )


def _check_sizes(picture: U8, truth: U8, mask: Bool) -> None:
    if picture.shape != truth.shape or mask.shape != truth.shape[:2]:
        raise BadInput(f"Pictures of {picture.shape} and {truth.shape} cannot be compared.")
    if not mask.any():
        raise BadInput("No pixel is left to compare.")
