import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree
from skimage.measure import marching_cubes

from engine.core.faults import BadInput, Cancelled
from engine.recon import surface as surface_module
from engine.recon.lattice import Lattice
from engine.recon.surface import FineSurface
from engine.runtime.progress import run_job

# Crosses brick borders at every rate, and starts at no multiple of a brick.
LATTICE = Lattice((-0.7, 0.3, 1.1), (20, 24, 28), 0.04)
CENTER, RADIUS = np.array([-0.31, 0.77, 1.63]), 0.27


def ball(rate, band_m=0.1, keep=lambda voxels: np.ones(len(voxels), bool)):
    """Return samples of a ball, known only in voxels near its surface."""
    voxels = np.argwhere(np.ones(LATTICE.dims, bool))
    middle = LATTICE.points_at(torch.from_numpy(voxels)).numpy()
    near = np.abs(np.linalg.norm(middle - CENTER, axis=1) - RADIUS) < band_m
    voxels = torch.from_numpy(voxels[near & keep(voxels)])
    fine = LATTICE.refined(rate)
    steps = torch.stack(torch.meshgrid(*[torch.arange(rate)] * 3, indexing="ij"), -1)
    points = fine.points_at((voxels[:, None, None, None] * rate + steps).reshape(-1, 3)).numpy()
    distance = np.linalg.norm(points - CENTER, axis=1) - RADIUS
    values = (0.5 + 0.5 * np.tanh(distance / 0.04)).astype(np.float32)
    return FineSurface(LATTICE, rate, voxels, torch.from_numpy(values).view(-1, *(rate,) * 3))


def meshed(samples):
    return run_job(samples.mesh(), lambda _: None, lambda: False)


@pytest.mark.parametrize("rate", [1, 2, 4])
def test_the_mesh_lies_on_the_ball_and_is_closed(rate):
    mesh = meshed(ball(rate))
    off = np.abs(np.linalg.norm(mesh.vertices - CENTER, axis=1) - RADIUS)
    assert off.max() < 0.2 * (0.04 / rate)
    edges = np.sort(mesh.faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    assert (np.unique(edges, axis=0, return_counts=True)[1] == 2).all()
    # Counter-clockwise seen from free space: normals point away from the centre.
    outward = mesh.vertices[mesh.faces].mean(axis=1) - CENTER
    assert ((mesh.face_normals() * outward).sum(axis=1) > 0).all()


def test_unknown_samples_drop_faces_as_the_library_does_over_nan():
    # Without half of the shell, and without every seventh voxel.
    samples = ball(2, keep=lambda v: (v[:, 0] < 10) & ((v @ [1, 3, 5]) % 7 > 0))
    mesh = meshed(samples)
    vertices, faces, *_ = marching_cubes(samples.dense().numpy(), surface_module.LEVEL)
    faces = faces[~np.isnan(vertices).any(axis=1)[faces].any(axis=1)]
    fine = LATTICE.refined(2)
    theirs = vertices[np.unique(faces)] * fine.voxel_m + np.array(fine.origin_m)
    # A polygon with an unknown corner loses other triangles when it was cut another way.
    assert len(mesh.faces) == pytest.approx(len(faces), rel=0.05)
    assert (cKDTree(theirs).query(mesh.vertices)[0] < 1e-5).mean() > 0.97
    assert (cKDTree(mesh.vertices).query(theirs)[0] < 1e-5).mean() > 0.97
    assert 0 < len(faces) < 0.5 * len(meshed(ball(2)).faces)


def test_the_level_decides_where_the_surface_is(monkeypatch):
    monkeypatch.setattr(surface_module, "LEVEL", 0.6)
    off = np.linalg.norm(meshed(ball(4)).vertices - CENTER, axis=1) - RADIUS
    assert off == pytest.approx(0.04 * np.arctanh(0.2), abs=0.002)


def test_batches_do_not_show(monkeypatch):
    whole = meshed(ball(4))
    monkeypatch.setattr(surface_module, "BRICKS_AT_ONCE", 3)
    parts = meshed(ball(4))
    assert np.array_equal(whole.vertices, parts.vertices)
    assert len(whole.faces) == len(parts.faces)


def test_dense_holds_samples_where_they_belong_and_nan_elsewhere():
    samples = ball(2)
    dense = samples.dense()
    assert dense.shape == tuple(2 * n for n in LATTICE.dims)
    assert int((~dense.isnan()).sum()) == samples.values.numel()
    i, j, k = (samples.voxels[7] * 2 + torch.tensor([1, 0, 1])).tolist()
    assert dense[i, j, k] == samples.values[7, 1, 0, 1]


def test_nothing_occupied_is_an_empty_mesh():
    nothing = FineSurface(LATTICE, 2, torch.zeros(0, 3, dtype=torch.int64), torch.zeros(0, 2, 2, 2))
    assert meshed(nothing).is_empty


def test_a_rate_that_does_not_divide_a_brick_is_refused():
    with pytest.raises(BadInput, match="cannot be meshed"):
        meshed(ball(3))


def test_meshing_can_be_stopped():
    steps = iter([False, True])
    with pytest.raises(Cancelled):
        run_job(ball(1).mesh(), lambda _: None, lambda: next(steps))
