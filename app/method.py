"""How a recording becomes a surface: what the command line can choose, checked."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from engine.core.grid import SURFACE_VOXELS_M

MethodName = Literal["auto", "fusion", "finerecon", "finerecon-offline"]
DepthName = Literal["auto", "sensor", "guided", "plane-sweep", "learned", "simplerecon"]
Guidance = Literal["consistent", "compatible"]
Precision = Literal["auto", "float32", "bf16", "fp16"]
BackendName = Literal["torch", "openvino"]


class Method(BaseModel):
    """How frames become a surface; saved with every result."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: MethodName = Field(
        "auto",
        title="Method",
        description="Automatic: FineRecon where depth is learned, else fusion.",
        json_schema_extra={
            "is_plain": True,
            "choices": {
                "fusion": "Fusion of measured depth",
                "finerecon": "FineRecon, refined while scanning",
                "finerecon-offline": "FineRecon, after the last frame",
            },
        },
    )
    depth: DepthName = Field(
        "auto",
        title="Where depth comes from",
        description="Automatic: the sensor's depth, else learned depth.",
        json_schema_extra={
            "is_plain": True,
            "choices": {
                "sensor": "The camera's depth sensor",
                "guided": "The sensor, completed from photographs",
                "plane-sweep": "Photographs compared, without a network",
                "learned": "Photographs and our network",
                "simplerecon": "Photographs and SimpleRecon",
            },
        },
    )
    weights: str | None = Field(None, description="File or name of FineRecon's weights.")
    depth_weights: str | None = Field(None, description="The same for the depth network.")
    random_weights: int | None = Field(
        None, ge=0, description="Seed of made-up weights, to try the machinery out."
    )
    resolution_m: float = Field(0.02, description="Output grid: 0.04, 0.02, 0.01 or 0.005.")
    guidance: Guidance = "consistent"
    precision: Precision = Field(
        "auto",
        title="Precision",
        description="Automatic: half precision where nothing is lost by it.",
    )
    backend: BackendName = Field(
        "torch",
        title="Computed by",
        description="Who computes learned depth.",
        json_schema_extra={"choices": {"torch": "PyTorch", "openvino": "OpenVINO"}},
    )
    keyframe_distance: float = Field(
        0.1, gt=0, description="Metres and turn, together, between two keyframes."
    )
    max_depth_m: float = Field(3.5, gt=0, description="The volume reaches no farther.")
    memory_mb: int | None = Field(None, ge=64)
    width_px: int = Field(640, ge=16, multiple_of=16, description="Size the network sees.")
    height_px: int = Field(480, ge=16, multiple_of=16)

    @field_validator("resolution_m")
    @classmethod
    def _is_offered(cls, resolution_m: float) -> float:
        if resolution_m not in SURFACE_VOXELS_M:
            raise ValueError(f"use one of {', '.join(f'{r:g}' for r in SURFACE_VOXELS_M)}")
        return resolution_m
