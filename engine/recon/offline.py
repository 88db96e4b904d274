"""FineRecon over a finished recording, in the published order of operations.

arXiv 2304.01480, sections 3.1 to 3.3: running means of every view, one pass of the 3D network
over the whole volume, occupancy, then the signed distance at fine points inside occupied voxels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.core.faults import BadInput
from engine.core.news import Job, Progress
from engine.nets.finerecon.model import FineRecon
from engine.recon.coarse import CoarseVolume, occupancy_logits
from engine.recon.compute import ON_CPU, Compute
from engine.recon.fine import Guidance, Keyframes, points_of, portions, surface_logits
from engine.recon.lattice import MULTIPLE_VOX, Lattice
from engine.recon.memory import Budget
from engine.recon.surface import FineSurface
from engine.recon.views import View
from engine.runtime.meters import Meters

OCCUPIED_LOGIT = 0.0


@dataclass(frozen=True, slots=True)
class OfflineSettings:
    """How a recording is reconstructed.

    Attributes:
        rate: output samples a voxel and axis: 1, 2, 4 or 8.
        guidance: `consistent` for use, `compatible` to repeat the published inference.
        points_at_once: fine points read together; bounds memory, changes nothing else.
    """

    rate: int = 2
    guidance: Guidance = "consistent"
    points_at_once: int = 1 << 17


DEFAULTS = OfflineSettings()


@dataclass(frozen=True, slots=True)
class Reconstruction:
    """What came of it.

    Attributes:
        surface: the fine samples; `surface.mesh()` meshes them.
        features_cxyz: the 3D network's voxel features.
        logits_xyz: occupancy of every voxel; those above zero were refined.
        views_xyz: how many views saw each voxel.
        depths_xyz: how many depth pictures counted for each voxel.
    """

    surface: FineSurface
    features_cxyz: Tensor
    logits_xyz: Tensor
    views_xyz: Tensor
    depths_xyz: Tensor


def reconstruct(
    network: FineRecon,
    views: Sequence[View],
    lattice: Lattice,
    settings: OfflineSettings = DEFAULTS,
    compute: Compute = ON_CPU,
    budget: Budget | None = None,
    meters: Meters | None = None,
) -> Job[Reconstruction]:
    """Return the job that turns views into a fine surface; every view is a keyframe.

    The network must be in evaluation mode on the device of `compute`.

    Raises:
        BadInput: no view, a lattice the network cannot take, or more memory than `budget` allows.
    """
    meters = meters or Meters()
    check_given(network, len(views), lattice)
    if budget is not None:
        budget.check_volume(network.config, lattice, views, compute)
    volume = CoarseVolume(network, lattice, compute)
    for number, view in enumerate(views):
        yield Progress("views", number, len(views))
        with meters.stage("coarse"):
            volume.add(view)
    counts = (volume.sums.views_n, volume.sums.depths_n)
    views_xyz, depths_xyz = (count.view(lattice.dims) for count in counts)
    yield Progress("volume", 0, 1)
    with meters.stage("volume"):
        features = volume.features()
        logits = occupancy_logits(network, features, compute)
        voxels = (logits > OCCUPIED_LOGIT).nonzero()
    if budget is not None:
        budget.check_surface(network.config, lattice, views, compute, len(voxels), settings.rate)
    keyframes = Keyframes(network, compute, settings.guidance)
    for number, view in enumerate(views):
        yield Progress("keyframes", number, len(views))
        with meters.stage("fine"):
            keyframes.add(view)
    values = torch.empty(len(voxels), *(settings.rate,) * 3)
    for part in portions(len(voxels), max(1, settings.points_at_once // settings.rate**3)):
        yield Progress("points", part.start, len(voxels))
        with meters.stage("points"):
            points = points_of(lattice, voxels[part], settings.rate)
            reading = keyframes.read(points, features, lattice)
            tsdf = torch.tanh(surface_logits(network, reading, compute))
            values[part] = (0.5 * tsdf + 0.5).cpu().view(-1, *(settings.rate,) * 3)
    surface = FineSurface(lattice, settings.rate, voxels.cpu(), values)
    return Reconstruction(surface, features, logits, views_xyz, depths_xyz)


def check_given(network: FineRecon, views: int, lattice: Lattice) -> None:
    """Refuse what cannot be reconstructed.

    Raises:
        BadInput: no view, or a lattice the network cannot take.
    """
    if not views:
        raise BadInput(
            "There is no picture with a pose to reconstruct from.",
            "Use a recording with colour and poses.",
        )
    if any(n % MULTIPLE_VOX or n < MULTIPLE_VOX for n in lattice.dims):
        raise BadInput(
            f"A volume of {lattice.dims} voxels does not fit the network, which halves it twice.",
            f"Use multiples of {MULTIPLE_VOX}.",
        )
    if network.training:
        raise BadInput("The network is set to learn.", "Put it into evaluation mode first.")
