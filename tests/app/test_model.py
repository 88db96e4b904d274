import threading
import time

import numpy as np
import pytest

from app.model import Model
from app.model_states import Stacks, State
from engine.core.edits import Crop, FillHoles, Level, RemoveIslands, Simplify
from engine.core.faults import CannotWrite
from engine.core.frames import Photo
from engine.core.news import Progress
from engine.core.poses import Pose
from engine.core.surface import Mesh, TexturedMesh
from engine.export.formats import FORMATS
from engine.meshing.count import counted
from engine.meshing.edits import moved
from tests.app.test_jobs import end_of
from tests.meshing.painted import painted, tint
from tests.meshing.test_edits import holed_ball_and_crumb
from tests.meshing.test_simplify import ball, sheet
from tests.scenes import look_at
from ui.ports import ModelPort

HALF = Crop(Pose.from_parts(np.eye(3), (1, 1, 1)), (2, 4, 4))


def result_of(task):
    news = end_of(task)
    assert news.fault is None
    return news.result


def fault_of(task):
    news = end_of(task)
    assert news.result is None
    assert news.fault is not None
    return news.fault


@pytest.fixture
def model_of():
    made = []

    def make(surface=None, **rest):
        surface = painted(holed_ball_and_crumb()) if surface is None else surface
        made.append(Model("ball and crumb", surface, **rest))
        return made[-1]

    yield make
    for model in made:
        model.close()


class Gate:
    """Photographs that come when they are let through."""

    def __init__(self):
        self.open = threading.Event()
        self.asked = threading.Event()

    def photos(self):
        self.asked.set()
        while not self.open.wait(0.002):
            yield Progress("photographs", 0)
        return []


def test_a_new_model_is_as_it_came(model_of):
    model: ModelPort = model_of()
    assert model.title == "ball and crumb"
    assert isinstance(model.surface, TexturedMesh)
    assert model.counts == counted(model.surface)
    assert (model.grades, model.done, model.undone) == (("final",), (), ())
    assert model.texture_note == ""
    assert not model.can_texture


def test_edits_are_told_undone_and_made_again_exactly(model_of):
    model = model_of()
    seen = [model.surface]
    for edit in (HALF, RemoveIslands(100), FillHoles(60), Simplify(200)):
        seen.append(result_of(model.apply(edit)))
        assert model.surface is seen[-1]
        assert model.counts == counted(seen[-1])
    assert model.done == (
        "Cropped to a box of 2.00 × 4.00 × 4.00 m",
        "Removed 1 loose piece",
        "Closed 1 hole",
        f"Reduced to {model.counts.faces:,} triangles",
    )
    for before in reversed(seen[:-1]):
        assert result_of(model.undo()) is before
    assert model.done == ()
    assert model.undone[-1].startswith("Cropped")
    for after in seen[1:]:
        assert result_of(model.redo()) is after
    assert "nothing to undo" not in model.texture_note
    result_of(model.undo())
    result_of(model.apply(Simplify(150)))
    # What was taken back is gone once something else was done.
    assert "nothing to make again" in fault_of(model.redo()).says


def test_there_is_nothing_to_undo_at_first(model_of):
    assert "nothing to undo" in fault_of(model_of().undo()).says


def test_a_preview_shows_what_applying_does_and_changes_nothing(model_of):
    model = model_of()
    start = model.surface
    told = result_of(model.preview(RemoveIslands(100)))
    assert (told.before, told.after.pieces) == (model.counts, 1)
    assert model.surface is start
    assert result_of(model.apply(RemoveIslands(100))) is told.surface


def test_an_edit_with_nothing_to_do_leaves_nothing_to_undo(model_of):
    model = model_of()
    start = model.surface
    for edit in (FillHoles(3), RemoveIslands(1), Simplify(10**6)):
        assert result_of(model.apply(edit)) is start
    assert model.done == ()


def test_an_impossible_edit_is_a_fault_and_changes_nothing(model_of):
    model = model_of()
    start = model.surface
    far = Crop(Pose.from_parts(np.eye(3), (50, 0, 0)), (1, 1, 1))
    assert "Nothing of the surface" in fault_of(model.apply(far)).says
    assert fault_of(model.preview(Simplify(0))).says
    assert model.surface is start
    assert model.done == ()


def test_a_second_change_is_refused_while_one_runs_and_looking_is_not(model_of):
    gate = Gate()
    model = model_of(holed_ball_and_crumb(), photos=gate.photos)
    painting = model.texture(256)
    assert gate.asked.wait(5)
    assert "Something else" in fault_of(model.apply(FillHoles(60))).says
    assert "Something else" in fault_of(model.undo()).says
    assert result_of(model.preview(FillHoles(60))).after.holes == 0
    assert len(result_of(model.ladder())) == 1
    gate.open.set()
    assert isinstance(result_of(painting), TexturedMesh)
    result_of(model.undo())


