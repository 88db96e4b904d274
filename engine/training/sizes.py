"""Sizes of networks that a recipe can train: small ones for a laptop, and the published ones.

How the small ones were chosen is in the README of this folder; `engine.training.candidates`
measures it again.
"""

from dataclasses import dataclass, replace

from engine.nets.finerecon.config import FineReconConfig, StageConfig
from engine.nets.simplerecon.config import SimpleReconConfig
from engine.training.recipe import Plan
from engine.training.schedule import Schedule

# What comparing features says, how sure of it a pose lets one be, and whether it was seen at all:
# four numbers a source say most of what the published 202 do, at a tenth of their cost.
LIGHT_METADATA = ("masks", "dots", "pose_translation")

SMALL_DEPTH = SimpleReconConfig(
    image_width=320,
    image_height=256,
    sources=4,
    planes=64,
    matching_dims=16,
    matching_stem=16,
    matching_blocks=1,
    matching_hidden=32,
    mlp_hidden=(12, 12),
    metadata=LIGHT_METADATA,
    encoder_stem=16,
    encoder_widths=(12, 24, 32, 48, 64, 96),
    encoder_repeats=(1, 2, 2, 2, 2, 2),
    volume_widths=(32, 48, 64, 96),
    decoder_widths=(8, 16, 32, 48),
    is_residual=True,
)
SMOKE_DEPTH = SimpleReconConfig(
    image_width=160,
    image_height=128,
    sources=2,
    planes=24,
    matching_dims=8,
    matching_stem=8,
    matching_blocks=1,
    matching_hidden=16,
    mlp_hidden=(8,),
    metadata=LIGHT_METADATA,
    encoder_stem=8,
    encoder_widths=(8, 12, 16, 16, 24, 24),
    encoder_repeats=(1, 1, 1, 1, 1, 1),
    encoder_expansions=(1.0, 2.0, 2.0, 2.0, 2.0, 2.0),
    volume_widths=(16, 16, 24, 24),
    decoder_widths=(8, 12, 16, 24),
    is_residual=True,
)
SMALL_FINERECON = FineReconConfig(
    image_feature_dim=11,
    backbone_stem=12,
    backbone_stages=(
        StageConfig(12, 1, 1),
        StageConfig(16, 1, 3),
        StageConfig(24, 1, 3),
        StageConfig(32, 1, 3),
    ),
    unet_widths=(16, 24, 32),
    unet_up_widths=(16, 16, 16),
    unet_blocks=1,
    head_width=16,
    is_residual=True,
    counts_views=True,
    point_falloff=4.0,
)
SMOKE_FINERECON = FineReconConfig(
    image_feature_dim=7,
    backbone_stem=8,
    backbone_stages=(
        StageConfig(8, 1, 1),
        StageConfig(12, 1, 2),
        StageConfig(16, 1, 2),
        StageConfig(16, 1, 2),
    ),
    unet_widths=(8, 12, 16),
    unet_up_widths=(12, 8, 8),
    unet_blocks=1,
    head_width=16,
    is_residual=True,
    counts_views=True,
)


@dataclass(frozen=True, slots=True)
class DepthSize:
    """A depth network and how it is trained.

    Attributes:
        volume_weight: how much the volume's own loss counts; 0 as published.
        chunk_planes: planes compared at once while learning: more are faster and take more memory.
    """

    network: SimpleReconConfig
    plan: Plan
    volume_weight: float = 0.0
    chunk_planes: int = 4


@dataclass(frozen=True, slots=True)
class FineReconSize:
    """A FineRecon, the box it learns from, and how it is trained.

    Attributes:
        views: pictures a sample.
        learned_views: at least and at most so many of them are shown while it learns; None for all.
        image_hw: their size; published 480x640.
        crop: voxels of the box.
        points: places supervised in it.
        is_interpolated: supervised by distances between voxels instead of exact ones, to show what
            exact ones are worth.
    """

    network: FineReconConfig
    plan: Plan
    views: int
    image_hw: tuple[int, int]
    crop: tuple[int, int, int]
    points: int
    learned_views: tuple[int, int] | None = None
    is_interpolated: bool = False


# The published plan: 32 samples a step in all, on two devices.
DEPTH_SIZES = {
    "smoke": DepthSize(SMOKE_DEPTH, Plan(Schedule(3e-3, 120, 10), 1e-4, 10.0, 60, 2), 1.0, 24),
    "small": DepthSize(
        SMALL_DEPTH, Plan(Schedule(1e-3, 20_000, 500), 1e-4, 10.0, 500, 16), 1.0, 16
    ),
    "published": DepthSize(
        SimpleReconConfig(),
        Plan(Schedule(1e-4, 110_000, 1, (70_000, 80_000)), 1e-4, 10.0, 2_000, 16),
    ),
}
FINERECON_SIZES = {
    "smoke": FineReconSize(
        SMOKE_FINERECON,
        Plan(Schedule(3e-3, 100, 5), 0.0, 10.0, 50, 1),
        views=3,
        image_hw=(64, 96),
        crop=(24, 24, 16),
        points=2_000,
    ),
    "small": FineReconSize(
        SMALL_FINERECON,
        Plan(Schedule(2e-3, 4_000, 100), 0.0, 10.0, 500, 1),
        views=24,
        image_hw=(192, 256),
        crop=(28, 28, 20),
        points=4_000,
        learned_views=(4, 24),
    ),
    "published": FineReconSize(
        FineReconConfig(),
        Plan(Schedule(1e-3, 60_000, 1, (50_000,)), 0.0, 100.0, 2_000, 2),
        views=20,
        image_hw=(480, 640),
        crop=(96, 96, 56),
        points=129_024,
    ),
}


# What the paper leaves out to show what it is worth, on our worlds.
FINERECON_VARIANTS = ("full", "no-guidance", "no-points", "interpolated")


def varied(size: FineReconSize, variant: str) -> FineReconSize:
    """Return a size with one of its parts left out."""
    network = size.network
    if variant == "no-guidance":
        network = replace(
            network, guidance="none", point_guidance=False, is_residual=False, counts_views=False
        )
    elif variant == "no-points":
        network = replace(network, point_backprojection=False)
    return replace(size, network=network, is_interpolated=variant == "interpolated")
