"""Every mistake the specification warns of, made on purpose: the comparison must find it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.evaluation.parity import finerecon as driver
from engine.evaluation.parity import finerecon_offline, finerecon_scene
from engine.evaluation.parity.check import Check
from engine.evaluation.parity.finerecon_layers import Layers
from engine.evaluation.parity.finerecon_scene import read_network, read_scene
from engine.nets.finerecon import (
    backbone,
    features2d,
    guidance,
    heads,
    layers,
    losses,
    model,
    projection,
    unet3d,
    volumes,
)
from engine.nets.finerecon.config import FineReconConfig
from engine.nets.finerecon.model import FineRecon
from tests.evaluation.parity.finerecon_case import make

STORED = Path(__file__).resolve().parents[3].parent / "shared" / "parity" / "finerecon"
Patch = pytest.MonkeyPatch


@dataclass(frozen=True)
class Trap:
    """A mistake, the stage of the comparison that is run, and what must fail there."""

    name: str
    make: Callable[[Patch], None]
    stage: str
    fails: tuple[str, ...]


def put(owner: object, name: str, value: object) -> Callable[[Patch], None]:
    return lambda patch: patch.setattr(owner, name, value)


def poses_as_given(patch: Patch) -> None:
    for owner in (model, finerecon_scene):
        patch.setattr(owner, "world_to_camera", lambda T: T)


def half_pixel(K: Tensor, from_hw: tuple[int, int], to_hw: tuple[int, int]) -> Tensor:
    scale = torch.tensor([to_hw[1] / from_hw[1], to_hw[0] / from_hw[0], 1.0])
    shifted = K.clone()
    shifted[..., :2, 2] += 0.5
    shifted = shifted * scale[:, None]
    shifted[..., :2, 2] -= 0.5
    return shifted


def renormalised(patch: Patch) -> None:
    original = projection.feature_sums

    def sums(features, *given, **more):
        total, count = original(features, *given, **more)
        weight, _ = original(torch.ones_like(features[:, :1]), *given, **more)
        return total / weight.clamp(min=1e-6) * count, count

    patch.setattr(model, "feature_sums", sums)


def border_in_training(patch: Patch) -> None:
    original = FineRecon._query

    def query(net, *given):
        was, net.training = net.training, False
        found = original(net, *given)
        net.training = was
        return found

    patch.setattr(FineRecon, "_query", query)


class KeepsZero(nn.BatchNorm3d):
    def forward(self, x: Tensor) -> Tensor:
        return torch.where((x == 0).all(1, keepdim=True), 0, super().forward(x))


def norm_before_mean(patch: Patch) -> None:
    original = heads.norm
    patch.setattr(heads, "norm", lambda axes, w: KeepsZero(w) if axes == 3 else original(axes, w))


def exchanged(patch: Patch) -> None:
    def read(folder: Path, voxel_m: float) -> FineRecon:
        net = read_network(folder, voxel_m)
        net.cnn2d, net.cnn2d_pb = net.cnn2d_pb, net.cnn2d
        return net

    patch.setattr(driver, "read_network", read)


def voxel_before_fine(patch: Patch) -> None:
    def surface(net, image, voxel, guided):
        parts = torch.cat([voxel, image, guided[:, None]], 1)
        return net.surface_predictor(parts)[:, 0]

    patch.setattr(FineRecon, "_surface", surface)


def small_blocks(patch: Patch) -> None:
    original = unet3d.ConvNorm
    patch.setattr(unet3d, "ConvNorm", lambda axes, i, o, kernel: original(axes, i, o, 1))


VOLUME = ("volume.npz/unet_out", "volume.npz/occ_logits")
STEP = ("step_eval.npz/tsdf_logits", "step_eval.npz/loss")
TRAPS = [
    # Section 0 of the specification, in its order.
    Trap("hidden slope 0.01", put(layers, "HIDDEN", lambda: nn.LeakyReLU(0.01)), "volume", VOLUME),
    Trap("world-to-camera poses", poses_as_given, "volume", ("volume.npz/count", *VOLUME)),
    Trap(
        "guidance sign",
        put(guidance, "behind", lambda z, measured: measured - z),
        "volume",
        ("volume.npz/tsdf_channel", *VOLUME),
    ),
    Trap(
        "unseen guidance 0",
        put(model, "UNSEEN_TSDF", 0.0),
        "volume",
        ("volume.npz/tsdf_channel", *VOLUME),
    ),
    Trap(
        "half pixel in the intrinsics",
        put(projection, "scale_intrinsics", half_pixel),
        "volume",
        ("volume.npz/mean", *VOLUME),
    ),
    Trap(
        "backbone epsilon 1e-5",
        put(backbone, "BACKBONE_EPS", 1e-5),
        "features",
        ("features.npz/feat_coarse", "features.npz/feat_fine"),
    ),
    Trap("conv1x1 that are 1x1x1", small_blocks, "manifest", ("manifest",)),
    Trap("border weights divided out", renormalised, "eval", STEP),
    Trap(
        "no border weights",
        put(projection, "border_weight", lambda uv, hw: torch.ones(len(uv))),
        "eval",
        ("step_eval.npz/point_image_feat", *STEP),
    ),
    Trap("border of 20 picture pixels", put(projection, "BORDER_MARGIN_PX", 5.0), "eval", STEP),
    Trap(
        "border weights in training",
        border_in_training,
        "train",
        ("step_train.npz/tsdf_logits", "step_train.npz/grad_norms"),
    ),
    Trap("norm before the mean", norm_before_mean, "volume", VOLUME),
    Trap(
        "z, y, x volumes",
        put(volumes, "sampler_order", lambda xyz: xyz),
        "eval",
        ("step_eval.npz/point_voxel_feat", "step_eval.npz/point_coarse_valid", *STEP),
    ),
    # The table of the fixture's README, what is not above.
    Trap("final slope 0.2", put(layers, "JOIN_SLOPE", 0.2), "volume", VOLUME),
    Trap("final plain ReLU", put(layers, "JOIN_SLOPE", 0.0), "volume", VOLUME),
    Trap("epsilon 1e-3 everywhere", put(layers, "NORM_EPS", 1e-3), "volume", VOLUME),
    Trap(
        "trilinear upsampling",
        put(unet3d, "double", lambda x: F.interpolate(x, scale_factor=2, mode="trilinear")),
        "volume",
        VOLUME,
    ),
    Trap("average pooling", put(unet3d, "halve", lambda x: F.avg_pool3d(x, 2)), "volume", VOLUME),
    Trap(
        "corner-aligned laterals",
        put(features2d, "ALIGN_CORNERS", True),
        "features",
        ("features.npz/feat_coarse", "features.npz/feat_fine"),
    ),
    Trap(
        "interpolated depth",
        put(guidance, "DEPTH_SAMPLING", "bilinear"),
        "volume",
        ("volume.npz/tsdf_channel", *VOLUME),
    ),
    Trap(
        "margin of two voxels",
        put(FineReconConfig, "guidance_margin_m", property(lambda c: 2 * c.voxel_m)),
        "volume",
        ("volume.npz/tsdf_channel", *VOLUME),
    ),
    Trap(
        "zeros around features",
        put(projection, "FEATURE_PADDING", "zeros"),
        "eval",
        ("step_eval.npz/bn_mean", "step_eval.npz/point_image_feat", STEP[0]),
    ),
    Trap(
        "pictures end at the outer centres",
        put(projection, "EDGE_PX", 0.0),
        "volume",
        ("volume.npz/count", *VOLUME),
    ),
    Trap(
        "2D networks exchanged",
        exchanged,
        "features",
        ("features.npz/feat_coarse", "features.npz/feat_fine"),
    ),
    Trap(
        "what is behind the camera is seen",
        put(projection, "in_front", lambda z: z == z),
        "volume",
        ("volume.npz/count", *VOLUME),
    ),
]
# Further details of the text, made on our small fixture only.
DETAILS = [
    Trap(
        "hidden points count",
        put(guidance, "HIDDEN_FROM", 2.0),
        "volume",
        ("volume.npz/tsdf_weight", *VOLUME),
    ),
    Trap(
        "whole feature map at inference",
        put(driver, "seen", lambda points, K, hw, T: torch.ones(len(T), len(points)) > 0),
        "volume",
        ("volume.npz/count",),
    ),
    Trap(
        "one view is enough in training",
        put(model, "TRUSTED_VIEWS", 1),
        "eval",
        ("step_eval.npz/point_coarse_valid",),
    ),
    Trap("voxel before fine", voxel_before_fine, "eval", STEP),
    Trap(
        "plain distances in the loss", put(losses, "log_transform", lambda x: x), "eval", STEP[1:]
    ),
    Trap(
        "pictures not normalised",
        put(features2d, "normalise", lambda images: images),
        "features",
        ("features.npz/feat_coarse",),
    ),
]


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("finerecon") / "own")


def run(folder: Path, stage: str) -> list[Check]:
    """Return the checks of one stage only."""
    scene = read_scene(folder)
    net = driver.read_network(folder, scene.voxel_m)
    none = Layers(net, {})
    if stage == "manifest":
        return [driver.manifest_check(folder, net)]
    if stage == "train":
        return list(driver.step_train(folder, net, scene))
    with torch.no_grad():
        if stage == "features":
            return list(driver.features(folder, net, scene, none))
        if stage == "volume":
            return list(driver.volume(folder, net, scene, none))
        return list(driver.step_eval(folder, net, scene))


@pytest.mark.parametrize("trap", [*TRAPS, *DETAILS], ids=lambda trap: trap.name)
def test_a_trap_is_found_in_our_fixture(own: Path, trap: Trap, monkeypatch: Patch) -> None:
    found_by(own, trap, monkeypatch)


@pytest.mark.skipif(not STORED.exists(), reason="the stored fixture is not beside the project")
@pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: trap.name)
def test_a_trap_is_found_in_the_stored_fixture(trap: Trap, monkeypatch: Patch) -> None:
    found_by(STORED, trap, monkeypatch)


def found_by(folder: Path, trap: Trap, monkeypatch: Patch) -> None:
    trap.make(monkeypatch)
    wrong = {check.name for check in run(folder, trap.stage) if not check.ok}
    assert set(trap.fails) <= wrong


@pytest.mark.parametrize("stage", ["manifest", "features", "volume", "eval", "train"])
def test_without_a_trap_every_stage_agrees(own: Path, stage: str) -> None:
    assert [check for check in run(own, stage) if not check.ok] == []


@pytest.mark.skipif(not STORED.exists(), reason="the stored fixture is not beside the project")
def test_the_plain_mean_of_guidance_is_not_the_published_inference(
    tmp_path: Path, monkeypatch: Patch
) -> None:
    """Trap 11: the fine guidance of the published inference is divided by the views twice."""
    for name in ("inputs.npz", "final.npz"):
        (tmp_path / name).symlink_to(STORED / name)
    net = read_network(STORED, read_scene(STORED).voxel_m)
    assert [c for c in finerecon_offline.checks(tmp_path, net) if not c.ok] == []
    monkeypatch.setattr(finerecon_offline, "GUIDANCE", "consistent")
    wrong = {check.name for check in finerecon_offline.checks(tmp_path, net) if not check.ok}
    assert {"final.npz/tsdf_grid", "final.npz/sample_tsdf"} <= wrong
