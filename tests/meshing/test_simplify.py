from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import trimesh
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from engine.core.surface import Mesh
from engine.meshing.simplify import fill_holes, remove_islands, simplify


def ball(subdivisions: int = 4, center: float = 0.0, radius: float = 0.5) -> Mesh:
    shape = trimesh.creation.icosphere(subdivisions=subdivisions, radius=radius)
    vertices = np.asarray(shape.vertices, np.float32)
    colors = (128 + 120 * np.sin(6 * vertices)).astype(np.uint8)
    return Mesh(vertices + np.float32(center), np.asarray(shape.faces, np.int32), colors)


def sheet(cells: int = 30, rough: float = 0.0) -> Mesh:
    """Return a square metre in the plane z = 0, facing up, optionally rough."""
    ticks = np.linspace(0, 1, cells + 1)
    x, y = np.meshgrid(ticks, ticks, indexing="ij")
    z = rough * np.random.default_rng(0).standard_normal(x.shape)
    vertices = np.stack([x, y, z], axis=-1).reshape(-1, 3).astype(np.float32)
    i, j = np.meshgrid(np.arange(cells), np.arange(cells), indexing="ij")
    a = (i * (cells + 1) + j).ravel()
    b, c, d = a + cells + 1, a + cells + 2, a + 1
    faces = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)]).astype(np.int32)
    colors = np.stack([255 * x, 255 * y, np.full_like(x, 50)], axis=-1).reshape(-1, 3)
    return Mesh(vertices, faces, colors.astype(np.uint8))


def without(mesh: Mesh, gone: np.ndarray) -> Mesh:
    return Mesh(mesh.vertices, mesh.faces[~gone], mesh.colors)


def rim(mesh: Mesh) -> np.ndarray:
    """Return the positions (n, 2, 3) of edges with one face, each in a fixed order."""
    edges = np.sort(np.concatenate([mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]],
                                    mesh.faces[:, [2, 0]]]), axis=1)  # fmt: skip
    once, count = np.unique(edges, axis=0, return_counts=True)
    ends = mesh.vertices[once[count == 1]]
    order = np.lexsort(ends.transpose(2, 0, 1)[::-1], axis=-1)
    return np.unique(np.take_along_axis(ends, order[..., None], axis=1), axis=0)


def directed_edges(mesh: Mesh) -> np.ndarray:
    return np.concatenate([mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]], mesh.faces[:, [2, 0]]])


@given(st.integers(0, 400))
@settings(max_examples=20, deadline=None)
def test_pieces_smaller_than_asked_go_with_their_vertices(min_faces: int):
    pieces = [ball(0), ball(1, 2.0), ball(2, 4.0)]  # 20, 80 and 320 faces
    starts = np.cumsum([0, *(len(m.vertices) for m in pieces)])
    mesh = Mesh(
        np.concatenate([m.vertices for m in pieces]),
        np.concatenate([m.faces + s for m, s in zip(pieces, starts, strict=False)]).astype(
            np.int32
        ),
        np.concatenate([m.colors for m in pieces if m.colors is not None]),
    )
    left = remove_islands(mesh, min_faces)
    kept = [m for m in pieces if len(m.faces) >= min_faces]
    assert len(left.faces) == sum(len(m.faces) for m in kept)
    assert len(left.vertices) == sum(len(m.vertices) for m in kept)
    if kept:
        assert left.colors is not None
        assert (
            left.colors == np.concatenate([m.colors for m in kept if m.colors is not None])
        ).all()


def test_small_holes_close_and_large_ones_stay():
    mesh = sheet()
    centers = mesh.vertices[mesh.faces].mean(axis=1)
    small = np.abs(centers[:, :2] - 0.25).max(axis=1) < 0.05
    large = np.abs(centers[:, :2] - 0.7).max(axis=1) < 0.2
    holed = without(mesh, small | large)
    closed = fill_holes(holed, 20)
    new = closed.face_normals()[len(holed.faces) :]
    gone = mesh.face_normals()[small]
    assert (new[:, 2] > 0).all()
    assert new[:, 2].sum() == pytest.approx(gone[:, 2].sum(), rel=1e-4)
    assert (closed.vertices == mesh.vertices).all()
    assert closed.colors is not None
    # With a longer rim allowed the large one goes too; the sheet's own rim is never a hole.
    assert fill_holes(holed, 60).area_m2() == pytest.approx(1.0, rel=1e-4)
    assert fill_holes(holed, 10_000).area_m2() == pytest.approx(1.0, rel=1e-4)


