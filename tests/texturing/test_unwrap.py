import weakref
from dataclasses import replace

import numpy as np
import pytest
import xatlas

from engine.texturing import unwrap as room
from engine.texturing.unwrap import Atlas, unwrap
from tests.texturing.worlds import ball, finish, joined, plate


@pytest.fixture(scope="module")
def atlas() -> Atlas:
    return finish(unwrap(joined(ball(4), plate(1.0, 0.8, 40)), 512))


def texels(atlas: Atlas, size: int, inset: float) -> np.ndarray:
    """Return the face count of every texel, each face shrunk by `inset` of its size."""
    count = np.zeros((size, size), int)
    corners = atlas.uv[atlas.mesh.faces] * size
    corners += inset * (corners.mean(axis=1, keepdims=True) - corners)
    for a, b, c in corners:
        low = np.maximum(np.floor(np.minimum(np.minimum(a, b), c) - 0.5).astype(int), 0)
        high = np.minimum(np.ceil(np.maximum(np.maximum(a, b), c) + 0.5).astype(int), size)
        y, x = np.mgrid[low[1] : high[1], low[0] : high[0]] + 0.5
        area = np.cross([*(b - a), 0], [*(c - a), 0])[2]
        if abs(area) < 1e-9:
            continue
        s = ((x - a[0]) * (c - a)[1] - (y - a[1]) * (c - a)[0]) / area
        t = ((b - a)[0] * (y - a[1]) - (b - a)[1] * (x - a[0])) / area
        count[low[1] : high[1], low[0] : high[0]] += (s > 0) & (t > 0) & (s + t < 1)
    return count


def test_no_texel_belongs_to_two_faces(atlas: Atlas):
    count = texels(atlas, 512, 0.02)
    assert count.max() == 1
    assert (count > 0).mean() > 0.35


def test_faces_keep_order_and_place(atlas: Atlas):
    mesh = joined(ball(4), plate(1.0, 0.8, 40))
    assert (atlas.mesh.vertices[atlas.mesh.faces] == mesh.vertices[mesh.faces]).all()
    assert (mesh.vertices[atlas.source_vertex] == atlas.mesh.vertices).all()
    assert (atlas.source_vertex[atlas.mesh.faces] == mesh.faces).all()


def test_pieces_stay_where_they_are_until_they_are_packed(monkeypatch: pytest.MonkeyPatch):
    # xatlas knows pieces by their address; a freed one's place is soon another's.
    class Watched(xatlas.Atlas):
        def __init__(self) -> None:
            super().__init__()
            self.given: list[weakref.ref] = []

        def add_uv_mesh(self, uvs: np.ndarray, indices: np.ndarray) -> None:
            self.given += [weakref.ref(uvs), weakref.ref(indices)]
            super().add_uv_mesh(uvs, indices)

        def generate(self, *options: object) -> None:
            alive.append([given() is not None for given in self.given])
            super().generate(*options)

    alive: list[list[bool]] = []
    monkeypatch.setattr(room.xatlas, "Atlas", Watched)
    finish(unwrap(ball(4), 512))
    assert alive[-1] == [True] * 16


def test_split_vertices_remember_whether_they_were_observed():
    mesh = joined(ball(2), plate(1.0, 0.8, 10))
    marked = replace(mesh, is_observed=mesh.vertices[:, 0] > 0)
    split = finish(unwrap(marked, 512)).mesh
    assert len(split.vertices) > len(mesh.vertices)
    assert np.array_equal(split.is_observed, split.vertices[:, 0] > 0)


def test_texels_are_of_one_size(atlas: Atlas):
    corners = atlas.uv[atlas.mesh.faces] * 512
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area_px = np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])
    area_m2 = np.linalg.norm(atlas.mesh.face_normals(), axis=1)
    texel_m = np.sqrt(area_m2 / area_px)
    assert np.median(texel_m) == pytest.approx(atlas.texel_m, rel=0.05)
    assert np.quantile(texel_m, 0.98) / np.quantile(texel_m, 0.02) < 1.6


def test_large_meshes_are_split_into_pieces():
    mesh = ball(5)
    pieces = room._split(mesh)
    assert max(map(len, pieces)) <= room.PIECE_FACES
    assert (np.sort(np.concatenate(pieces)) == np.arange(len(mesh.faces))).all()
