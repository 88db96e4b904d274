"""Patches joined into one mesh; vertices on shared edges become one."""

from collections.abc import Iterable

import numpy as np

from engine.core.arrays import I64, Bool
from engine.core.surface import Mesh, MeshPatch
from engine.meshing.blocks import in_order


def weld(patches: Iterable[MeshPatch]) -> Mesh:
    """Return one mesh in which neighbouring bricks share their border vertices.

    Vertices are ordered by the lattice edge they lie on and faces by brick, so equal volumes give
    equal meshes, vertex for vertex, however the patches came about. It says which vertices were
    observed as soon as one patch does.
    """
    ordered = in_order(patches)
    if not ordered:
        return Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32), None)
    keys = np.concatenate([patch.vertex_keys for patch in ordered])
    _, first, position = np.unique(keys, return_index=True, return_inverse=True)
    starts = np.cumsum([0, *(len(patch.vertices) for patch in ordered[:-1])])
    faces = np.concatenate(
        [patch.faces + start for patch, start in zip(ordered, starts, strict=True)]
    )
    return Mesh(
        np.concatenate([patch.vertices for patch in ordered])[first],
        position[faces].astype(np.int32),
        np.concatenate([patch.colors for patch in ordered])[first],
        _observed(ordered, first),
    )


def _observed(patches: list[MeshPatch], kept: I64) -> Bool | None:
    if all(patch.is_observed is None for patch in patches):
        return None
    flags = [
        np.ones(len(patch.vertices), bool) if patch.is_observed is None else patch.is_observed
        for patch in patches
    ]
    return np.concatenate(flags)[kept]
