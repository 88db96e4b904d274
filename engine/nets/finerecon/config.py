"""What sizes a FineRecon network has; the defaults are the released one."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

GUIDANCE = ("tsdf", "density", "none")
# How a view's features are weighted by their distance to the measured surface. The published
# models use none; the others are the paper's ablations.
DEPTH_WEIGHTINGS = (
    "none",
    "soft-12cm",
    "soft-24cm",
    "hard-3.5cm",
    "hard-12cm",
    "hard-24cm",
    "hard-48cm",
)
RELEASED_SQUEEZE = 4
Shapes = Mapping[str, Sequence[int]]


@dataclass(frozen=True, slots=True)
class StageConfig:
    """One stage of the image backbone: blocks of one width, hidden widths `expansion` times."""

    width: int
    blocks: int
    expansion: int


@dataclass(frozen=True, slots=True)
class FineReconConfig:
    """Every width and depth of the network, and which of its parts exist.

    The first two stages are fused blocks at strides 2 and 4, the third is fused at stride 8, the
    last has depthwise convolutions and squeeze-excitation at stride 16.
    """

    image_feature_dim: int = 47
    backbone_stem: int = 24
    backbone_stages: tuple[StageConfig, StageConfig, StageConfig, StageConfig] = (
        StageConfig(24, 2, 1),
        StageConfig(48, 4, 4),
        StageConfig(64, 4, 4),
        StageConfig(128, 6, 4),
    )
    backbone_squeeze: int = RELEASED_SQUEEZE
    # Chance of dropping a block's branch in training, times the running index of the block.
    block_drop_step: float = 0.005
    unet_widths: tuple[int, int, int] = (64, 64, 128)
    unet_up_widths: tuple[int, int, int] = (64, 64, 64)
    unet_blocks: int = 2
    head_width: int = 32
    head_blocks: int = 2
    point_backprojection: bool = True
    point_guidance: bool = True
    point_blocks: int = 2
    guidance: str = "tsdf"
    guidance_margin_vox: float = 3.0
    bp_weighting: str = "none"
    voxel_m: float = 0.04
    # Ours, for small networks: the surface is guidance plus a correction, so that learning begins
    # at plain fusion; and the volume is told how many depth maps and pictures stand behind it.
    is_residual: bool = False
    counts_views: bool = False
    # At single points depth counts as its power of -this: what is triangulated errs with the square
    # of its distance, so that 4 is the inverse of the variance. In the released network all counts.
    point_falloff: float = 0.0

    def __post_init__(self) -> None:
        if self.guidance not in GUIDANCE:
            raise ValueError(f"guidance must be one of {GUIDANCE}, not {self.guidance!r}.")
        if self.bp_weighting not in DEPTH_WEIGHTINGS:
            raise ValueError(
                f"bp_weighting must be one of {DEPTH_WEIGHTINGS}, not {self.bp_weighting!r}."
            )
        if self.point_guidance and self.guidance == "none":
            raise ValueError("point_guidance needs guidance.")
        if self.point_falloff < 0 or (self.point_falloff and self.guidance != "tsdf"):
            raise ValueError("point_falloff is at least 0, and needs guidance that is a tsdf.")
        if self.counts_views and self.guidance == "none":
            raise ValueError("counts_views needs guidance.")
        if self.is_residual and not (self.point_guidance and self.guidance == "tsdf"):
            raise ValueError("is_residual needs point_guidance, and guidance that is a tsdf.")

    @property
    def guidance_channels(self) -> int:
        """Return how many channels of the volume come from depth."""
        return int(self.guidance != "none") + 2 * self.counts_views

    @property
    def volume_channels(self) -> int:
        """Return the input width of the 3D network."""
        return self.image_feature_dim + self.guidance_channels

    @property
    def surface_in_channels(self) -> int:
        """Return the input width of the surface predictor: fine, voxel and guidance."""
        fine = self.image_feature_dim * self.point_backprojection
        return fine + self.unet_up_widths[-1] + int(self.point_guidance)

    @property
    def guidance_margin_m(self) -> float:
        """Return the distance at which guidance is cut."""
        return self.guidance_margin_vox * self.voxel_m

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values; `from_dict` gives the configuration back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return the configuration of `as_dict`, also after a trip through JSON."""
        known = dict(values)
        if "backbone_stages" in known:
            known["backbone_stages"] = tuple(StageConfig(**s) for s in known["backbone_stages"])
        for name in ("unet_widths", "unet_up_widths"):
            if name in known:
                known[name] = tuple(known[name])
        return cls(**known)

    @classmethod
    def from_shapes(cls, shapes: Shapes) -> Self:
        """Return the configuration whose state dict has these names and shapes.

        What leaves no trace in a state dict (the kind of guidance, weightings, margins) has its
        released value.

        Raises:
            ValueError: the names are not those of a FineRecon network.
        """
        try:
            return cls(**_read(shapes))
        except (KeyError, IndexError, ValueError, ZeroDivisionError, StopIteration) as missing:
            raise ValueError(f"These are not the weights of FineRecon: no {missing}.") from None


