"""Export, then load: the mesh comes back, whatever the format and whoever it was written for."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from engine.core.surface import Mesh, TexturedMesh
from engine.export.axes import TARGETS
from engine.export.formats import FORMATS
from engine.export.load import load_mesh
from engine.export.pictures import linear_from_srgb, srgb_from_linear
from engine.export.write import export
from tests.export.shapes import ball, finish, textured_ball

CLOSE_M = 1e-5


def _corners(mesh: Mesh) -> np.ndarray:
    return mesh.vertices[mesh.faces]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", FORMATS)
def test_corners_come_back_in_metres_and_upright(tmp_path, name, target):
    mesh = ball()
    finish(export(mesh, tmp_path / f"ball.{name}", target))
    back = load_mesh(tmp_path / f"ball.{name}")
    assert np.abs(_corners(back) - _corners(mesh)).max() < CLOSE_M
    if FORMATS[name].shares_vertices:
        assert np.array_equal(back.faces, mesh.faces)


@pytest.mark.parametrize("name", ["glb", "obj", "ply", "usdz"])
def test_vertex_colours_come_back_exactly(tmp_path, name):
    mesh = ball(colored=True)
    report = finish(export(mesh, tmp_path / f"ball.{name}"))
    assert report.has_colors
    assert np.array_equal(load_mesh(tmp_path / f"ball.{name}").colors, mesh.colors)


@pytest.mark.parametrize("name", ["glb", "obj", "usdz"])
@pytest.mark.parametrize("picture", ["png", "jpeg"])
def test_texture_and_uv_come_back(tmp_path, name, picture):
    surface = textured_ball()
    report = finish(export(surface, tmp_path / f"ball.{name}", picture=picture))
    assert report.has_texture
    back = load_mesh(tmp_path / f"ball.{name}")
    assert isinstance(back, TexturedMesh)
    assert np.abs(back.uv - surface.uv).max() < 1e-6
    error = np.abs(back.texture.astype(int) - surface.texture)
    if picture == "png":
        assert error.max() == 0
    else:
        assert 0 < error.mean() < 8, "a small noisy picture is the worst a JPEG can meet"


def test_ply_carries_the_texture_as_vertex_colours(tmp_path):
    ball_ = textured_ball(edge_px=128)
    # Red grows to the right, green downwards.
    ramp = np.arange(128, dtype=np.uint8) * 2
    picture = np.stack(np.broadcast_arrays(ramp[None], ramp[:, None], ramp[:1]), axis=-1)
    surface = TexturedMesh(ball_.mesh, ball_.uv, picture)
    finish(export(surface, tmp_path / "ball.ply"))
    colors = load_mesh(tmp_path / "ball.ply").colors.astype(float)
    assert np.abs(colors[:, 0] - surface.uv[:, 0] * 256).max() <= 2
    assert np.abs(colors[:, 1] - (1 - surface.uv[:, 1]) * 256).max() <= 2


@st.composite
def meshes(draw):
    count = draw(st.integers(3, 12))
    vertices = draw(
        arrays(np.float32, (count, 3), elements=st.floats(-50, 50, width=32), unique=True)
    )
    corner = st.integers(0, count - 1)
    triangle = st.tuples(corner, corner, corner).filter(lambda t: len(set(t)) == 3)
    faces = draw(st.lists(triangle, min_size=1, max_size=12, unique=True))
    colors = draw(st.none() | arrays(np.uint8, (count, 3)))
    return Mesh(vertices, np.array(faces, np.int32), colors)


@given(mesh=meshes(), name=st.sampled_from(list(FORMATS)), target=st.sampled_from(list(TARGETS)))
@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_mesh_comes_back(tmp_path, mesh, name, target):
    path = tmp_path / f"any.{name}"
    finish(export(mesh, path, target))
    back = load_mesh(path)
    assert len(back.faces) == len(mesh.faces)
    assert np.abs(_corners(back) - _corners(mesh)).max() < CLOSE_M
    if FORMATS[name].carries_colors and mesh.colors is not None:
        assert np.array_equal(back.colors[back.faces], mesh.colors[mesh.faces])


def test_a_foreign_file_is_read_in_the_frame_of_the_program_named(tmp_path):
    text = "v 0 0 0\nv 100 0 0\nv 0 100 0\nf 1 2 3\n"
    (tmp_path / "foreign.obj").write_text(text)
    as_world = load_mesh(tmp_path / "foreign.obj")
    assert as_world.vertices.max() == 100
    as_unreal = load_mesh(tmp_path / "foreign.obj", target="unreal")
    assert np.allclose(as_unreal.vertices, [[0, 0, 0], [1, 0, 0], [0, 1, 0]])
    as_unity = load_mesh(tmp_path / "foreign.obj", target="unity")
    assert np.allclose(as_unity.vertices[2], [0, 0, 100])


def test_light_is_linear_and_back():
    every = np.arange(256, dtype=np.uint8)
    assert np.array_equal(srgb_from_linear(linear_from_srgb(every)), every)
    # Half the light is encoded as 188, not 128.
    assert srgb_from_linear(np.array([0.5]))[0] == 188
