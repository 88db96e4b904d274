import pytest

from app import convert as convert_module
from app.convert import convert, estimate_row
from engine.core.faults import BadInput
from engine.export.detail import DETAILS, DetailLevel
from engine.export.formats import FORMATS
from engine.export.load import load_mesh
from engine.export.write import export
from tests.export.shapes import ball, finish, textured_ball


def quiet(step):
    return None


@pytest.fixture
def plain_glb(tmp_path):
    finish(export(ball(30, colored=True), tmp_path / "ball.glb"))
    return tmp_path / "ball.glb"


@pytest.fixture
def small_preview(monkeypatch):
    """The preview level keeps 400 triangles only."""
    small = DetailLevel("preview", 400, 256, "a test")
    monkeypatch.setattr(convert_module, "DETAILS", DETAILS | {"preview": small})


@pytest.mark.parametrize("name", FORMATS)
def test_a_mesh_goes_into_every_format_at_its_size(plain_glb, tmp_path, name):
    goal = tmp_path / f"out.{name}"
    row = convert(plain_glb, goal, "finescan", None, quiet)
    assert row["files"][0] == str(goal)
    assert row["size_m"] == pytest.approx([6, 4, 2], rel=0.02)
    assert row["faces"] == len(ball(30).faces)
    assert row["bytes"] == sum(f.stat().st_size for f in tmp_path.glob("out*"))
    assert row["has_texture"] is False


def test_a_texture_comes_along(tmp_path):
    finish(export(textured_ball(), tmp_path / "ball.glb"))
    steps = []
    row = convert(tmp_path / "ball.glb", tmp_path / "ball.usdz", "ar", None, steps.append)
    assert row["has_texture"] is True
    assert [step.stage for step in steps] == ["write", "check", "replace", "replace"]


@pytest.mark.usefixtures("small_preview")
def test_a_plain_mesh_can_be_reduced(plain_glb, tmp_path):
    row = convert(plain_glb, tmp_path / "few.ply", "finescan", "preview", quiet)
    assert 200 < row["faces"] <= 420
    assert row["size_m"] == pytest.approx([6, 4, 2], rel=0.05)
    assert len(load_mesh(tmp_path / "few.ply").faces) == row["faces"]


def test_a_mesh_small_enough_is_left_as_it_is(plain_glb, tmp_path):
    row = convert(plain_glb, tmp_path / "same.ply", "finescan", "preview", quiet)
    assert row["faces"] == len(ball(30).faces)


@pytest.mark.usefixtures("small_preview")
def test_a_textured_mesh_is_not_reduced_but_refused(tmp_path):
    finish(export(textured_ball(30), tmp_path / "ball.glb"))
    with pytest.raises(BadInput, match="tear its texture") as caught:
        convert(tmp_path / "ball.glb", tmp_path / "few.glb", "finescan", "preview", quiet)
    assert "--preset preview" in caught.value.remedy
    assert not (tmp_path / "few.glb").exists()


@pytest.mark.parametrize(
    ("source", "goal", "target", "says"),
    [
        ("none.glb", "a.obj", "finescan", "none.glb"),
        ("ball.glb", "a.docx", "finescan", "docx"),
        ("ball.glb", "a.obj", "paper", "paper"),
    ],
)
def test_what_cannot_be_converted_is_refused(plain_glb, tmp_path, source, goal, target, says):
    with pytest.raises(BadInput, match=says):
        convert(tmp_path / source, tmp_path / goal, target, None, quiet)
    assert not (tmp_path / goal).exists()


@pytest.mark.parametrize("name", ["glb", "ply", "stl"])
def test_the_estimate_is_within_a_factor_of_two_of_what_is_written(plain_glb, tmp_path, name):
    goal = tmp_path / f"out.{name}"
    guess = estimate_row(plain_glb, goal, "raw")
    assert not goal.exists()
    row = convert(plain_glb, goal, "finescan", None, quiet)
    assert guess["triangles"] == row["faces"]
    assert guess["size_m"] == pytest.approx(row["size_m"], abs=0.001)
    assert row["bytes"] / 2 < guess["bytes"] < row["bytes"] * 2