def test_a_cancelled_change_leaves_the_surface_and_the_next_one_waits_for_it(model_of):
    gate = Gate()
    model = model_of(holed_ball_and_crumb(), photos=gate.photos)
    start = model.surface
    painting = model.texture(256)
    assert gate.asked.wait(5)
    painting.cancel()
    filled = result_of(model.apply(FillHoles(60)))
    news = end_of(painting)
    assert (news.result, news.fault) == (None, None)
    assert model.surface is filled
    assert result_of(model.undo()) is start
    assert model.done == ()


def test_a_change_cancelled_as_it_ends_is_taken_back(model_of, monkeypatch):
    model = model_of()
    start, put = model.surface, threading.Event()
    plain = Stacks.pushed

    def pushed(self, state):
        # Cancelled from here on, but the step is not over before it is in place.
        task.cancel()
        put.set()
        return plain(self, state)

    monkeypatch.setattr(Stacks, "pushed", pushed)
    ready = threading.Event()
    tried = model._tried_out

    def later(edit, now):
        ready.wait(5)
        return (yield from tried(edit, now))

    monkeypatch.setattr(model, "_tried_out", later)
    task = model.apply(RemoveIslands(100))
    ready.set()
    news = end_of(task)
    assert put.is_set()
    assert (news.result, news.fault) == (None, None)
    assert task.join(5)
    assert model.surface is start
    assert model.done == ()


def test_levelling_moves_grades_and_photographs_along(model_of):
    tilt = Pose.exp([0.2, 0.1, 0, 0.3, 0.2, 0.5])
    floor = moved(Mesh(2 * sheet(30).vertices, sheet(30).faces, None), tilt)
    eyes = [look_at(np.array([1 + x, 1 + y, 2.5]), np.array([1.0, 1, 0])) for x, y in
            ((0.3, 0), (-0.3, 0.2), (0, -0.4))]  # fmt: skip
    photos = [photo_of(index, eye) for index, eye in enumerate(eyes)]
    placed = [Photo(p.color, p.intrinsics, tilt @ p.T_world_cam, p.index) for p in photos]

    def fetch():
        yield Progress("photographs", 0)
        return placed

    model = model_of(floor, grades={"draft": floor}, photos=fetch)
    assert model.grades == ("draft", "final")
    assert model.texture_note == "No texture has been built yet."
    before = result_of(model.texture(256)).texture
    result_of(model.undo())
    result_of(model.apply(Level()))
    assert np.abs(model.surface.vertices[:, 2]).max() < 1e-3
    for name in model.grades:
        grade = result_of(model.grade(name))
        assert grade.vertices == pytest.approx(model.surface.vertices, abs=1e-5)
    painted_surface = result_of(model.texture(256))
    # Painted in the wrong place, the colours would not be those of the place.
    stood = model._stacks.now.T_now_scan
    centres = painted_surface.mesh.vertices[painted_surface.mesh.faces].mean(axis=1)
    uv = painted_surface.uv[painted_surface.mesh.faces].mean(axis=1)
    texel = (uv * [256, -256] + [0, 256]).astype(int)
    colors = painted_surface.texture[texel[:, 1], texel[:, 0]].astype(float)
    scanned = tilt.inverse.apply(stood.inverse.apply(centres.astype(float)))
    middle = np.abs(scanned[:, :2] - 1).max(axis=1) < 0.7
    assert np.abs(colors - tint(scanned))[middle].mean() < 12
    assert painted_surface.texture.shape == before.shape
    assert model.texture_note == ""
    assert "Built the texture" in model.done[-1]
    assert fault_of(model.grade("refined")).says


def photo_of(index, T_world_cam):
    """A photograph of the plane z = 0 in the colours of `tint`."""
    from tests.scenes import CAMERA

    rays = CAMERA.directions() @ T_world_cam.rotation.T
    eye = T_world_cam.translation
    points = eye - rays * (eye[2] / rays[..., 2])[..., None]
    return Photo(tint(points).astype(np.uint8), CAMERA, T_world_cam, index)


