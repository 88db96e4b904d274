"""Sizes of GTR that the recipe can train."""

from dataclasses import dataclass

from engine.nets.gtr.config import FieldConfig, GeneratorConfig, GtrConfig, LiftConfig
from engine.training.recipe import Plan
from engine.training.schedule import Schedule


@dataclass(frozen=True, slots=True)
class GtrSize:
    """A GTR, what it looks at, and how it is trained.

    Attributes:
        size_px: side of the square pictures.
        drawn: pictures of an object, a multiple of four; four to six of them are shown.
        points: places with an exact distance, a sample.
        rays: that are rendered through the volume, a sample.
        mesh_grid: lattice points along a side of the mesh that the second stage renders.
        mesh_views: pictures of the mesh a step and object.
        second_stage: the share of the steps after which the second stage begins.
    """

    network: GtrConfig
    plan: Plan
    size_px: int
    drawn: int
    points: int
    rays: int
    mesh_grid: int
    mesh_views: int
    second_stage: float


SMALL = GtrConfig(
    GeneratorConfig(
        plane_resolution=8,
        out_channels=24,
        patch_size=16,
        model_channels=128,
        num_layers=4,
        num_heads=4,
        num_head_channels=32,
        gradient_checkpointing=False,
        upsample_factor=8,
        ff_mult=3,
        lift=LiftConfig(),
    ),
    FieldConfig(in_dim=72, num_layers_color=5, layer_width=64, num_samples_per_ray=48),
)
SMOKE = GtrConfig(
    GeneratorConfig(
        plane_resolution=4,
        out_channels=12,
        patch_size=16,
        model_channels=32,
        num_layers=1,
        num_heads=2,
        num_head_channels=16,
        gradient_checkpointing=False,
        upsample_factor=8,
        ff_mult=2,
        lift=LiftConfig(features=8, grid=16, widths=(8, 16), kept=4),
    ),
    FieldConfig(in_dim=36, num_layers_color=5, layer_width=48, num_samples_per_ray=32),
)

GTR_SIZES = {
    "smoke": GtrSize(
        SMOKE, Plan(Schedule(2e-3, 60, 5), 0.01, 10.0, 30, 1),
        size_px=64, drawn=8, points=1024, rays=64, mesh_grid=24, mesh_views=2, second_stage=0.7,
    ),
    "small": GtrSize(
        SMALL, Plan(Schedule(2e-3, 3_000, 60), 0.01, 10.0, 250, 1),
        size_px=128, drawn=8, points=8192, rays=256, mesh_grid=48, mesh_views=2, second_stage=0.85,
    ),
    # Widths, learning rate and decay as published; how long it trained is not known.
    "published": GtrSize(
        GtrConfig(), Plan(Schedule(1e-4, 300_000, 5_000), 0.05, 1.0, 5_000, 8),
        size_px=512, drawn=12, points=16_384, rays=4_096, mesh_grid=256, mesh_views=4,
        second_stage=0.7,
    ),
}  # fmt: skip
