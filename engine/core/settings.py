"""The settings tree: frozen, units in the names, unknown keys refused.

What forms show comes from here: `title` and `description` for people, units from the names, and in
`json_schema_extra` whether a field `is_plain`, for everyone, and the titles of its `choices`.
"""

import math
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Guessed = Literal["keep", "drop"]
Detail = Literal["preview", "reduced", "medium", "full", "raw"]


class _Branch(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class KeyframeSettings(_Branch):
    """Which frames are worth fusing."""

    min_move_m: float = Field(
        0.005,
        ge=0,
        title="Smallest move",
        description="A frame is skipped when it moved less than this and turned less than below.",
    )
    min_turn_deg: float = Field(
        0.25,
        ge=0,
        title="Smallest turn",
        description="A frame is skipped when it turned less than this and moved less than above.",
    )
    texture_move_m: float = Field(
        0.08,
        gt=0,
        title="Move between photographs",
        description="A photograph for the texture is kept after moving so far.",
    )
    texture_turn_deg: float = Field(
        6.0,
        gt=0,
        title="Turn between photographs",
        description="A photograph for the texture is kept after turning so far.",
    )

    @property
    def min_turn_rad(self) -> float:
        """`min_turn_deg` in radians."""
        return math.radians(self.min_turn_deg)

    @property
    def texture_turn_rad(self) -> float:
        """`texture_turn_deg` in radians."""
        return math.radians(self.texture_turn_deg)


class DepthSettings(_Branch):
    """What of the sensor's depth is believed."""

    min_m: float = Field(0.1, ge=0, title="Nearest depth", description="Nearer depth is dropped.")
    max_m: float = Field(
        5.0,
        gt=0,
        title="Farthest depth",
        description="Farther depth is dropped.",
        json_schema_extra={"is_plain": True},
    )
    edge_ratio: float = Field(
        0.04,
        gt=0,
        title="Step at an edge",
        description="Neighbouring pixels whose depth differs by more than this "
        "fraction lie on an edge, where sensors invent points; they are dropped.",
    )
    min_confidence: float = Field(
        0.4,
        ge=0,
        le=1,
        title="Least confidence",
        description="Depth the sensor itself trusts less is dropped.",
    )


class VolumeSettings(_Branch):
    """The truncated signed distance volume."""

    voxel_m: float = Field(
        0.02,
        title="Surface voxel",
        description="Edge of the smallest piece of surface; finer shows more, at more memory.",
        json_schema_extra={
            "is_plain": True,
            "choices": {"0.04": "4 cm", "0.02": "2 cm", "0.01": "1 cm", "0.005": "5 mm"},
        },
    )
    truncation_vox: float = Field(
        4.0,
        ge=2,
        title="Reach round the surface",
        description="Distances are kept up to this many voxels from the surface.",
    )
    memory_mb: int = Field(
        2048,
        ge=64,
        title="Memory of the volume",
        description="Ceiling; blocks far from the camera move to disk beyond it.",
    )
    weighting: Literal["constant", "inverse_square"] = Field(
        "inverse_square",
        title="Weight of a measurement",
        description="How much a far measurement counts: always 1, or as its noise allows.",
    )


class MeshSettings(_Branch):
    """From the volume to the finished mesh."""

    min_weight: float = Field(
        0.15,
        ge=0,
        title="Least weight",
        description="A voxel of less total weight carries no surface. One measurement "
        "from a metre or nearer weighs 1, from two metres a quarter.",
    )
    min_island_faces: int = Field(
        200,
        ge=0,
        title="Smallest loose piece",
        description="Loose pieces of fewer triangles are removed.",
    )
    max_hole_edges: int = Field(
        40, ge=0, title="Largest hole to close", description="Holes with a shorter rim are closed."
    )
    detail: Detail = Field(
        "medium",
        title="Detail",
        description="How many triangles the file keeps.",
        json_schema_extra={"is_plain": True},
    )
    guessed: Guessed = Field(
        "drop",
        title="Completed surface",
        description="Surface that a network completed where no depth was measured.",
        json_schema_extra={"is_plain": True},
    )


class RefineSettings(_Branch):
    """How the network refines the surface while the camera moves."""

    halo_vox: int = Field(
        8,
        ge=0,
        multiple_of=4,
        title="Halo of a chunk",
        description="Voxels of 4 cm the network sees round a chunk.",
    )
    best_views: int = Field(
        16, ge=1, title="Best views", description="Pictures that points are looked up in."
    )
    allocation: Literal["surface", "frustum"] = Field(
        "surface",
        title="Where features are kept",
        description="Features are kept round measured surfaces, or wherever a picture looks, which "
        "takes five times the memory.",
    )
    denies: bool = Field(
        False,
        title="May erase measured surface",
        description="Whether the network may erase measured surface that it does not find itself, "
        "as it does offline; thin things are the first to go.",
    )
    reach_m: float = Field(
        3.5, gt=0, title="Reach", description="Pictures tell of nothing beyond this depth."
    )
    features_mb: int = Field(
        1024, ge=64, title="Memory of features", description="Ceiling of the feature lattice."
    )
    keyframes_mb: int = Field(
        512, ge=16, title="Memory of pictures", description="Ceiling of kept picture features."
    )


class HistorySettings(_Branch):
    """Fused frames are kept, so that they can be moved and undone."""

    memory_mb: int = Field(
        256,
        ge=16,
        title="Memory of frames",
        description="Ceiling in memory; more goes to disk.",
    )
    disk_mb: int = Field(
        8192,
        ge=0,
        title="Frames on disk",
        description="Beyond it, the oldest frames stay put for good.",
    )


class TextureSettings(_Branch):
    """Photographs onto the mesh."""

    size_px: int = Field(
        4096,
        ge=256,
        le=8192,
        title="Size of the texture",
        description="Edge of the texture picture.",
        json_schema_extra={"is_plain": True},
    )
    max_views: int = Field(
        160,
        ge=1,
        title="Photographs",
        description="Photographs used at most, sharpest first.",
    )


class Settings(_Branch):
    """Everything a scan can be told; saved beside every result."""

    keyframes: KeyframeSettings = KeyframeSettings()
    depth: DepthSettings = DepthSettings()
    volume: VolumeSettings = VolumeSettings()
    mesh: MeshSettings = MeshSettings()
    refine: RefineSettings = RefineSettings()
    history: HistorySettings = HistorySettings()
    texture: TextureSettings = TextureSettings()


def preset(detail: Detail) -> Settings:
    """Return the settings tree of one rung of the detail ladder."""
    volume, texture = VolumeSettings(), TextureSettings()
    if detail == "preview":
        volume = VolumeSettings(voxel_m=0.04)
        texture = TextureSettings(size_px=1024, max_views=40)
    elif detail == "reduced":
        texture = TextureSettings(size_px=2048, max_views=80)
    elif detail == "full":
        volume = VolumeSettings(voxel_m=0.01, memory_mb=4096)
        texture = TextureSettings(size_px=8192, max_views=240)
    elif detail == "raw":
        volume = VolumeSettings(voxel_m=0.01, memory_mb=4096)
        texture = TextureSettings(size_px=8192, max_views=400)
    return Settings(volume=volume, texture=texture, mesh=MeshSettings(detail=detail))
