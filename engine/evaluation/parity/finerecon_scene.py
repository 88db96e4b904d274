"""The network and the scene that a FineRecon fixture describes."""

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from engine.core.faults import BadInput
from engine.evaluation.parity.fixture import (
    REMEDY,
    Entries,
    numbers,
    read_arrays,
    read_json,
    record,
    whole,
)
from engine.evaluation.parity.recipe import SplitmixRecipe, fill
from engine.nets.finerecon.config import FineReconConfig
from engine.nets.finerecon.model import FineRecon
from engine.nets.finerecon.projection import world_to_camera
from engine.recon.lattice import Lattice, lattice_between

# The 2D networks enlarge by whole factors from a sixteenth of the picture.
MULTIPLE_PX = 16
# Determinants of poses are 1.
SINGULAR = 1e-6


@dataclass(frozen=True, slots=True)
class Scene:
    """Posed pictures with depth, and the box they were reconstructed in.

    Attributes:
        images_v3hw: Float, 0..1.
        depth_vhw: Metres, 0 unknown.
        K_color_33: Pixel centres at integers, as `K_depth_33`.
        T_world_cam_v44: Camera-to-world.
        voxel_m: Of the coarse volume.
        rate: Output samples per voxel and axis.
    """

    images_v3hw: Tensor
    depth_vhw: Tensor
    K_color_33: Tensor
    K_depth_33: Tensor
    T_world_cam_v44: Tensor
    origin_3: Tensor
    maxbound_3: Tensor
    voxel_m: float
    rate: int

    @property
    def image_hw(self) -> tuple[int, int]:
        """Return height and width of the pictures."""
        return self.images_v3hw.shape[-2], self.images_v3hw.shape[-1]

    @property
    def T_cam_world_v44(self) -> Tensor:
        """Return the inverse poses."""
        return world_to_camera(self.T_world_cam_v44)

    def box(self) -> Lattice:
        """Return the coarse volume's lattice."""
        return lattice_between(self.origin_3.tolist(), self.maxbound_3.tolist(), self.voxel_m)


def read_scene(folder: Path) -> Scene:
    """Return the scene of `inputs.npz`.

    Raises:
        BadInput: an array is missing or does not fit the others.
    """
    stored = read_arrays(folder, "inputs.npz")
    rgb = stored.array("rgb", None, 3, None, None)
    if any(side % MULTIPLE_PX for side in rgb.shape[2:]):
        raise BadInput(
            f"Pictures of {rgb.shape[3]}x{rgb.shape[2]} do not fit the network.",
            f"Use multiples of {MULTIPLE_PX}.",
        )
    poses = stored.array("poses", len(rgb), 4, 4)
    voxel_m, rate = decimal(stored.array("voxel_size")), int(stored.array("output_sample_rate"))
    if not (np.isfinite(poses).all() and (np.abs(np.linalg.det(poses)) > SINGULAR).all()):
        raise BadInput("A pose of the fixture is no rigid motion.", REMEDY)
    if not voxel_m > 0 or rate < 1:
        raise BadInput(f"A voxel of {voxel_m} m in {rate} parts means nothing.", REMEDY)
    return Scene(
        images_v3hw=_tensor(rgb) / 255,
        depth_vhw=_tensor(stored.array("depth", len(rgb), None, None)),
        K_color_33=_tensor(stored.array("K_color", 3, 3)),
        K_depth_33=_tensor(stored.array("K_depth", 3, 3)),
        T_world_cam_v44=_tensor(poses),
        origin_3=_tensor(stored.array("gt_origin", 3)),
        maxbound_3=_tensor(stored.array("gt_maxbound", 3)),
        voxel_m=voxel_m,
        rate=rate,
    )


def decimal(number: np.ndarray) -> float:
    """Return 0.04 for the single precision number nearest to it."""
    return float(str(number.reshape(())[()]))


def read_config(manifest: Entries, voxel_m: float) -> FineReconConfig:
    """Return the configuration of a manifest: widths by shape, the rest by its own words.

    Raises:
        BadInput: the entries are not those of FineRecon, or it describes what does not exist.
    """
    try:
        shapes = {entry["name"]: entry["shape"] for entry in read_tensors(manifest)}
        described = FineReconConfig.from_shapes(shapes)
        guide = manifest["configuration"]["depth_guidance"]
        kinds = [k for k in ("tsdf", "density") if guide[f"{k}_fusion_channel"]]
        if len(kinds) > 1:
            raise ValueError("Only one kind of guidance channel is known.")
        return replace(
            described,
            guidance=kinds[0] if kinds and guide["enabled"] else "none",
            bp_weighting=guide["bp_weighting"] if guide["enabled"] else "none",
            voxel_m=voxel_m,
        )
    except (KeyError, TypeError, ValueError) as fault:
        raise BadInput(f"The manifest describes no FineRecon network ({fault}).", REMEDY) from None


def read_tensors(manifest: Entries) -> list[dict[str, Any]]:
    """Return the entries of a manifest, each with name, shape, dtype and kind.

    Raises:
        BadInput: there is no list of such entries.
    """
    tensors = manifest["tensors"]
    if not isinstance(tensors, list):
        raise BadInput("The manifest lists no tensors.", REMEDY)
    for entry in tensors:
        record("A tensor", entry, "name", "shape", "dtype", "kind")
        if not all(isinstance(entry[key], str) for key in ("name", "dtype", "kind")):
            raise BadInput("A tensor of the manifest has no name or type.", REMEDY)
        whole("The shape of a tensor", entry["shape"])
    return tensors


def read_recipe(fixture: Entries) -> SplitmixRecipe:
    """Return the weight recipe of `fixture.json`.

    Raises:
        BadInput: another kind of recipe, or one without its numbers.
    """
    recipe, kind = dict(record("recipe", fixture["recipe"])), "splitmix64-uniform"
    if recipe.pop("kind", None) != kind:
        raise BadInput(f"The fixture's weights are not made by {kind!r}.", REMEDY)
    known = {field.name for field in fields(SplitmixRecipe)} - {"seed", "constants"}
    if recipe.keys() - known:
        raise BadInput(f"The recipe has unknown numbers: {sorted(recipe.keys() - known)}.", REMEDY)
    numbers("recipe", *recipe.values())
    return SplitmixRecipe(whole("seed", [fixture["seed"]])[0], **recipe)


def read_network(folder: Path, voxel_m: float) -> FineRecon:
    """Return the fixture's network with its weights, in evaluation mode.

    Raises:
        BadInput: manifest or recipe cannot be used.
    """
    network = FineRecon(read_config(read_json(folder, "manifest.json"), voxel_m)).eval()
    fill(network.state_dict(), read_recipe(read_json(folder, "fixture.json")))
    return network


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(array.astype(np.float32))
