"""Nothing is lost when writing fails, and nothing false is reported when it does not."""

import errno
import json
import os
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from engine.core.faults import BadInput, CannotWrite
from engine.core.surface import Mesh
from engine.export import write
from engine.export.formats import FORMATS
from engine.export.load import load_mesh
from engine.export.write import export
from tests.export.shapes import ball, finish, textured_ball


@pytest.mark.parametrize("name", FORMATS)
def test_report_says_what_is_on_disk(tmp_path, name):
    surface = textured_ball()
    report = finish(export(surface, tmp_path / f"ball.{name}", "print"))
    assert report.files[0] == tmp_path / f"ball.{name}"
    assert sorted(report.files) == sorted(tmp_path.iterdir()), "no draft may stay behind"
    assert report.bytes == sum(file.stat().st_size for file in tmp_path.iterdir())
    assert report.faces == len(surface.mesh.faces)
    assert report.size_m == pytest.approx((6, 4, 2), rel=0.02)
    assert report.has_texture == FORMATS[name].carries_texture
    assert report.reader != FORMATS[name].library or name == "usdz"


def test_obj_comes_with_its_material_and_picture(tmp_path):
    report = finish(export(textured_ball(), tmp_path / "my room.obj"))
    assert {file.name for file in report.files} == {
        "my room.obj",
        "my_room.mtl",
        "my_room-texture.jpg",
    }
    assert "mtllib my_room.mtl" in (tmp_path / "my room.obj").read_text()
    assert "map_Kd my_room-texture.jpg" in (tmp_path / "my_room.mtl").read_text()


def test_a_texture_is_made_smaller_but_never_larger(tmp_path):
    surface = textured_ball(edge_px=64)
    finish(export(surface, tmp_path / "small.glb", picture="png", texture_px=16))
    small = load_mesh(tmp_path / "small.glb").texture
    blocks = surface.texture.reshape(16, 4, 16, 4, 3).mean(axis=(1, 3))
    assert np.abs(small - blocks).max() <= 1
    finish(export(surface, tmp_path / "same.glb", picture="png", texture_px=4096))
    assert np.array_equal(load_mesh(tmp_path / "same.glb").texture, surface.texture)


def test_glb_is_matt_metres_and_correctly_coloured(tmp_path):
    mesh = ball(colored=True)
    finish(export(mesh, tmp_path / "ball.glb"))
    data = (tmp_path / "ball.glb").read_bytes()
    length = struct.unpack("<I", data[12:16])[0]
    tree = json.loads(data[20 : 20 + length])
    assert tree["materials"][0]["pbrMetallicRoughness"]["metallicFactor"] == 0
    primitive = tree["meshes"][0]["primitives"][0]
    assert "NORMAL" in primitive["attributes"]
    position = tree["accessors"][primitive["attributes"]["POSITION"]]
    # The tall axis of the ball is x (6 m), then depth (4 m), then height (2 m): y up in glTF.
    span = np.subtract(position["max"], position["min"])
    assert span == pytest.approx([6, 2, 4], rel=0.02)
    color = tree["accessors"][primitive["attributes"]["COLOR_0"]]
    assert (color["componentType"], color["normalized"]) == (5123, True)


def test_usdz_states_unit_axis_and_material(tmp_path):
    from pxr import Usd, UsdGeom, UsdShade

    finish(export(textured_ball(), tmp_path / "ball.usdz"))
    stage = Usd.Stage.Open(str(tmp_path / "ball.usdz"))
    assert UsdGeom.GetStageMetersPerUnit(stage) == 1.0
    assert UsdGeom.GetStageUpAxis(stage) == UsdGeom.Tokens.y
    mesh = next(prim for prim in stage.Traverse() if prim.IsA(UsdGeom.Mesh))
    material = UsdShade.MaterialBindingAPI(mesh).ComputeBoundMaterial()[0]
    assert material.ComputeSurfaceSource()[0].GetIdAttr().Get() == "UsdPreviewSurface"
    with zipfile.ZipFile(tmp_path / "ball.usdz") as package:
        # USDZ forbids compression and wants data on multiples of 64 bytes.
        assert all(entry.compress_type == zipfile.ZIP_STORED for entry in package.infolist())
        assert any(name.endswith(".jpg") for name in package.namelist())


@pytest.mark.parametrize("kind", ["textured", "colored", "plain"])
def test_usds_own_validators_find_no_fault(tmp_path, kind):
    from pxr import Usd, UsdValidation

    surface = textured_ball() if kind == "textured" else ball(colored=kind == "colored")
    finish(export(surface, tmp_path / "ball.usdz"))
    validators = UsdValidation.ValidationRegistry().GetOrLoadAllValidators()
    stage = Usd.Stage.Open(str(tmp_path / "ball.usdz"))
    faults = UsdValidation.ValidationContext(validators).Validate(stage)
    assert [fault.GetMessage() for fault in faults] == []


