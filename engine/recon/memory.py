"""How much memory a reconstruction takes, said before it is taken."""

from collections.abc import Sequence
from dataclasses import dataclass

from engine.core.faults import BadInput
from engine.nets.finerecon.config import FineReconConfig
from engine.recon.compute import Compute
from engine.recon.lattice import Lattice
from engine.recon.views import View

MB = 2**20
# Feature maps are a quarter of their picture, each way.
STRIDE = 4


@dataclass(frozen=True, slots=True)
class Budget:
    """How many megabytes a reconstruction may take beside what the process holds already."""

    memory_mb: float

    def check_volume(
        self,
        config: FineReconConfig,
        lattice: Lattice,
        views: Sequence[View],
        compute: Compute,
    ) -> None:
        """Refuse a volume that would not fit.

        Raises:
            BadInput: it needs more than there is.
        """
        needed = max(network_mb(config, lattice), features_mb(config, views, compute))
        x, y, z = (n * lattice.voxel_m for n in lattice.dims)
        self._refuse_beyond(
            needed,
            f"A volume of {x:.1f} x {y:.1f} x {z:.1f} m in voxels of "
            f"{lattice.voxel_m * 100:g} cm, seen by {len(views)} pictures,",
            "Shorten the reach with --max-depth-m, keep fewer pictures with --keyframe-distance, "
            "or allow more with --memory-mb.",
        )

    def check_surface(
        self,
        config: FineReconConfig,
        lattice: Lattice,
        views: Sequence[View],
        compute: Compute,
        occupied: int,
        rate: int,
    ) -> None:
        """Refuse samples that would not fit once it is known how much of the volume is occupied.

        Raises:
            BadInput: they need more than there is.
        """
        kept = config.unet_up_widths[-1] * lattice.size * 4 / MB
        samples = occupied * rate**3 * BYTES_PER_SAMPLE / MB
        self._refuse_beyond(
            kept + features_mb(config, views, compute) + samples,
            f"A surface of {occupied:,} voxels with {rate**3} samples each",
            "Choose a coarser --resolution-m, or allow more with --memory-mb.",
        )

    def _refuse_beyond(self, needed_mb: float, what: str, remedy: str) -> None:
        if needed_mb > self.memory_mb:
            raise BadInput(
                f"{what} needs about {needed_mb:,.0f} MB of memory, and {self.memory_mb:,.0f} MB "
                "may be used.",
                remedy,
            )


# The sample itself, and its share of bricks and mesh while the surface is extracted.
BYTES_PER_SAMPLE = 12
# What the 3D network holds at its widest moment beside its input: so many times the width of its
# last level (joined inputs, a block's input and output, the convolutions' own workspace), and a
# part that does not grow. Measured with the released network on a CPU, 64 x 64 x 32 to
# 128 x 128 x 64 voxels: 370 to 2334 MB, where this gives 376 to 2560.
WORKSPACE, FIXED_MB = 9, 64


def bytes_per_value(compute: Compute) -> int:
    """Return the size of one number of a network's output."""
    return compute.dtype.itemsize


def network_mb(config: FineReconConfig, lattice: Lattice) -> float:
    """Return what the 3D network takes at its widest moment; half precision takes less."""
    wide = config.volume_channels + WORKSPACE * config.unet_up_widths[-1]
    return FIXED_MB + lattice.size * wide * 4 / MB


def features_mb(config: FineReconConfig, views: Sequence[View], compute: Compute) -> float:
    """Return what the fine features of all keyframes take."""
    values = sum(
        config.image_feature_dim * (h // STRIDE) * (w // STRIDE)
        for h, w in (view.image_hw for view in views)
    )
    return values * bytes_per_value(compute) / MB
