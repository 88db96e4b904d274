from pathlib import Path

import pytest

from app.exporting import exported, goal_of, ladder
from engine.core.faults import BadInput
from engine.core.surface import Mesh, TexturedMesh
from engine.export.formats import FORMATS
from engine.export.load import load_mesh
from tests.export.shapes import finish
from tests.meshing.painted import painted
from tests.meshing.test_simplify import sheet

FACES = 26_450


@pytest.fixture(scope="module")
def rough():
    """A rough textured sheet of more triangles than the lowest rung keeps, as a scan has them."""
    return painted(sheet(115, 0.001), 1024)


@pytest.fixture(scope="module")
def rungs(rough):
    return finish(ladder(rough))


def test_the_ladder_ends_where_there_is_no_more_to_keep(rough, rungs):
    told = [(rung.name, rung.faces, rung.texture_px) for rung in rungs]
    assert told == [("preview", 25_000, 1024), ("reduced", FACES, 1024)]
    assert all(rung.megabytes.keys() == FORMATS.keys() for rung in rungs)
    bare = finish(ladder(rough.mesh))
    assert [(rung.name, rung.faces, rung.texture_px) for rung in bare] == [
        ("preview", 25_000, 0),
        ("reduced", FACES, 0),
    ]


@pytest.mark.parametrize(
    ("name", "number"), [*((name, 1) for name in FORMATS), ("glb", 0), ("ply", 0)]
)
def test_files_hold_what_the_ladder_said(tmp_path, rough, rungs, name, number):
    rung = rungs[number]
    sentence = finish(exported(rough, tmp_path / "out", name, "finescan", rung.name))
    written = sum(file.stat().st_size for file in tmp_path.iterdir()) / 1e6
    assert rung.megabytes[name] == pytest.approx(written, rel=0.25)
    assert f"{rung.faces:,} triangles" in sentence
    assert "1.00 × 1.00 ×" in sentence
    back = load_mesh(tmp_path / f"out.{name}")
    assert isinstance(back, TexturedMesh) == FORMATS[name].carries_texture
    if isinstance(back, TexturedMesh):
        assert back.texture.shape[0] == rung.texture_px


def test_a_mesh_without_texture_is_reduced_with_its_colours(tmp_path):
    finish(exported(sheet(115, 0.001), tmp_path / "out.ply", "ply", "finescan", "preview"))
    back = load_mesh(tmp_path / "out.ply")
    assert isinstance(back, Mesh)
    assert len(back.faces) == 25_000
    assert back.colors is not None


@pytest.mark.parametrize(
    ("name", "goal"),
    [
        ("room", "room.glb"),
        ("room.obj", "room.glb"),
        ("room.glb", "room.glb"),
        ("room v1.2", "room v1.2.glb"),
        ("ROOM.GLB", "ROOM.glb"),
    ],
)
def test_only_the_ending_of_a_format_is_replaced(name, goal):
    assert goal_of(Path("/somewhere") / name, "glb") == Path("/somewhere") / goal


@pytest.mark.parametrize(
    "wrong", [("fbx", "finescan", None), ("glb", "nowhere", None), ("glb", "finescan", "huge")]
)
def test_what_does_not_exist_is_refused_and_nothing_written(tmp_path, wrong):
    with pytest.raises(BadInput):
        finish(exported(sheet(3), tmp_path / "out", *wrong))
    assert list(tmp_path.iterdir()) == []