def _read(shapes: Shapes) -> dict[str, Any]:
    image_dim = shapes["cnn2d.out0.0.weight"][0]
    stem = shapes["cnn2d.conv0.0.0.weight"][0]
    stages = tuple(_stage(shapes, at) for at in ("conv0.1", "conv0.2", "conv1", "conv2"))
    out = shapes["occ_predictor.0.weight"][1]
    fine = image_dim if "point_fusion.bn.weight" in shapes else 0
    guided = shapes["cnn3d.stem.0.net.0.weight"][1] - image_dim
    return {
        "image_feature_dim": image_dim,
        "backbone_stem": stem,
        "backbone_stages": stages,
        "backbone_squeeze": _squeeze(shapes),
        "unet_widths": tuple(
            shapes[f"cnn3d.{at}.net.0.weight"][0] for at in ("stem.0", "conv1x1_1", "conv1x1_2")
        ),
        "unet_up_widths": tuple(shapes[f"cnn3d.up{k}.0.net.0.weight"][0] for k in (1, 2, 3)),
        "unet_blocks": _count(shapes, "cnn3d.down1"),
        "head_width": shapes["occ_predictor.0.weight"][0],
        "head_blocks": _count(shapes, "occ_predictor") - 2,
        "point_backprojection": fine > 0,
        "point_guidance": shapes["surface_predictor.0.weight"][1] - out - fine > 0,
        "point_blocks": _count(shapes, "point_feat_mlp"),
        "guidance": "tsdf" if guided else "none",
        "counts_views": guided > 1,
    }


def _stage(shapes: Shapes, at: str) -> StageConfig:
    first = f"cnn2d.{at}.0.block"
    hidden, inward = shapes[f"{first}.0.0.weight"][:2]
    steps = _count(shapes, first)
    width = shapes[f"{first}.{steps - 1}.0.weight"][0]
    return StageConfig(width, _count(shapes, f"cnn2d.{at}"), hidden // inward if steps > 1 else 1)


def _squeeze(shapes: Shapes) -> int:
    """Return the divisor that explains every squeeze width; rounding leaves several for small ones.

    Block widths are divided and rounded down, so the released divisor is tried first.
    """
    blocks = [f"cnn2d.conv2.{k}.block" for k in range(_count(shapes, "cnn2d.conv2"))]
    pairs = [(shapes[f"{b}.0.0.weight"][1], shapes[f"{b}.2.fc1.weight"][0]) for b in blocks]
    divisors: list[int] = [RELEASED_SQUEEZE, *range(1, 1 + max(wide for wide, _ in pairs))]
    return next(d for d in divisors if all(squeezed(wide, d) == narrow for wide, narrow in pairs))


def squeezed(width: int, divisor: int) -> int:
    """Return the inner width of squeeze-excitation in a block that takes so many channels."""
    return max(1, width // divisor)


def _count(shapes: Shapes, at: str) -> int:
    """Return how many numbered children a module has."""
    child = re.compile(re.escape(at) + r"\.(\d+)\.")
    return len({found[1] for name in shapes if (found := child.match(name))})
