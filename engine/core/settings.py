"""The settings tree: frozen, units in the names, unknown keys refused."""

import math
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Guessed = Literal["keep", "drop"]
Detail = Literal["preview", "reduced", "medium", "full", "raw"]


class _Branch(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class KeyframeSettings(_Branch):
    """Which frames are worth fusing."""

    min_move_m: float = Field(0.005, ge=0, description="Skip a frame that moved less than this")
    min_turn_deg: float = Field(0.25, ge=0, description="and turned less than this.")
    texture_move_m: float = Field(0.08, gt=0, description="Photograph again after moving so far")
    texture_turn_deg: float = Field(6.0, gt=0, description="or turning so far.")

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

    min_m: float = Field(0.1, ge=0, description="Nearer depth is dropped.")
    max_m: float = Field(5.0, gt=0, description="Farther depth is dropped.")
    edge_ratio: float = Field(
        0.04,
        gt=0,
        description="Neighbouring pixels whose depth differs by more than this "
        "fraction lie on an edge, where sensors invent points; they are dropped.",
    )
    min_confidence: float = Field(
        0.4, ge=0, le=1, description="Depth the sensor itself trusts less is dropped."
    )


class VolumeSettings(_Branch):
    """The truncated signed distance volume."""

    voxel_m: float = Field(0.02, description="Surface voxel: 0.04, 0.02, 0.01 or 0.005.")
    truncation_vox: float = Field(
        4.0, ge=2, description="Distances are kept up to this many voxels from the surface."
    )
    memory_mb: int = Field(
        2048, ge=64, description="Ceiling; blocks far from the camera move to disk beyond it."
    )
    weighting: Literal["constant", "inverse_square"] = Field(
        "inverse_square",
        description="How much a far measurement counts: always 1, or as its noise allows.",
    )


class MeshSettings(_Branch):
    """From the volume to the finished mesh."""

    min_weight: float = Field(
        0.15,
        ge=0,
        description="A voxel of less total weight carries no surface. One measurement "
        "from a metre or nearer weighs 1, from two metres a quarter.",
    )
    min_island_faces: int = Field(200, ge=0, description="Loose pieces smaller than this go.")
    max_hole_edges: int = Field(40, ge=0, description="Holes with a shorter rim are closed.")
    detail: Detail = Field("medium", description="How many triangles the file keeps.")
    guessed: Guessed = Field(
        "drop", description="Surface that a network completed where no depth was measured."
    )


class RefineSettings(_Branch):
    """How the network refines the surface while the camera moves."""

    halo_vox: int = Field(
        8, ge=0, multiple_of=4, description="Voxels of 4 cm the network sees round a chunk."
    )
    best_views: int = Field(16, ge=1, description="Pictures that points are looked up in.")
    allocation: Literal["surface", "frustum"] = Field(
        "surface",
        description="Features are kept round measured surfaces, or wherever a picture looks, which "
        "takes five times the memory.",
    )
    denies: bool = Field(
        False,
        description="Whether the network may erase measured surface that it does not find itself, "
        "as it does offline; thin things are the first to go.",
    )
    reach_m: float = Field(3.5, gt=0, description="Pictures tell of nothing beyond this depth.")
    features_mb: int = Field(1024, ge=64, description="Ceiling of the feature lattice.")
    keyframes_mb: int = Field(512, ge=16, description="Ceiling of kept picture features.")


class HistorySettings(_Branch):
    """Fused frames are kept, so that they can be moved and undone."""

    memory_mb: int = Field(256, ge=16, description="Ceiling in memory; more goes to disk.")
    disk_mb: int = Field(8192, ge=0, description="Beyond it, the oldest frames stay put for good.")


class TextureSettings(_Branch):
    """Photographs onto the mesh."""

    size_px: int = Field(4096, ge=256, le=8192, description="Edge of the texture picture.")
    max_views: int = Field(160, ge=1, description="Photographs used at most, sharpest first.")


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
