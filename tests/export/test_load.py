"""Damaged, foreign and empty files: one sentence each, never a traceback."""

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from engine.core.faults import BadInput
from engine.core.surface import Mesh, TexturedMesh
from engine.export.formats import FORMATS
from engine.export.load import load_mesh
from engine.export.write import export
from tests.export.shapes import finish, textured_ball

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "meshes"


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.6, 0.97])
def test_truncated_files_are_refused(tmp_path, name, share):
    path = tmp_path / f"ball.{name}"
    finish(export(textured_ball(), path))
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    if name == "obj" and share > 0.5:
        # Text cut between two lines of faces is a smaller mesh, and nothing in it says otherwise.
        return
    with pytest.raises(BadInput, match=r"ball\."):
        load_mesh(path)


@pytest.mark.parametrize("name", FORMATS)
def test_noise_is_refused(tmp_path, name):
    path = tmp_path / f"noise.{name}"
    path.write_bytes(np.random.default_rng(0).integers(0, 256, 5000).astype(np.uint8).tobytes())
    with pytest.raises(BadInput):
        load_mesh(path)


@pytest.mark.parametrize("name", FORMATS)
def test_flipped_bytes_never_give_a_traceback(tmp_path, name):
    path = tmp_path / f"ball.{name}"
    finish(export(textured_ball(rings=6, edge_px=16), path))
    good = path.read_bytes()
    dice = np.random.default_rng(1)
    for _ in range(25):
        bad = bytearray(good)
        for place in dice.integers(0, len(bad), 6):
            bad[place] = int(dice.integers(0, 256))
        path.write_bytes(bytes(bad))
        with suppress(BadInput):
            load_mesh(path)


def test_missing_and_unknown_files_are_refused(tmp_path):
    with pytest.raises(BadInput, match="no file"):
        load_mesh(tmp_path / "gone.glb")
    (tmp_path / "room.fbx").write_bytes(b"")
    with pytest.raises(BadInput, match="No mesh format"):
        load_mesh(tmp_path / "room.fbx")


def test_points_without_faces_are_refused(tmp_path):
    (tmp_path / "points.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\n")
    with pytest.raises(BadInput, match=r"points\.obj"):
        load_mesh(tmp_path / "points.obj")
    (tmp_path / "nan.obj").write_text("v nan 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    with pytest.raises(BadInput, match="NaN"):
        load_mesh(tmp_path / "nan.obj")


def test_huge_files_are_refused_unread(tmp_path):
    path = tmp_path / "huge.stl"
    with path.open("wb") as file:
        file.truncate(5 << 30)
    with pytest.raises(BadInput, match="larger than 4 GB"):
        load_mesh(path)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared meshes are not here")
@pytest.mark.parametrize(("name", "faces"), [("spot", 5856), ("avocado", 682), ("lantern", 5394)])
def test_foreign_glb_is_textured_and_upright(name, faces):
    surface = load_mesh(SHARED / f"{name}.glb")
    assert isinstance(surface, TexturedMesh)
    assert isinstance(surface.mesh, Mesh)
    assert len(surface.mesh.faces) == faces
    low, high = surface.mesh.bounds_m()
    if name == "lantern":
        assert np.argmax(high - low) == 2, "a lamp post stands along +Z"


def test_corners_beyond_all_measure_are_refused(tmp_path):
    path = tmp_path / "far.obj"
    path.write_text("v 1e30 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    with pytest.raises(BadInput, match="too far away"):
        load_mesh(path)


def test_names_the_system_refuses_are_said(tmp_path):
    path = tmp_path / f"{'x' * 300}.obj"
    with pytest.raises(BadInput):
        load_mesh(path)
    with pytest.raises(BadInput, match="cannot be a file name"):
        finish(export(textured_ball(), path))
