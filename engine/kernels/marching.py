"""Marching cubes over bricks, compiled; vertices are named by the lattice edge they lie on."""

from typing import NamedTuple

import numba
import numpy as np

from engine.core.arrays import F32, I32, I64, U8, Bool
from engine.core.grid import BRICK_VOXELS
from engine.kernels.cases import EDGE_START, MAX_TRIANGLES, case_table
from engine.kernels.integrate import ABSENT, REFINED_ONE, TSDF_ONE, WEIGHT_ONE, Layers
from engine.kernels.parallel import over_slices

# Samples stay this far from a lattice point, so that no triangle collapses to a point.
MARGIN = 1e-3
# Grey where no photograph ever looked.
UNSEEN = 128
# Brings a refined sample to the unit of tsdf / weight, so that an edge may have one of each.
REFINED_UNIT = TSDF_ONE / WEIGHT_ONE / REFINED_ONE
# A surface is as sure as it gets after this many measurements of full weight: the noise of a depth
# camera has averaged to a third by then, and more of it tells nobody where to go next.
SURE_WEIGHT = 8 * WEIGHT_ONE
# 62 bits: twenty a coordinate, two for the axis.
VERTEX_BITS = 20


class BrickMeshes(NamedTuple):
    """Surfaces of several bricks, one after the other; `vertex_count[i]` belong to brick i.

    Faces index the vertices of their own brick. `is_observed` holds for a vertex when at either end
    of its lattice edge the measured surface is near. `is_refined` holds for a brick when a vertex
    lies between two refined samples, the lower of which is its own. `confidence` is the measured
    weight at that end of the lattice edge which has less, 255 from `SURE_WEIGHT` on.
    """

    vertices: F32
    vertex_keys: I64
    colors: U8
    faces: I32
    vertex_count: I32
    face_count: I32
    is_observed: Bool
    is_refined: Bool
    confidence: U8


def extract(
    layers: Layers,
    slots: I32,
    cells: I32,
    voxel_m: float,
    min_weight: int,
    near: float = np.inf,
) -> list[BrickMeshes]:
    """Return the surface in every brick, in pieces that together cover the bricks in order.

    A brick owns the cells whose lowest corner it holds, so it reads its neighbours' first voxels.
    A sample is what the network says of it, and what was measured where the network is silent. It
    is the same for all cells that read it, so there is no crack where the two meet.

    Args:
        layers: the surface lattice.
        slots: (n, 8) slot of each brick and its seven upper neighbours, -1 where there is none;
            column dx + 2 dy + 4 dz.
        cells: (n, 3) brick coordinates.
        voxel_m: voxel edge.
        min_weight: a cell with a measured corner of less weight has no surface, nor has one with a
            corner where the network says there is none.
        near: a measured surface is near where |tsdf| / weight is less.
    """
    triangles, counts = case_table()

    def kernel(start: int, stop: int) -> BrickMeshes:
        return BrickMeshes(
            *_extract(
                layers.tsdf,
                layers.weight,
                layers.color,
                layers.refined,
                layers.is_refined,
                slots[start:stop],
                cells[start:stop],
                voxel_m,
                max(1, min_weight),
                near,
                triangles,
                counts,
                EDGE_START,
            )
        )

    return over_slices(kernel, len(slots))


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _extract(  # type: ignore[no-untyped-def]
    tsdf, weight, color, refined, is_refined, slots, cells, voxel, min_weight, near, triangles,
    counts, edge_start,
):  # fmt: skip
    """Mesh each brick into scratch space of the largest possible size, then append what it gave."""
    m = BRICK_VOXELS + 1
    inside, known = np.empty((m, m), np.uint32), np.empty((m, m), np.uint32)
    vertex_of = np.full(m * m * m * 3, -1, np.int32)
    edges = np.empty(m * m * m * 3, np.int32)
    brick_faces = np.empty((MAX_TRIANGLES * BRICK_VOXELS**3, 3), np.int32)
    bricks = slots.shape[0]
    vertices = np.empty((512 * bricks, 3), np.float32)
    keys = np.empty((512 * bricks, 1), np.int64)
    colors = np.empty((512 * bricks, 3), np.uint8)
    observed = np.empty((512 * bricks, 1), np.bool_)
    sure = np.empty((512 * bricks, 1), np.uint8)
    faces = np.empty((1024 * bricks, 3), np.int32)
    vertex_count, face_count = np.zeros(bricks, np.int32), np.zeros(bricks, np.int32)
    between_refined = np.zeros(bricks, np.bool_)
    v, f = 0, 0
    for b in range(bricks):
        if not _classify(tsdf, weight, refined, is_refined, slots[b], min_weight, inside, known):
            continue
        nv, nf = _connect(
            inside, known, triangles, counts, edge_start, vertex_of, edges, brick_faces
        )
        vertices, keys = _grown(vertices, v + nv), _grown(keys, v + nv)
        colors, faces = _grown(colors, v + nv), _grown(faces, f + nf)
        observed, sure = _grown(observed, v + nv), _grown(sure, v + nv)
        between_refined[b] = _place(
            tsdf, weight, color, refined, is_refined, near, slots[b], cells[b], voxel, edges[:nv],
            vertices[v : v + nv], keys[v : v + nv], colors[v : v + nv], observed[v : v + nv],
            sure[v : v + nv],
        )  # fmt: skip
        faces[f : f + nf] = brick_faces[:nf]
        for e in range(nv):
            vertex_of[edges[e]] = -1
        vertex_count[b], face_count[b] = nv, nf
        v, f = v + nv, f + nf
    return (
        vertices[:v], keys[:v, 0], colors[:v], faces[:f], vertex_count, face_count,
        observed[:v, 0], between_refined, sure[:v, 0],
    )  # fmt: skip


