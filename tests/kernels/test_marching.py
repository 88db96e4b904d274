import numpy as np
import pytest

from engine.core.grid import BRICK_VOXELS
from engine.kernels.integrate import ABSENT, REFINED_ONE, TSDF_ONE, WEIGHT_ONE, Layers
from engine.kernels.marching import EDGE_START, SURE_WEIGHT, UNSEEN, case_table, extract

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


SHAPE = (1, *(BRICK_VOXELS,) * 3)
ALONE = np.array([[0, -1, -1, -1, -1, -1, -1, -1]], np.int32)


def floor(weight=10):
    """Return one brick that is free below z = 7.5 voxels and solid above, and silent networks."""
    tsdf = np.where(np.arange(16) < 8, 100, -100).astype(np.int32) * np.ones(SHAPE, np.int32)
    return Layers(
        tsdf,
        np.full(SHAPE, weight, np.int32),
        np.zeros((*SHAPE, 4), np.int32),
        np.zeros(SHAPE, np.int16),
        np.zeros(1, bool),
    )


def test_no_surface_without_known_corners():
    layers, slots, cells = floor(), ALONE, np.zeros((1, 3), np.int32)
    (piece,) = extract(layers, slots, cells, 0.02, min_weight=5)
    assert piece.face_count[0] == 2 * 15 * 15
    assert np.allclose(piece.vertices[:, 2], 7.5 * 0.02)
    (nothing,) = extract(layers, slots, cells, 0.02, min_weight=11)
    assert len(nothing.faces) == 0


def meshed(layers, **more):
    (piece,) = extract(layers, ALONE, np.zeros((1, 3), np.int32), 1.0, 5, **more)
    return piece


def test_an_edge_between_the_said_and_the_measured_speaks_one_unit():
    layers = floor(weight=WEIGHT_ONE)
    # Measured: a quarter of a truncation in front. Said: half a truncation behind.
    layers.tsdf[..., :8] = TSDF_ONE // 4
    layers.refined[..., 8:] = -(REFINED_ONE + 1) // 2
    layers.is_refined[:] = True
    piece = meshed(layers)
    assert piece.vertices[:, 2] == pytest.approx(7 + 1 / 3, abs=1e-4)
    assert not piece.is_refined[0]
    layers.refined[..., :8] = REFINED_ONE // 4
    assert meshed(layers).vertices[:, 2] == pytest.approx(7 + 1 / 3, abs=1e-4)
    assert meshed(layers).is_refined[0]


def test_absent_samples_take_their_cells_and_no_others():
    layers = floor()
    layers.is_refined[:] = True
    layers.refined[0, 4, 5, :] = ABSENT
    assert meshed(layers).face_count[0] == 2 * (15 * 15 - 4)
    layers.refined[0, :, :, 0] = ABSENT  # far from the surface
    assert meshed(layers).face_count[0] == 2 * (15 * 15 - 4)


def test_what_is_said_needs_no_weight_and_has_no_colour():
    layers = floor(weight=0)
    layers.refined[:] = np.where(np.arange(16) < 3, 900, -300)
    assert len(meshed(layers).faces) == 0  # unless the brick is marked, nobody looks
    layers.is_refined[:] = True
    piece = meshed(layers)
    assert piece.face_count[0] == 2 * 15 * 15
    assert piece.vertices[:, 2] == pytest.approx(2.75, abs=1e-4)
    assert not piece.is_observed.any()
    assert (piece.colors == UNSEEN).all()


@pytest.mark.parametrize(("near", "is_near"), [(9.9, False), (10.1, True)])
def test_a_vertex_is_observed_where_the_measured_surface_is_near(near, is_near):
    assert (meshed(floor(), near=near).is_observed == is_near).all()


def test_confidence_is_the_lesser_weight_of_the_two_ends_and_stops_at_sure():
    layers = floor(weight=SURE_WEIGHT // 2)
    assert (meshed(layers).confidence == 127).all()
    layers.weight[..., 7] = WEIGHT_ONE  # one end of every edge that crosses the surface
    assert (meshed(layers).confidence == 31).all()
    layers.weight[:] = 60_000 * WEIGHT_ONE
    assert (meshed(layers).confidence == 255).all()


def test_what_is_only_said_is_not_sure():
    layers = floor(weight=0)
    layers.refined[:] = np.where(np.arange(16) < 3, 900, -300)
    layers.is_refined[:] = True
    assert (meshed(layers).confidence == 0).all()
    layers.weight[..., :3] = SURE_WEIGHT  # measured in front, but not behind
    assert (meshed(layers).confidence == 0).all()