def no_two_meet(mesh: Mesh, picked: np.ndarray) -> bool:
    """Return whether no vertex borders the holes that two of the picked vertices leave."""
    rings = [np.unique(mesh.faces[(mesh.faces == vertex).any(axis=1)]) for vertex in picked]
    return len(np.unique(np.concatenate(rings))) == sum(map(len, rings))


@given(st.integers(0, 10_000))
@example(350)
@settings(max_examples=15, deadline=None)
def test_filling_a_punctured_ball_leaves_every_edge_two_faces(seed: int):
    mesh = ball(3)
    rng = np.random.default_rng(seed)
    picked = rng.choice(len(mesh.vertices), 5, replace=False)
    gone = np.isin(mesh.faces, picked).any(axis=1)
    closed = fill_holes(without(mesh, gone), 40)
    edges = directed_edges(closed)
    # Every directed edge once: nothing is doubled and all faces are wound one way.
    assert len(np.unique(edges, axis=0)) == len(edges)
    # Two holes that meet in one vertex have no rim of their own, and may stay open.
    if no_two_meet(mesh, picked):
        assert len(rim(closed)) == 0
    assert trimesh.Trimesh(closed.vertices, closed.faces, process=False).volume > 0


def test_decimation_keeps_size_place_and_colours():
    mesh = ball(5)
    fewer = simplify(mesh, 4000)
    assert 3000 < len(fewer.faces) <= 4200
    assert fewer.area_m2() == pytest.approx(mesh.area_m2(), rel=0.01)
    assert np.abs(np.linalg.norm(fewer.vertices, axis=1) - 0.5).max() < 0.01
    assert (
        np.sum(fewer.face_normals() * fewer.vertices[fewer.faces].mean(axis=1), axis=1) > 0
    ).all()
    assert fewer.colors is not None
    truth = 128 + 120 * np.sin(6 * fewer.vertices)
    assert np.abs(fewer.colors - truth).mean() < 8


def test_open_rims_do_not_move():
    mesh = without(sheet(60, 0.002), np.zeros(7200, bool))
    centers = mesh.vertices[mesh.faces].mean(axis=1)
    holed = without(mesh, np.linalg.norm(centers[:, :2] - 0.5, axis=1) < 0.15)
    fewer = simplify(holed, 1500)
    assert len(fewer.faces) < 2000
    before, after = rim(holed), rim(fewer)
    assert before.shape == after.shape
    assert np.abs(before - after).max() < 1e-6
    # A rough sheet folds over nowhere.
    assert (fewer.face_normals()[:, 2] > 0).mean() > 0.999


def test_little_meshes_are_returned_whole():
    mesh = ball(1)
    assert simplify(mesh, 80) is mesh
    empty = Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))
    assert simplify(empty, 10).is_empty
    assert fill_holes(empty, 10).is_empty
    assert remove_islands(empty, 10).is_empty


def test_a_mesh_without_colours_stays_so():
    mesh = Mesh(ball(4).vertices, ball(4).faces)
    assert simplify(mesh, 1000).colors is None
    assert fill_holes(without(mesh, np.arange(5120) == 7), 10).colors is None


def test_new_vertices_lie_on_the_old_surface():
    mesh = sheet(40, 0.001)
    fewer = simplify(mesh, 800)
    away = cKDTree(mesh.vertices).query(fewer.vertices)[0]
    assert away.max() < 0.03


def test_tidying_keeps_what_was_observed():
    mesh = sheet()
    marked = replace(mesh, is_observed=mesh.vertices[:, 0] > 0.5)
    centers = mesh.vertices[mesh.faces].mean(axis=1)
    gap = np.abs(centers[:, 0] - 0.4) < 0.05
    holed = replace(marked, faces=mesh.faces[~gap])
    for tidy in (remove_islands(holed, 800), fill_holes(holed, 20)):
        assert np.array_equal(tidy.is_observed, tidy.vertices[:, 0] > 0.5)
    assert len(remove_islands(holed, 800).vertices) < len(mesh.vertices)
    assert simplify(marked, 500).is_observed is None


def test_two_threads_may_reduce_at_once():
    meshes = [sheet(40 + 10 * i, 0.002) for i in range(4)]
    alone = [simplify(mesh, 500) for mesh in meshes]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            for mesh, again in zip(alone, pool.map(simplify, meshes, [500] * 4), strict=True):
                assert (again.vertices == mesh.vertices).all()
                assert (again.faces == mesh.faces).all()
