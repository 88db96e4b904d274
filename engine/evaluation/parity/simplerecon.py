"""SimpleRecon against the stored outputs of a fixture folder."""

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from engine.core.faults import BadInput
from engine.depth import keyframes
from engine.evaluation.parity.check import Check, close, equal, norms
from engine.evaluation.parity.fixture import (
    REMEDY,
    Entries,
    optional_arrays,
    read_arrays,
    read_json,
)
from engine.evaluation.parity.recipe import fill
from engine.evaluation.parity.state_dict import (
    built,
    manifest_check,
    read_recipe,
    read_tensors,
    weights_checks,
)
from engine.nets.simplerecon.config import SimpleReconConfig
from engine.nets.simplerecon.geometry import scaled
from engine.nets.simplerecon.losses import Losses, valid_depth
from engine.nets.simplerecon.model import RESULT_SHRINK, SimpleRecon, normalised

# The tolerances the fixture's README recommends; absolute, but relative for losses and gradients.
FLOAT_TOL = 2e-4
LOOSER = dict.fromkeys(("cost_volume", "mlp_input", "mlp_output"), 1e-3)
# Not in the README: normals are quotients of small differences of depth.
LOOSER |= dict.fromkeys(("normals_gt", "normals_pred"), 1e-3)
TRAINED_DEPTH_TOL = 2e-3
LOSS_RTOL = 1e-3
GRADIENT_RTOL = 0.01
GRADIENT_FLOOR = 1e-3
DISTANCE_TOL = 1e-6
# Share of pixels whose best plane may hang on a tie.
TIES = 1e-3
SINGULAR = 1e-6

Outputs = Mapping[str, Tensor | ArrayLike]
Result = TypeVar("Result")
Checking = Generator[Check, None, Result]


@dataclass(frozen=True, slots=True)
class Scene:
    """A reference and its sources as a fixture stores them, a batch of one.

    Attributes:
        images_bv3hw: normalised, the reference first.
        K_bv33: cameras of the pictures.
        T_world_cam_bv44: where they stood.
        truth_bv1hw: depth at half the size, NaN unknown.
    """

    images_bv3hw: Tensor
    K_bv33: Tensor
    T_world_cam_bv44: Tensor
    truth_bv1hw: Tensor


def checks(folder: Path) -> Iterator[Check]:
    """Yield a check for everything that the fixture stores.

    Files the fixture does not have are not checked.

    Raises:
        BadInput: a file is damaged, or lacks what the others need.
    """
    config = read_config(folder)
    with torch.device("meta"):
        yield manifest_check(folder, SimpleRecon(config))
    scene = read_scene(folder)
    network = read_network(folder, config, scene)
    yield from weights_checks(read_json(folder, "fixture.json"), network)
    with torch.no_grad():
        yield from evaluation(folder, network, scene)
    yield from train_step(folder, network, scene)
    yield from keyframe_rules(folder)


def read_config(folder: Path) -> SimpleReconConfig:
    """Return the configuration of the manifest.

    Raises:
        BadInput: its entries do not make this network.
    """
    shapes = {entry["name"]: entry["shape"] for entry in read_tensors(folder)}
    try:
        size = read_json(folder, "manifest.json")["configuration"]
        return SimpleReconConfig.from_shapes(shapes, (size["image_width"], size["image_height"]))
    except (KeyError, TypeError, ValueError) as fault:
        raise BadInput(
            f"The manifest describes no SimpleRecon network ({fault}).", REMEDY
        ) from None


