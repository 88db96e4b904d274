"""The network and the scene that a FineRecon fixture describes."""

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from engine.core.faults import BadInput
from engine.evaluation.parity.fixture import REMEDY, read_arrays, read_json
from engine.evaluation.parity.recipe import fill
from engine.evaluation.parity.state_dict import built, read_recipe, read_tensors
from engine.nets.finerecon.config import FineReconConfig
from engine.nets.finerecon.model import FineRecon
from engine.nets.finerecon.projection import world_to_camera
from engine.recon.lattice import Lattice, lattice_between

# The 2D networks enlarge by whole factors from a sixteenth of the picture.
MULTIPLE_PX = 16
# Larger volumes and grids than any scene has would only fill the memory.
MOST_VOXELS, MOST_SAMPLES = 2**23, 2**30
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
    if not len(rgb):
        raise BadInput("The fixture has no pictures.", REMEDY)
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
    scene = Scene(
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
    voxels = math.prod(scene.box().dims)
    if voxels > MOST_VOXELS or voxels * rate**3 > MOST_SAMPLES:
        raise BadInput(f"A box of {voxels} voxels in {rate} parts each is too large.", REMEDY)
    return scene


def decimal(number: np.ndarray) -> float:
    """Return 0.04 for the single precision number nearest to it."""
    return float(str(number.reshape(())[()]))


def read_config(folder: Path, voxel_m: float) -> FineReconConfig:
    """Return the configuration of a manifest: widths by shape, the rest by its own words.

    Raises:
        BadInput: the entries are not those of FineRecon, or it describes what does not exist.
    """
    try:
        shapes = {entry["name"]: entry["shape"] for entry in read_tensors(folder)}
        described = FineReconConfig.from_shapes(shapes)
        guide = read_json(folder, "manifest.json")["configuration"]["depth_guidance"]
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


def read_network(folder: Path, voxel_m: float) -> FineRecon:
    """Return the fixture's network with its weights, in evaluation mode.

    Raises:
        BadInput: manifest or recipe cannot be used.
    """
    config = read_config(folder, voxel_m)
    network = built(lambda: FineRecon(config)).eval()
    fill(network.state_dict(), read_recipe(read_json(folder, "fixture.json")))
    return network


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(array.astype(np.float32))