@numba.njit(nogil=True, cache=True)
def _grown(array, needed):  # type: ignore[no-untyped-def]
    if needed <= array.shape[0]:
        return array
    larger = np.empty((max(needed, 2 * array.shape[0]), array.shape[1]), array.dtype)
    larger[: array.shape[0]] = array
    return larger


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _classify(  # type: ignore[no-untyped-def]
    tsdf, weight, refined, is_refined, slots, min_weight, inside, known
):
    """Fill, for every x and y, bit sets over z = 0..16: inside the surface; known.

    Returns whether the brick can hold surface at all.
    """
    n = BRICK_VOXELS
    some, every = np.uint32(0), np.uint32(0xFFFFFFFF)
    flags = np.empty(2 * n, np.uint8)
    words = flags.view(np.uint64)
    for x in range(n + 1):
        for y in range(n + 1):
            i, j = x % n, y % n
            slot = slots[x // n + 2 * (y // n)]
            bits, sure = np.uint32(0), np.uint32(0)
            if slot >= 0:
                # Comparisons of a whole row become vector instructions when they end in bytes.
                if is_refined[slot]:
                    for k in range(n):
                        said = refined[slot, i, j, k]
                        flags[k] = (said < 0) | (said == 0) & (tsdf[slot, i, j, k] < 0)
                        enough = weight[slot, i, j, k] >= min_weight
                        flags[n + k] = (said == 0) & enough | (said != 0) & (said != ABSENT)
                else:
                    for k in range(n):
                        flags[k] = tsdf[slot, i, j, k] < 0
                        flags[n + k] = weight[slot, i, j, k] >= min_weight
                bits = _packed(words[0]) | _packed(words[1]) << np.uint32(8)
                sure = _packed(words[2]) | _packed(words[3]) << np.uint32(8)
            slot = slots[x // n + 2 * (y // n) + 4]
            if slot >= 0:
                below, sound = tsdf[slot, i, j, 0] < 0, weight[slot, i, j, 0] >= min_weight
                if is_refined[slot] and refined[slot, i, j, 0] != 0:
                    below = refined[slot, i, j, 0] < 0
                    sound = refined[slot, i, j, 0] != ABSENT
                bits |= np.uint32(below) << np.uint32(n)
                sure |= np.uint32(sound) << np.uint32(n)
            inside[x, y], known[x, y] = bits, sure
            some |= bits
            every &= bits
    return some != 0 and every != np.uint32((1 << (n + 1)) - 1)


@numba.njit(nogil=True, cache=True, inline="always")
def _packed(flags):  # type: ignore[no-untyped-def]
    """Return eight bytes of 0 or 1, held in one word, as eight bits, first byte lowest."""
    # The product moves byte k to bit 56 + k; no two bytes meet on the way.
    return np.uint32((flags * np.uint64(0x0102040810204080)) >> np.uint64(56))


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _connect(  # type: ignore[no-untyped-def]
    inside, known, triangles, counts, edge_start, vertex_of, edges, faces
):
    """Write the brick's faces, and the lattice edge of every vertex; return both counts.

    An edge is named ((x * 17 + y) * 17 + z) * 3 + axis by the lower of its two samples.
    """
    n = BRICK_VOXELS
    m = n + 1
    one = np.uint32(1)
    nv, nf = 0, 0
    for x in range(n):
        for y in range(n):
            a, b, c, d = inside[x, y], inside[x + 1, y], inside[x, y + 1], inside[x + 1, y + 1]
            some, every = a | b | c | d, a & b & c & d
            sure = known[x, y] & known[x + 1, y] & known[x, y + 1] & known[x + 1, y + 1]
            # Bit z: the cell from z to z + 1 has corners on both sides, all of them known.
            active = (some | (some >> one)) & ~(every & (every >> one)) & sure & (sure >> one)
            active &= np.uint32((1 << n) - 1)
            z = 0
            while active != 0:
                if active & one:
                    s = np.uint32(z)
                    low = ((a >> s) & one) | ((b >> s) & one) << one
                    low |= (((c >> s) & one) | ((d >> s) & one) << one) << np.uint32(2)
                    s = np.uint32(z + 1)
                    high = ((a >> s) & one) | ((b >> s) & one) << one
                    high |= (((c >> s) & one) | ((d >> s) & one) << one) << np.uint32(2)
                    case = low | (high << np.uint32(4))
                    cell = (x * m + y) * m + z
                    for triangle in range(counts[case]):
                        for corner in range(3):
                            edge = triangles[case, triangle, corner]
                            start = edge_start[edge]
                            point = (
                                cell + (start & 1) * m * m + ((start >> 1) & 1) * m + (start >> 2)
                            )
                            name = point * 3 + edge // 4
                            vertex = vertex_of[name]
                            if vertex < 0:
                                vertex = nv
                                vertex_of[name] = nv
                                edges[nv] = name
                                nv += 1
                            faces[nf, corner] = vertex
                        nf += 1
                active >>= one
                z += 1
    return nv, nf


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _place(  # type: ignore[no-untyped-def]
    tsdf, weight, color, refined, is_refined, near, slots, cell, voxel, edges, vertices, keys,
    colors, observed, sure,
):  # fmt: skip
    """Put each vertex where the distance along its lattice edge is zero, and colour it.

    Returns whether an edge of the brick's own lies between two refined samples.
    """
    n = BRICK_VOXELS
    m = n + 1
    half = np.int64(1) << (VERTEX_BITS - 1)
    is_between_refined = False
    near = np.float32(near)
    for e in range(edges.size):
        axis, point = edges[e] % 3, edges[e] // 3
        x, y, z = point // (m * m), point // m % m, point % m
        ax, ay, az = int(axis == 0), int(axis == 1), int(axis == 2)
        x1, y1, z1 = x + ax, y + ay, z + az
        slot0 = slots[x // n + 2 * (y // n) + 4 * (z // n)]
        slot1 = slots[x1 // n + 2 * (y1 // n) + 4 * (z1 // n)]
        i0, j0, k0, i1, j1, k1 = x % n, y % n, z % n, x1 % n, y1 % n, z1 % n
        # Where nothing was measured this is NaN, and NaN is not near.
        m0, m1 = weight[slot0, i0, j0, k0], weight[slot1, i1, j1, k1]
        d0 = np.float32(tsdf[slot0, i0, j0, k0]) / np.float32(m0)
        d1 = np.float32(tsdf[slot1, i1, j1, k1]) / np.float32(m1)
        sure[e, 0] = np.uint8(min(m0, m1, SURE_WEIGHT) * 255 // SURE_WEIGHT)
        observed[e, 0] = (abs(d0) < near) | (abs(d1) < near)
        if is_refined[slot0] | is_refined[slot1]:
            r0 = refined[slot0, i0, j0, k0]
            r1 = refined[slot1, i1, j1, k1]
            if r0 != 0:
                d0 = np.float32(r0) * np.float32(REFINED_UNIT)
            if r1 != 0:
                d1 = np.float32(r1) * np.float32(REFINED_UNIT)
            # An edge whose lower end lies in a neighbour says nothing of this brick.
            is_own = (x < n) & (y < n) & (z < n)
            is_between_refined |= is_own & (r0 != 0) & (r1 != 0)
        t = np.float64(d0 / (d0 - d1))
        if t < MARGIN or t > 1 - MARGIN:
            t = np.float64(MARGIN if t < MARGIN else 1 - MARGIN)
        gx, gy, gz = (
            np.int64(cell[0]) * n + x, np.int64(cell[1]) * n + y, np.int64(cell[2]) * n + z,
        )  # fmt: skip
        vertices[e, 0] = (gx + t * ax) * voxel
        vertices[e, 1] = (gy + t * ay) * voxel
        vertices[e, 2] = (gz + t * az) * voxel
        keys[e, 0] = (
            ((gx + half) << (2 * VERTEX_BITS + 2))
            | ((gy + half) << (VERTEX_BITS + 2))
            | ((gz + half) << 2)
            | axis
        )
        w0, w1 = color[slot0, i0, j0, k0, 3], color[slot1, i1, j1, k1, 3]
        share0 = np.float32(1 - t) / np.float32(w0) if w0 > 0 else np.float32(0)
        share1 = np.float32(t) / np.float32(w1) if w1 > 0 else np.float32(0)
        total = share0 * w0 + share1 * w1
        if total > 0:
            for channel in range(3):
                value = (
                    share0 * color[slot0, i0, j0, k0, channel]
                    + share1 * color[slot1, i1, j1, k1, channel]
                ) / total
                colors[e, channel] = np.uint8(min(255.0, value + 0.5))
        else:
            colors[e] = UNSEEN
    return is_between_refined
