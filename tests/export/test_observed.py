"""Which vertices were observed travels in the formats that can say so."""

import json
import struct

import numpy as np
import pytest

from engine.core.surface import Mesh, TexturedMesh
from engine.export.formats import FORMATS
from engine.export.load import load_mesh
from engine.export.write import export
from tests.export.shapes import ball, finish, textured_ball


def of(surface, is_textured):
    """Return a ball that knows of each vertex whether it lies in the upper half."""
    mesh = surface.mesh if is_textured else surface
    # One vertex that no face uses, so that vertices are renamed on the way.
    spare = np.concatenate([mesh.vertices[:1], mesh.vertices])
    marked = Mesh(spare, mesh.faces + np.int32(1), None, spare[:, 2] > 0.5)
    if not is_textured:
        return marked
    return TexturedMesh(marked, np.concatenate([surface.uv[:1], surface.uv]), surface.texture)


def ply_vertices(path):
    """Return a binary PLY's vertices as a structured array, from its header alone."""
    head, body = path.read_bytes().split(b"end_header\n", 1)
    lines = head.decode().splitlines()
    count = next(int(line.split()[2]) for line in lines if line.startswith("element vertex"))
    start = lines.index(f"element vertex {count}") + 1
    kinds = {"float": "<f4", "uchar": "<u1"}
    fields = []
    for line in lines[start:]:
        if not line.startswith("property"):
            break
        kind, name = line.split()[1:]
        fields.append((name, kinds[kind]))
    return np.frombuffer(body, fields, count)


def glb_attribute(path, name):
    """Return a GLB's float32 attribute, read as its standard says."""
    data = path.read_bytes()
    length = struct.unpack_from("<I", data, 12)[0]
    tree, binary = json.loads(data[20 : 20 + length]), data[28 + length :]
    accessor = tree["accessors"][tree["meshes"][0]["primitives"][0]["attributes"][name]]
    assert accessor["componentType"] == 5126
    assert accessor["type"] == "SCALAR"
    view = tree["bufferViews"][accessor["bufferView"]]
    start = view.get("byteOffset", 0) + accessor.get("byteOffset", 0)
    return np.frombuffer(binary, "<f4", accessor["count"], start)


@pytest.mark.parametrize("is_textured", [False, True])
def test_ply_says_which_vertices_were_observed(tmp_path, is_textured):
    surface = of(textured_ball() if is_textured else ball(), is_textured)
    finish(export(surface, tmp_path / "ball.ply"))
    vertices = ply_vertices(tmp_path / "ball.ply")
    assert np.array_equal(vertices["observed"], vertices["z"] > 0.5)
    assert 0 < vertices["observed"].mean() < 1


@pytest.mark.parametrize("is_textured", [False, True])
def test_glb_says_which_vertices_were_observed(tmp_path, is_textured):
    surface = of(textured_ball() if is_textured else ball(), is_textured)
    finish(export(surface, tmp_path / "ball.glb"))
    back = load_mesh(tmp_path / "ball.glb")
    mesh = back.mesh if is_textured else back
    observed = glb_attribute(tmp_path / "ball.glb", "_OBSERVED")
    assert np.array_equal(observed, mesh.vertices[:, 2] > 0.5)


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_takes_a_mesh_that_knows(tmp_path, name):
    report = finish(export(of(ball(), False), tmp_path / f"ball.{name}"))
    assert report.faces == len(ball().faces)


def test_a_mesh_that_does_not_know_says_nothing(tmp_path):
    for name in ("ply", "glb"):
        finish(export(ball(), tmp_path / f"ball.{name}"))
        assert b"bserved" not in (tmp_path / f"ball.{name}").read_bytes().lower()