def test_vertices_without_a_face_are_left_out(tmp_path):
    mesh = ball()
    lonely = np.concatenate([mesh.vertices, [[500, 500, 500]]]).astype(np.float32)
    report = finish(export(Mesh(lonely, mesh.faces), tmp_path / "ball.ply"))
    assert report.size_m[0] < 7
    assert load_mesh(tmp_path / "ball.ply").vertices.max() < 20


@pytest.fixture
def old(tmp_path):
    """Files of an earlier export, which no failure may harm."""
    for name in ("ball.glb", "ball.obj", "ball.mtl", "ball-texture.jpg", "ball.ply", "ball.stl"):
        (tmp_path / name).write_bytes(b"the old one")
    (tmp_path / "ball.usdz").write_bytes(b"the old one")
    return tmp_path


def _assert_untouched(folder: Path) -> None:
    files = list(folder.iterdir())
    assert len(files) == 7, "a draft was left behind"
    assert all(file.read_bytes() == b"the old one" for file in files)


@pytest.mark.parametrize("name", ["glb", "obj", "ply", "stl"])
def test_full_disk_keeps_the_old_file(old, monkeypatch, name):
    real = Path.write_bytes

    def full(self, data):
        real(self, data[: len(data) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def full_text(self, text, encoding=None):
        full(self, text.encode())

    monkeypatch.setattr(Path, "write_bytes", full)
    monkeypatch.setattr(Path, "write_text", full_text)
    with pytest.raises(CannotWrite, match=r"disk is full.*Free some space"):
        finish(export(textured_ball(), old / f"ball.{name}"))
    _assert_untouched(old)


@pytest.mark.parametrize("name", FORMATS)
def test_a_real_limit_on_file_size_keeps_the_old_file(old, name):
    resource = pytest.importorskip("resource", reason="no file size limits on this system")
    import signal

    surface = textured_ball(rings=40)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
        with pytest.raises(CannotWrite):
            finish(export(surface, old / f"ball.{name}"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    _assert_untouched(old)


def test_no_permission_is_one_sentence(tmp_path, monkeypatch):
    def denied(*_args, **_kwargs):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(write.tempfile, "TemporaryDirectory", denied)
    with pytest.raises(CannotWrite, match=r"no permission.*Choose a folder"):
        finish(export(ball(), tmp_path / "ball.glb"))


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_that_reads_back_wrong_is_never_put_in_place(old, monkeypatch, name):
    real = write._write

    def shifted(surface, file_format, frame, path, picture):
        mesh = Mesh(surface.vertices * np.float32(1.001), surface.faces)
        real(mesh, file_format, frame, path, picture)

    monkeypatch.setattr(write, "_write", shifted)
    with pytest.raises(CannotWrite, match="bounding box is off"):
        finish(export(ball(), old / f"ball.{name}"))
    _assert_untouched(old)


@pytest.mark.parametrize("name", ["glb", "obj", "usdz"])
def test_a_lost_texture_is_noticed(old, monkeypatch, name):
    real = write._write

    def bare(surface, file_format, frame, path, picture):
        real(surface.mesh, file_format, frame, path, picture)

    monkeypatch.setattr(write, "_write", bare)
    with pytest.raises(CannotWrite, match="texture is missing"):
        finish(export(textured_ball(), old / f"ball.{name}"))
    _assert_untouched(old)


def test_a_closed_job_leaves_nothing(old):
    job = export(ball(), old / "ball.glb")
    next(job)
    next(job)
    job.close()
    _assert_untouched(old)


def test_bad_goals_are_refused_before_anything_is_written(tmp_path):
    with pytest.raises(BadInput, match="does not exist"):
        finish(export(ball(), tmp_path / "nowhere" / "ball.glb"))
    with pytest.raises(BadInput, match="No mesh format"):
        finish(export(ball(), tmp_path / "ball.fbx"))
    with pytest.raises(BadInput, match="No export target"):
        finish(export(ball(), tmp_path / "ball.glb", "maya"))
    (tmp_path / "folder.glb").mkdir()
    with pytest.raises(BadInput, match="is a folder"):
        finish(export(ball(), tmp_path / "folder.glb"))
    empty = Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))
    with pytest.raises(BadInput, match="nothing to export"):
        finish(export(empty, tmp_path / "ball.glb"))
    broken = ball()
    broken.vertices[3] = np.nan
    with pytest.raises(BadInput, match="NaN"):
        finish(export(broken, tmp_path / "ball.glb"))
    assert [file.name for file in tmp_path.iterdir()] == ["folder.glb"]