def read_scene(folder: Path) -> Scene:
    """Return the pictures, cameras and depths of a fixture.

    Raises:
        BadInput: an array is missing or has another shape than the others.
    """
    stored = read_arrays(folder, "inputs.npz")
    rgb = stored.array("rgb", None, 3, None, None)
    views, _, height, width = rgb.shape
    depth = stored.array("depth", views, height // RESULT_SHRINK, width // RESULT_SHRINK)
    poses, K_44 = stored.array("poses", views, 4, 4), stored.array("K_image", 4, 4)
    for what, matrices in (("pose", poses), ("camera", K_44)):
        is_finite = bool(np.isfinite(matrices).all())
        if not (is_finite and (np.abs(np.linalg.det(matrices)) > SINGULAR).all()):
            raise BadInput(f"A {what} of the fixture cannot be inverted.", REMEDY)
    K_33 = _tensor(K_44)[:3, :3]
    return Scene(
        normalised(torch.from_numpy(rgb))[None],
        K_33.expand(1, views, 3, 3),
        _tensor(poses)[None],
        valid_depth(_tensor(depth))[None, :, None],
    )


def read_network(folder: Path, config: SimpleReconConfig, scene: Scene) -> SimpleRecon:
    """Return the network for the scene's pictures with the fixture's weights, for evaluation.

    Raises:
        BadInput: the pictures do not fit the network, or the weights have no recipe.
    """
    fixture = read_json(folder, "fixture.json")
    constants = fixture["constant_buffers"]
    if not isinstance(constants, list) or not all(isinstance(name, str) for name in constants):
        raise BadInput("The constant buffers in fixture.json are no list of names.", REMEDY)
    recipe = read_recipe(fixture, frozenset(constants))
    views, _, height, width = scene.images_bv3hw.shape[1:]
    if views != config.sources + 1:
        raise BadInput(
            f"{views} pictures do not fit a network of {config.sources} sources.", REMEDY
        )
    if (height, width) != (fixture["image_height"], fixture["image_width"]):
        raise BadInput(f"Pictures of {width}x{height} are not what fixture.json says.", REMEDY)
    try:
        sized = replace(config, image_width=width, image_height=height)
    except ValueError as fault:
        raise BadInput(f"The fixture's network cannot be built ({fault}).", REMEDY) from None
    network = built(lambda: SimpleRecon(sized)).eval()
    fill(network.state_dict(), recipe)
    return network


def evaluation(folder: Path, network: SimpleRecon, scene: Scene) -> Iterator[Check]:
    """Yield checks of a pass in evaluation mode, stage by stage."""
    levels = network.encoder(scene.images_bv3hw[:, 0])
    matching_bvchw = network.match(scene.images_bv3hw)
    yield from features(folder, levels, matching_bvchw)
    joined = yield from volume(folder, network, scene, levels, matching_bvchw)
    log_depths = network.depth_decoder((levels[0], *joined))
    yield from depth(folder, log_depths)
    yield from losses(folder, network, scene, log_depths)


def features(folder: Path, levels: tuple[Tensor, ...], matching_bvchw: Tensor) -> Iterator[Check]:
    """Yield checks of both encoders."""
    if stored := optional_arrays(folder, "features.npz"):
        ours = {f"encoder_{i}": level[0] for i, level in enumerate(levels)}
        yield from compare(stored, {"matching": matching_bvchw[0], **ours}, FLOAT_TOL)


def volume(
    folder: Path,
    network: SimpleRecon,
    scene: Scene,
    levels: tuple[Tensor, ...],
    matching_bvchw: Tensor,
) -> Checking[tuple[Tensor, ...]]:
    """Yield checks of the cost volume and its encoder; return the encoder's features."""
    swept = network.sweep(matching_bvchw, network.cameras(scene.K_bv33, scene.T_world_cam_bv44))
    joined: tuple[Tensor, ...] = network.cost_volume_net(swept.cost_bdhw, levels[1:])
    if stored := optional_arrays(folder, "cost_volume.npz"):
        ours: dict[str, Tensor | ArrayLike] = {
            "cost_volume": swept.cost_bdhw[0],
            "depth_planes": network.cost_volume.planes_m(),
            "lowest_cost": swept.best_depth_bhw[0],
            "overall_mask": swept.mask_bhw[0],
            **{f"cv_encoder_{i}": level[0] for i, level in enumerate(joined)},
        }
        given = ("mlp_plane", "mlp_row", "mlp_col")
        if "mlp_plane" in stored.values:
            index = [torch.from_numpy(stored.array(name, None)).long() for name in given]
            sizes = swept.cost_bdhw.shape[1:]
            if any(((i < 0) | (i >= size)).any() for i, size in zip(index, sizes, strict=True)):
                raise BadInput("The fixture asks for cells outside the volume.", REMEDY)
            cells = metadata_cells(network, scene, matching_bvchw, index)
            ours["mlp_input"] = cells
            ours["mlp_output"] = network.cost_volume.mlp(cells).squeeze(-1)
        yield from compare(stored, ours, FLOAT_TOL, given)
    return joined


def metadata_cells(
    network: SimpleRecon, scene: Scene, matching_bvchw: Tensor, index: list[Tensor]
) -> Tensor:
    """Return the metadata (m, f) of cells given by plane, row and column."""
    plane_m, row_m, column_m = index
    cameras = network.cameras(scene.K_bv33, scene.T_world_cam_bv44)
    height, width = matching_bvchw.shape[-2:]
    planes = network.cost_volume.planes_m()
    cells = torch.zeros(len(plane_m), network.config.mlp_widths[0])
    for plane in torch.unique(plane_m):
        seen = network.cost_volume.sweep(planes[plane, None], cameras, height, width)
        known = network.cost_volume.compare(
            seen, matching_bvchw[:, 0], matching_bvchw[:, 1:], cameras.T_src_ref_bv44
        )
        here = plane_m == plane
        cells[here] = known[0, 0, (row_m * width + column_m)[here]]
    return cells


def depth(folder: Path, log_depths: tuple[Tensor, ...]) -> Iterator[Check]:
    """Yield checks of the decoder."""
    if stored := optional_arrays(folder, "depth.npz"):
        ours = {f"log_depth_s{s}": log_depth[0, 0] for s, log_depth in enumerate(log_depths)}
        yield from compare(stored, ours, FLOAT_TOL)


def losses(
    folder: Path, network: SimpleRecon, scene: Scene, log_depths: tuple[Tensor, ...]
) -> Iterator[Check]:
    """Yield checks of all loss terms, of normals, and of the pass with pictures mirrored."""
    stored = optional_arrays(folder, "losses.npz")
    if stored is None:
        return
    K_b33 = scaled(scene.K_bv33[:, 0], RESULT_SHRINK)
    views = scene.images_bv3hw, scene.K_bv33, scene.T_world_cam_bv44
    ours = {
        "normals_gt": network.compute_normals(scene.truth_bv1hw[:, 0], K_b33)[0],
        "normals_pred": network.compute_normals(log_depths[0].exp(), K_b33)[0],
        "flip_log_depth_s0": network(*views, is_mirrored=True).log_depths[0][0, 0],
    }
    terms = loss_terms(network, scene, log_depths)._asdict()
    yield from compare(stored, {**ours, **terms}, FLOAT_TOL)


def train_step(folder: Path, network: SimpleRecon, scene: Scene) -> Iterator[Check]:
    """Yield checks of a training-mode pass: prediction, losses and gradient norms.

    Computed in double, so that only the stored numbers carry rounding: batch statistics of the
    smallest maps amplify it a thousandfold.
    """
    stored = optional_arrays(folder, "train_step.npz")
    if stored is None:
        return
    trained = SimpleRecon(network.config).train()
    trained.load_state_dict(network.state_dict())
    trained.double()
    scene = Scene(
        scene.images_bv3hw.double(),
        scene.K_bv33.double(),
        scene.T_world_cam_bv44.double(),
        scene.truth_bv1hw.double(),
    )
    log_depths = trained(scene.images_bv3hw, scene.K_bv33, scene.T_world_cam_bv44).log_depths
    ours = {"log_depth_s0": log_depths[0][0, 0], **loss_terms(trained, scene, log_depths)._asdict()}
    yield from compare(stored, ours, TRAINED_DEPTH_TOL, ("grad_names", "grad_norms"))
    if "grad_names" not in stored.values:
        return
    # The multi-view term's gradient has a pole where a point meets a source's own plane: it is
    # taken at the stored prediction, since a change by rounding would move it by half.
    there = torch.from_numpy(stored.array("log_depth_s0", *log_depths[0].shape[2:])).double()
    finest = log_depths[0] + (there - log_depths[0]).detach()
    torch.autograd.backward(loss_terms(trained, scene, (finest, *log_depths[1:])).loss)
    ours_norms = {
        name: 0.0 if p.grad is None else float(p.grad.norm())
        for name, p in trained.named_parameters()
    }
    names = stored.words("grad_names")
    wanted = stored.array("grad_norms", len(names))
    yield Check("train_step.npz/grad_names", float(len(ours_norms.keys() ^ set(names))), 0.0)
    yield norms(
        "train_step.npz/grad_norms", ours_norms, names, wanted, GRADIENT_RTOL, GRADIENT_FLOOR
    )


def loss_terms(network: SimpleRecon, scene: Scene, log_depths: tuple[Tensor, ...]) -> Losses:
    """Return every loss of a prediction."""
    return network.losses(log_depths, scene.truth_bv1hw, scene.K_bv33, scene.T_world_cam_bv44)


def keyframe_rules(folder: Path) -> Iterator[Check]:
    """Yield checks of keyframe selection and source selection on the stored path."""
    stored = optional_arrays(folder, "keyframes.npz")
    if stored is None:
        return
    poses = stored.array("poses", None, 4, 4)
    gaps = stored.array("dist_to_last_valid", len(poses))
    tuples = stored.array("online_tuples", None, None)
    rule = keyframes.KeyframeRule(sources=tuples.shape[1] - 1)
    steps = [np.linalg.inv(a) @ b for a, b in pairwise(poses)]
    ours = {
        "response": keyframes.online_responses(poses, gaps, rule),
        "online_tuples": keyframes.online_tuples(poses, gaps, rule),
        "offline_tuples": keyframes.offline_tuples(poses, rule),
        "dense_tuples": keyframes.dense_tuples(poses, rule),
        "consecutive_distance": np.array([keyframes.pose_distance(T) for T in steps]),
    }
    yield from compare(stored, ours, DISTANCE_TOL, ("poses", "dist_to_last_valid"))


def compare(
    stored: Entries, ours: Outputs, atol: float, given: tuple[str, ...] = ()
) -> Iterator[Check]:
    """Yield a check for every stored array but the given ones; what we lack is infinitely wrong."""
    for key, array in stored.values.items():
        name = f"{stored.file}/{key}"
        if key in given:
            continue
        if key not in ours:
            yield Check(name, float("inf"), 0.0)
        elif array.dtype.kind in "biu":
            yield equal(name, ours[key], array, excused=TIES if key == "overall_mask" else 0.0)
        elif array.ndim == 0:
            yield close(name, ours[key], array, LOSS_RTOL * abs(float(np.nan_to_num(array))))
        elif key == "lowest_cost":
            yield close(name, ours[key], array, FLOAT_TOL, excused=TIES)
        else:
            yield close(name, ours[key], array, LOOSER.get(key, atol))


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(array.astype(np.float32))
