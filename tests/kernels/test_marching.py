import numpy as np

from engine.core.grid import BRICK_VOXELS
from engine.kernels.integrate import Layers
from engine.kernels.marching import EDGE_START, case_table, extract

CORNERS = np.array([[c & 1, c >> 1 & 1, c >> 2 & 1] for c in range(8)], float)


def edge_middle(edge: int) -> np.ndarray:
    start = CORNERS[EDGE_START[edge]].copy()
    start[edge // 4] += 0.5
    return start


def test_every_case_closes_within_the_cell_except_on_its_faces():
    triangles, counts = case_table()
    for case in range(256):
        sides: dict[tuple[int, int], int] = {}
        for triangle in triangles[case, : counts[case]].tolist():
            for a, b in zip(triangle, triangle[1:] + triangle[:1], strict=True):
                sides[(a, b)] = sides.get((a, b), 0) + 1
        assert all(n == 1 for n in sides.values())
        for a, b in sides:
            if (b, a) not in sides:
                # An open side must run along one face of the cell.
                middle = edge_middle(a), edge_middle(b)
                shared = [
                    axis
                    for axis in range(3)
                    if middle[0][axis] == middle[1][axis] and middle[0][axis] in (0, 1)
                ]
                assert shared, (case, a, b)


def test_single_corner_faces_away_from_the_inside():
    triangles, counts = case_table()
    for corner in range(8):
        assert counts[1 << corner] == 1
        a, b, c = (edge_middle(e) for e in triangles[1 << corner, 0])
        assert np.cross(b - a, c - a) @ (a - CORNERS[corner]) > 0


def test_no_surface_without_known_corners():
    shape = (1, *(BRICK_VOXELS,) * 3)
    tsdf = np.where(np.arange(16) < 8, 100, -100).astype(np.int32) * np.ones(shape, np.int32)
    layers = Layers(tsdf, np.full(shape, 10, np.int32), np.zeros((*shape, 4), np.int32))
    slots = np.array([[0, -1, -1, -1, -1, -1, -1, -1]], np.int32)
    cells = np.zeros((1, 3), np.int32)
    (piece,) = extract(layers, slots, cells, 0.02, min_weight=5)
    assert piece.face_count[0] == 2 * 15 * 15
    assert np.allclose(piece.vertices[:, 2], 7.5 * 0.02)
    (nothing,) = extract(layers, slots, cells, 0.02, min_weight=11)
    assert len(nothing.faces) == 0