def test_a_texture_that_no_longer_fits_is_carried_over_where_there_are_no_photographs(model_of):
    model = model_of(painted(ball(3), 256))
    result_of(model.apply(Simplify(600)))
    assert isinstance(model.surface, Mesh)
    assert "no longer fits" in model.texture_note
    assert model.can_texture
    result_of(model.apply(Level((0, 0, -0.5), (0, 0, 1))))
    surface = result_of(model.texture(256))
    places = model._stacks.now.T_now_scan.inverse.apply(surface.mesh.vertices.astype(float))
    texel = np.clip((surface.uv * [256, -256] + [0, 256]).astype(int), 0, 255)
    colors = surface.texture[texel[:, 1], texel[:, 0]].astype(float)
    assert np.abs(colors - tint(places)).mean() < 12
    assert model.texture_note == ""


@pytest.mark.parametrize("size_px", [0, 100, 10_000])
def test_a_texture_of_no_sensible_size_is_refused(model_of, size_px):
    assert "pixels" in fault_of(model_of().texture(size_px)).says


def test_without_photographs_or_texture_there_is_no_painting(model_of):
    model = model_of(holed_ball_and_crumb())
    assert "no photographs" in model.texture_note
    assert not model.can_texture
    assert "no photographs" in fault_of(model.texture(256)).says


@pytest.mark.parametrize("name", FORMATS)
def test_a_model_exports_every_format(model_of, tmp_path, name):
    model = model_of(holed_ball_and_crumb())
    said = result_of(model.export(tmp_path / "ball.obj", name, "unity"))
    assert f"ball.{name}: {model.counts.faces:,} triangles" in said
    assert (tmp_path / f"ball.{name}").stat().st_size > 0


def test_what_is_exported_is_what_is_there(model_of, tmp_path):
    model = model_of()
    result_of(model.apply(RemoveIslands(100)))
    said = result_of(model.export(tmp_path / "mine", "glb", "blender"))
    assert f"mine.glb: {model.counts.faces:,} triangles" in said
    assert "does not exist" in fault_of(model.export(tmp_path / "no" / "x", "glb", "ar")).says


class Folder:
    """A place that writes a line instead of a mesh; it may fail."""

    def __init__(self, folder, fails=False):
        self.folder, self.fails, self.kept = folder, fails, []

    def keep(self, surface):
        yield Progress("save", 0)
        if self.fails:
            raise CannotWrite("The disk is full.")
        self.kept.append(surface)
        (self.folder / "mesh.glb").write_bytes(f"surface {len(self.kept)}".encode())


def test_saving_keeps_the_first_surface_for_good(model_of, tmp_path):
    place = Folder(tmp_path)
    (tmp_path / "mesh.glb").write_bytes(b"first")
    model = model_of(place=place)
    result_of(model.apply(RemoveIslands(100)))
    assert str(tmp_path) in result_of(model.save())
    result_of(model.save())
    assert place.kept == [model.surface] * 2
    assert (tmp_path / "original.glb").read_bytes() == b"first"
    assert (tmp_path / "mesh.glb").read_bytes() == b"surface 2"


def test_a_failed_save_is_a_fault_and_the_model_goes_on(model_of, tmp_path):
    model = model_of(place=Folder(tmp_path, fails=True))
    assert fault_of(model.save()).says == "The disk is full."
    assert result_of(model.apply(RemoveIslands(100))) is model.surface
    assert "no scan on disk" in fault_of(model_of().save()).says


def test_a_closed_model_does_nothing_more(model_of):
    model = model_of()
    model.close()
    assert "closed" in fault_of(model.apply(HALF)).says


def test_old_states_go_when_they_take_too_much_and_shared_arrays_count_once():
    def state(texture, number):
        surface = TexturedMesh(painted(ball(1), 64).mesh, painted(ball(1), 64).uv, texture)
        return State(surface, counted(surface), Pose.identity(), f"edit {number}")

    shared = np.zeros((256, 256, 3), np.uint8)
    stacks = Stacks(state(shared, 0))
    for number in range(1, 6):
        stacks = stacks.pushed(state(shared, number), limit_bytes=300_000)
    assert stacks.done == tuple(f"edit {n}" for n in range(1, 6))
    for number in range(6, 9):
        stacks = stacks.pushed(state(shared.copy(), number), limit_bytes=450_000)
    assert stacks.done == ("edit 8",)
    assert stacks.undone().now.said == "edit 7"


def test_a_preview_that_is_asked_for_gives_up_the_one_before(model_of):
    model = model_of(painted(ball(4)))
    first = model.preview(Simplify(500))
    second = model.preview(Simplify(400))
    assert first.is_cancelled
    assert result_of(second).after.faces == pytest.approx(400, abs=3)
    deadline = time.monotonic() + 5
    while not first.poll().is_over:
        assert time.monotonic() < deadline
