"""Every trap of the specification, walked into on purpose: the parity checks must notice."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.evaluation.parity import simplerecon
from engine.nets.simplerecon import (
    cost_volume,
    decoder,
    encoder,
    geometry,
    layers,
    losses,
    matching,
    model,
)
from tests.evaluation.parity.simplerecon_fixture import write

Trap = Callable[[pytest.MonkeyPatch], None]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a fixture of the small network without a training step."""
    folder = tmp_path_factory.mktemp("simplerecon")
    write(folder, with_training=False)
    (folder / "keyframes.npz").unlink()
    return folder


@pytest.fixture(scope="module")
def blind(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the same with a source that sees nothing."""
    folder = tmp_path_factory.mktemp("simplerecon_blind")
    write(folder, with_training=False, has_blind_source=True)
    (folder / "keyframes.npz").unlink()
    return folder


def constant(module: object, name: str, value: object) -> Trap:
    return lambda patch: patch.setattr(module, name, value)


def half_pixel_scaling(K_x33: Tensor, divisor: float) -> Tensor:
    K = K_x33.clone()
    K[..., :2, 2] += 0.5
    K[..., :2, :] /= divisor
    K[..., :2, 2] -= 0.5
    return K


def without(*names: str) -> Trap:
    whole = cost_volume.metadata

    def emptied(*args: Tensor) -> dict[str, Tensor]:
        parts = whole(*args)
        return parts | {name: torch.zeros_like(parts[name]) for name in names}

    return constant(cost_volume, "metadata", emptied)


def mean_dots(*args: Tensor, whole=cost_volume.metadata) -> dict[str, Tensor]:
    parts = whole(*args)
    return parts | {"dots": parts["dots"] / args[1].shape[1]}


def reordered(first: str, second: str) -> Trap:
    names = list(cost_volume.METADATA)
    i, j = names.index(first), names.index(second)
    names[i], names[j] = names[j], names[i]
    return constant(cost_volume, "METADATA", tuple(names))


def linear_planes(ramp: Tensor, near_m: float, far_m: float) -> Tensor:
    return near_m + (far_m - near_m) * ramp


def inverse_planes(ramp: Tensor, near_m: float, far_m: float) -> Tensor:
    return 1 / (1 / near_m + (1 / far_m - 1 / near_m) * ramp)


def unsorted_sources(patch: pytest.MonkeyPatch) -> None:
    def reversed_cameras(self, K_bv33, T_bv44, old=model.SimpleRecon.cameras):
        return old(self, K_bv33, torch.cat([T_bv44[:, :1], T_bv44[:, 1:].flip(1)], dim=1))

    def reversed_features(self, images, old=model.SimpleRecon.match):
        features = old(self, images)
        return torch.cat([features[:, :1], features[:, 1:].flip(1)], dim=1)

    patch.setattr(model.SimpleRecon, "cameras", reversed_cameras)
    patch.setattr(model.SimpleRecon, "match", reversed_features)


def bounded_masks(self, homogeneous, old=geometry.Projector.forward):
    pixels, depth = old(self, homogeneous)
    inside = ((pixels > 0) & (pixels < 24)).all(-2)
    return pixels, depth.where(inside, -1.0)


def upsampled_first(self: decoder.DepthDecoder, levels: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    column, outputs = list(levels), []
    for j in range(1, 5):
        following: list[Tensor] = []
        for i in range(4 - j, -1, -1):
            below = decoder.upsample(column[i + 1])
            parts = [
                self.convs[f"right_conv_{i}{j - 1}"](column[i]),
                self.convs[f"diag_conv_{i + 1}{j - 1}"](below),
            ]
            if i + j < 4:
                parts.append(self.convs[f"up_conv_{i + 1}{j}"](decoder.upsample(following[0])))
            following.insert(0, self.convs[f"in_conv_{i}{j}"](torch.cat(parts, dim=1)))
        column = following
        outputs.append(self.convs[f"output_{4 - j}"](column[-1]))
    return tuple(reversed(outputs))


def first_norm_missing(patch: pytest.MonkeyPatch) -> None:
    whole = matching.MatchingEncoder.__init__

    def shortened(self, config) -> None:
        whole(self, config)
        self.net[6] = nn.Identity()

    patch.setattr(matching.MatchingEncoder, "__init__", shortened)


def running_norms(patch: pytest.MonkeyPatch) -> None:
    def forward(self, feat_bchw: Tensor) -> Tensor:
        return feat_bchw / torch.sqrt(torch.tensor(1 + self.eps))

    patch.setattr(nn.InstanceNorm2d, "forward", forward)


# The trap, an output that must notice, and one upstream that must not.
TRAPS: dict[str, tuple[Trap, str, str]] = {
    "symmetric padding": (
        constant(encoder, "same_padding", lambda size, kernel, stride: ((kernel - 1) // 2,) * 2),
        "features.npz/encoder_0",
        "features.npz/matching",
    ),
    "encoder batch-norm epsilon": (
        constant(encoder, "BATCH_NORM_EPS", 1e-5),
        "features.npz/encoder_2",
        "features.npz/matching",
    ),
    "mean of 0.5": (
        constant(model, "IMAGE_MEAN", (0.5, 0.5, 0.5)),
        "features.npz/encoder_0",
        "losses.npz/normals_gt",
    ),
    "deviation of 0.5": (
        constant(model, "IMAGE_STD", (0.5, 0.5, 0.5)),
        "features.npz/encoder_0",
        "losses.npz/normals_gt",
    ),
    "ordinary max pool": (
        constant(matching.BlurPool, "forward", lambda self, feat: F.max_pool2d(feat, 3, 2, 1)),
        "features.npz/matching",
        "features.npz/encoder_0",
    ),
    "average instead of binomial": (
        constant(matching, "BINOMIAL", (1.0, 1.0, 1.0, 1.0)),
        "features.npz/matching",
        "features.npz/encoder_0",
    ),
    "first instance norm missing": (
        first_norm_missing,
        "features.npz/matching",
        "features.npz/encoder_0",
    ),
    "instance norms by running statistics": (
        running_norms,
        "features.npz/matching",
        "features.npz/encoder_0",
    ),
    "zero padding in matching": (
        constant(matching, "LAST_PADDING", "zeros"),
        "features.npz/matching",
        "features.npz/encoder_0",
    ),
    "matching slope": (
        constant(matching, "SLOPE", 0.01),
        "features.npz/matching",
        "features.npz/encoder_0",
    ),
    "pixel centres at integers": (
        constant(geometry, "PIXEL_CENTRE", 0.0),
        "cost_volume.npz/cost_volume",
        "features.npz/matching",
    ),
    "half-pixel term in scaled intrinsics": (
        constant(geometry, "scaled", half_pixel_scaling),
        "cost_volume.npz/cost_volume",
        "features.npz/matching",
    ),
    "corner-aligned sampling": (
        constant(geometry, "ALIGN_CORNERS", True),
        "cost_volume.npz/cost_volume",
        "features.npz/matching",
    ),
    "border padding in warping": (
        constant(geometry, "OUTSIDE", "border"),
        "cost_volume.npz/cost_volume",
        "features.npz/matching",
    ),
    "masks tested against the picture": (
        constant(geometry.Projector, "forward", bounded_masks),
        "cost_volume.npz/mlp_input",
        "cost_volume.npz/depth_planes",
    ),
    "linear planes": (
        constant(cost_volume, "plane_depths", linear_planes),
        "cost_volume.npz/depth_planes",
        "features.npz/matching",
    ),
    "inverse-depth planes": (
        constant(cost_volume, "plane_depths", inverse_planes),
        "cost_volume.npz/depth_planes",
        "features.npz/matching",
    ),
    "reference before sources": (
        reordered("warped", "reference"),
        "cost_volume.npz/mlp_input",
        "features.npz/matching",
    ),
    "pose terms in another order": (
        reordered("pose_combined", "pose_translation"),
        "cost_volume.npz/mlp_input",
        "features.npz/matching",
    ),
    "masks left out": (without("masks"), "cost_volume.npz/cost_volume", "features.npz/matching"),
    "plane depth left out": (
        without("plane"),
        "cost_volume.npz/cost_volume",
        "features.npz/matching",
    ),
    "rays left out": (without("rays"), "cost_volume.npz/cost_volume", "features.npz/matching"),
    "mean instead of dot product": (
        constant(cost_volume, "metadata", mean_dots),
        "cost_volume.npz/mlp_input",
        "features.npz/matching",
    ),
    "sources in another order": (
        unsorted_sources,
        "cost_volume.npz/cost_volume",
        "features.npz/encoder_4",
    ),
    "MLP slope": (
        constant(cost_volume, "MLP_SLOPE", 0.2),
        "cost_volume.npz/mlp_output",
        "cost_volume.npz/mlp_input",
    ),
    "mask of the nearest plane": (
        constant(cost_volume, "MASK_PLANE", 0),
        "cost_volume.npz/overall_mask",
        "cost_volume.npz/cost_volume",
    ),
    "mask without border": (
        constant(cost_volume, "MASK_BORDER_PX", 0.0),
        "cost_volume.npz/overall_mask",
        "cost_volume.npz/cost_volume",
    ),
    "decoder slope": (
        constant(layers, "SLOPE", 0.01),
        "depth.npz/log_depth_s0",
        "cost_volume.npz/overall_mask",
    ),
    "nearest upsampling": (
        constant(decoder, "upsample", lambda feat: F.interpolate(feat, scale_factor=2)),
        "depth.npz/log_depth_s0",
        "cost_volume.npz/cv_encoder_3",
    ),
    "corner-aligned upsampling": (
        constant(
            decoder,
            "upsample",
            lambda feat: F.interpolate(feat, scale_factor=2, mode="bilinear", align_corners=True),
        ),
        "depth.npz/log_depth_s0",
        "cost_volume.npz/cv_encoder_3",
    ),
    "upsampling before the block": (
        constant(decoder.DepthDecoder, "forward", upsampled_first),
        "depth.npz/log_depth_s0",
        "cost_volume.npz/cv_encoder_3",
    ),
    "nothing mirrored": (
        constant(model, "mirror", lambda picture: picture),
        "losses.npz/flip_log_depth_s0",
        "losses.npz/loss",
    ),
    "gradients without pyramid": (
        constant(losses, "PYRAMID_LEVELS", 1),
        "losses.npz/grad_loss",
        "losses.npz/mv_loss",
    ),
    "normals of unsmoothed depth": (
        constant(losses, "SMOOTHING", (5, 0.1)),
        "losses.npz/normals_gt",
        "losses.npz/grad_loss",
    ),
    "another limit for hidden points": (
        constant(losses, "HIDDEN_RATIO", 1.0),
        "losses.npz/mv_loss",
        "losses.npz/grad_loss",
    ),
    "multi-view weight": (
        constant(losses, "MULTI_VIEW_WEIGHT", 1.0),
        "losses.npz/loss",
        "losses.npz/mv_loss",
    ),
    "scale-invariant share": (
        constant(losses, "SCALE_INVARIANT_SHARE", 1.0),
        "losses.npz/si_loss",
        "losses.npz/abs_loss",
    ),
}


@pytest.mark.parametrize("name", TRAPS)
def test_parity_notices(name, made, monkeypatch):
    trap, notices, untouched = TRAPS[name]
    trap(monkeypatch)
    found = {check.name: check for check in simplerecon.checks(made)}
    assert not found[notices].ok
    assert found[untouched].ok


def test_parity_notices_that_blind_sources_are_skipped(blind, monkeypatch):
    whole = losses.MultiViewLoss.forward
    monkeypatch.setattr(
        losses.MultiViewLoss, "forward", lambda self, *args: whole(self, *args).nan_to_num()
    )
    found = {check.name: check for check in simplerecon.checks(blind)}
    assert not found["losses.npz/mv_loss"].ok
    assert found["losses.npz/grad_loss"].ok
