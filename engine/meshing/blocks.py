"""The surface kept up to date: only bricks that changed are meshed again."""

from collections.abc import Iterable
from typing import Protocol

import numpy as np

from engine.core.arrays import I32, I64
from engine.core.grid import Grid, neighbours, unpack
from engine.core.surface import Grade, MeshPatch
from engine.kernels.integrate import WEIGHT_ONE, Layers, Rule
from engine.kernels.marching import extract

# Offsets of a brick and its seven upper neighbours, in the order `extract` expects.
UPPER = np.array([[i & 1, i >> 1 & 1, i >> 2 & 1] for i in range(8)], np.int32)


class Lattice(Protocol):
    """What the mesher reads: the volume."""

    grid: Grid
    layers: Layers
    rule: Rule

    def slots(self, keys: I64) -> I32:
        """Return the slot of each brick, -1 where there is none."""
        ...


class BlockMesher:
    """Holds one patch for every brick that has surface.

    The patches are a function of the volume alone: whatever order bricks changed in, and however
    often they were meshed, the result is what meshing everything once would give.
    """

    def __init__(self, lattice: Lattice, min_weight: float) -> None:
        """Start empty; cells with a corner of less than `min_weight` carry no surface."""
        self._lattice = lattice
        self._min_weight = round(min_weight * WEIGHT_ONE)
        self._revision = 0
        self.patches: dict[int, MeshPatch] = {}
        self.faces = 0

    def update(self, changed: I64) -> list[MeshPatch]:
        """Mesh the bricks that changed and those that read them; return every patch that differs.

        A brick that lost its surface is reported once, as a patch without faces.
        """
        if len(changed) == 0:
            return []
        affected = np.unique(neighbours(changed, -UPPER))
        slots = self._lattice.slots(neighbours(affected, UPPER))
        exists = slots[:, 0] >= 0
        gone, affected, slots = affected[~exists], affected[exists], slots[exists]
        self._revision += 1
        news = [self._forget(key) for key in gone.tolist() if key in self.patches]
        pieces = extract(
            self._lattice.layers,
            slots,
            unpack(affected),
            self._lattice.grid.voxel_m,
            self._min_weight,
            self._lattice.rule.near,
        )
        key_of = iter(affected.tolist())
        for piece in pieces:
            v, f = 0, 0
            for vertex_count, face_count, is_refined in zip(
                piece.vertex_count.tolist(),
                piece.face_count.tolist(),
                piece.is_refined.tolist(),
                strict=True,
            ):
                key = next(key_of)
                if face_count:
                    # Copies, so that a patch does not keep its whole piece in memory.
                    news.append(
                        MeshPatch(
                            key,
                            self._revision,
                            piece.vertices[v : v + vertex_count].copy(),
                            piece.faces[f : f + face_count].copy(),
                            piece.colors[v : v + vertex_count].copy(),
                            piece.vertex_keys[v : v + vertex_count].copy(),
                            Grade.REFINED if is_refined else Grade.DRAFT,
                            piece.is_observed[v : v + vertex_count].copy(),
                            piece.confidence[v : v + vertex_count].copy(),
                        )
                    )
                    self._keep(news[-1])
                elif key in self.patches:
                    news.append(self._forget(key))
                v, f = v + vertex_count, f + face_count
        return news

    def _keep(self, patch: MeshPatch) -> None:
        old = self.patches.get(patch.key)
        self.faces += len(patch.faces) - (len(old.faces) if old else 0)
        self.patches[patch.key] = patch

    def _forget(self, key: int) -> MeshPatch:
        self.faces -= len(self.patches.pop(key).faces)
        return empty_patch(key, self._revision)


def empty_patch(key: int, revision: int) -> MeshPatch:
    """Return the patch that says: this brick has no surface any more."""
    return MeshPatch(
        key,
        revision,
        np.zeros((0, 3), np.float32),
        np.zeros((0, 3), np.int32),
        np.zeros((0, 3), np.uint8),
        np.zeros(0, np.int64),
    )


def in_order(patches: Iterable[MeshPatch]) -> list[MeshPatch]:
    """Return patches sorted by brick, so that joining them does not depend on history."""
    return sorted(patches, key=lambda patch: patch.key)
