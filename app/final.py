"""The last word of a live scan: all keyframes, all the network can see, written into the volume."""

from dataclasses import dataclass

import numpy as np

from app.budget import budget
from engine.core.arrays import I64
from engine.core.grid import BRICK_VOXELS, FEATURE_VOXEL_M
from engine.core.news import Job, Progress
from engine.core.settings import Settings
from engine.nets.finerecon.model import FineRecon
from engine.recon.bricks import ABSENT
from engine.recon.compute import Compute
from engine.recon.final_bricks import AT_ONCE, bricks_inside, final_bricks
from engine.recon.finalise import Final, finalise, scene
from engine.recon.live import LiveRecon
from engine.recon.surface import FineSurface
from engine.runtime.meters import Meters
from engine.volume.volume import Volume


@dataclass(frozen=True, slots=True)
class LastPass:
    """What it takes to compute it.

    Attributes:
        compute: where and how precisely.
        memory_mb: how much it may take; None for most of what is free.
    """

    network: FineRecon
    compute: Compute
    memory_mb: int | None = None

    def run(
        self, recon: LiveRecon, volume: Volume, refined: I64, settings: Settings, meters: Meters
    ) -> Job[Final]:
        """Return the job that puts it in place of what the network said of `refined` before.

        Cancelled before the end, the volume shows what it showed.

        Raises:
            BadInput: no depth in range, or more memory needed than there is.
            OutOfRoom: the volume has no room for it.
        """
        shots = recon.shots()
        resolution_m = settings.volume.voxel_m
        with meters.stage("bounds"):
            lattice = scene(shots, FEATURE_VOXEL_M, resolution_m, settings.refine.reach_m)
        allowed = budget(self.memory_mb, self.compute)
        rate = round(FEATURE_VOXEL_M / resolution_m)
        last = yield from finalise(
            self.network, shots, lattice, rate, self.compute, allowed, meters
        )
        yield Progress("final", 0, 1)
        with meters.stage("supersede"):
            _write(last.surface, volume, refined, settings.refine.denies)
        return last


def _write(surface: FineSurface, volume: Volume, refined: I64, denies: bool) -> None:
    said = np.zeros(0, np.int64)
    for keys, values in final_bricks(surface, denies):
        volume.refine(keys, values)
        said = np.concatenate([said, keys])
    volume.unrefine(np.setdiff1d(refined, said))
    if denies:
        others = np.setdiff1d(bricks_inside(surface, volume.pool.keys()), said)
        nothing = np.full((AT_ONCE, *(BRICK_VOXELS,) * 3), ABSENT, np.int16)
        for start in range(0, len(others), AT_ONCE):
            part = others[start : start + AT_ONCE]
            volume.refine(part, nothing[: len(part)])
