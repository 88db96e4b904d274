"""What a scan looked like before a network had the last word, to compare with."""

from dataclasses import replace

import numpy as np

from engine.core.arrays import I32, I64
from engine.core.surface import Mesh
from engine.kernels.integrate import Layers
from engine.meshing.blocks import BlockMesher
from engine.meshing.seams import weld
from engine.volume.volume import Volume

# Bricks meshed at a time: with their neighbours they fit into the smallest memory ceiling.
AT_ONCE = 256


class _Measured:
    """A volume as if no network had said anything of it."""

    def __init__(self, volume: Volume) -> None:
        self._volume = volume
        self.grid, self.rule = volume.grid, volume.rule
        layers = volume.layers
        # Zeros that nobody writes to take no memory.
        silent = np.zeros(layers.refined.shape, layers.refined.dtype)
        self.layers: Layers = replace(
            layers, refined=silent, is_refined=np.zeros_like(layers.is_refined)
        )

    def slots(self, keys: I64) -> I32:
        return self._volume.slots(keys)


def measured_surface(volume: Volume, min_weight: float) -> Mesh:
    """Return the surface of what was measured alone.

    Raises:
        OutOfRoom: part of it is on disk and cannot be brought back.
    """
    mesher = BlockMesher(_Measured(volume), min_weight)
    keys = volume.pool.keys()
    for start in range(0, len(keys), AT_ONCE):
        volume.pool.begin(volume.pool.center_m)
        mesher.update(keys[start : start + AT_ONCE])
    return weld(mesher.patches.values())
