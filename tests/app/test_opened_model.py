"""A scan of earlier on disk, worked on again."""

from dataclasses import replace

import numpy as np
import pytest

from app.library import Library
from app.library_note import ScanNote
from app.method import Method
from app.opened_model import opened
from app.scan_place import ScanPlace
from engine.archive.journal import ArchiveWriter
from engine.core.edits import Level, RemoveIslands
from engine.core.faults import BadInput
from engine.core.poses import Pose
from engine.core.settings import KeyframeSettings, Settings, TextureSettings
from engine.core.surface import TexturedMesh
from engine.export.write import export
from engine.meshing.edits import moved
from engine.sources.detect import open_source
from tests.app.test_model import fault_of, photo_of, result_of
from tests.export.shapes import finish
from tests.meshing.painted import painted, tint
from tests.meshing.test_edits import holed_ball_and_crumb
from tests.meshing.test_simplify import sheet
from tests.scenes import look_at

SETTINGS = Settings(
    keyframes=KeyframeSettings(texture_move_m=0.01),
    texture=TextureSettings(size_px=256, max_views=10),
)
TILT = Pose.exp([0.2, 0.1, 0, 0.3, 0.2, 0.5])


@pytest.fixture
def saved(tmp_path):
    """Keeps a surface as a finished scan, and opens it."""
    library = Library(tmp_path / "scans")

    def keep(surface, title="Kitchen", folder=None):
        place = ScanPlace(library, ScanNote.of(title, "camera", SETTINGS, Method()), folder)
        finish(place.keep(surface))
        return place.folder

    models = []

    def open_again(folder):
        models.append(finish(opened(folder, library, SETTINGS, open_source)))
        return models[-1]

    yield keep, open_again
    for model in models:
        model.close()


def recorded(folder):
    """Write photographs of a plane in the colours of `tint`, all of it tilted, as an archive."""
    with ArchiveWriter(folder, "plane", color="png") as archive:
        for index, (x, y) in enumerate(((0.3, 0), (-0.3, 0.2), (0, -0.4))):
            eye = look_at(np.array([1 + x, 1 + y, 2.5]), np.array([1.0, 1, 0]))
            archive.add(frame_of(photo_of(index, eye)))


def frame_of(photo):
    from engine.core.frames import Frame

    pose = TILT @ photo.T_world_cam
    return Frame(photo.index, photo.index, photo.intrinsics, photo.color, T_world_cam=pose)


def test_a_finished_scan_opens_as_it_was_kept(saved):
    keep, open_again = saved
    surface = painted(holed_ball_and_crumb())
    model = open_again(keep(surface))
    assert model.title == "Kitchen"
    assert isinstance(model.surface, TexturedMesh)
    assert model.counts.faces == len(surface.mesh.faces)
    assert (model.grades, model.done) == (("final",), ())
    assert not model.can_texture


def test_what_is_saved_is_found_again_and_so_is_the_first(saved):
    keep, open_again = saved
    folder = keep(painted(holed_ball_and_crumb()))
    model = open_again(folder)
    first = model.counts
    result_of(model.apply(RemoveIslands(100)))
    result_of(model.save())
    again = open_again(folder)
    assert again.counts.faces == model.counts.faces < first.faces
    assert len(result_of(again.grade("final")).mesh.faces) == first.faces


def test_a_recorded_scan_is_painted_where_its_photographs_were_taken(saved, tmp_path):
    keep, open_again = saved
    folder = tmp_path / "scans" / "recorded"
    recorded(folder)
    floor = moved(replace(sheet(30), vertices=2 * sheet(30).vertices), TILT)
    keep(floor, folder=folder)
    model = open_again(folder)
    assert model.can_texture
    result_of(model.apply(Level()))
    result_of(model.save())
    # Opened anew, only the folder knows that the surface was moved out of the scan's world.
    later = open_again(folder)
    assert np.abs(later.surface.vertices[:, 2]).max() < 1e-3
    grade = result_of(later.grade("final"))
    assert np.abs(grade.vertices[:, 2]).max() < 1e-3
    surface = result_of(later.texture(256))
    scan_of_now = later._stacks.now.T_now_scan.inverse
    centres = surface.mesh.vertices[surface.mesh.faces].mean(axis=1).astype(float)
    places = TILT.inverse.apply(scan_of_now.apply(centres))
    texel = (surface.uv[surface.mesh.faces].mean(axis=1) * [256, -256] + [0, 256]).astype(int)
    colors = surface.texture[texel[:, 1], texel[:, 0]].astype(float)
    middle = np.abs(places[:, :2] - 1).max(axis=1) < 0.7
    assert np.abs(colors - tint(places))[middle].mean() < 12


def test_a_mesh_file_on_its_own_opens_too_but_belongs_to_no_scan(saved, tmp_path):
    _, open_again = saved
    finish(export(holed_ball_and_crumb(), tmp_path / "thing.ply"))
    model = open_again(tmp_path / "thing.ply")
    assert model.title == "thing"
    assert "no scan on disk" in fault_of(model.save()).says


def test_a_damaged_record_costs_the_photographs_not_the_surface(saved, tmp_path):
    keep, open_again = saved
    folder = tmp_path / "scans" / "recorded"
    recorded(folder)
    keep(holed_ball_and_crumb(), folder=folder)
    (folder / "journal.jsonl").unlink()
    assert not open_again(folder).can_texture


def test_what_cannot_be_opened_says_why(saved, tmp_path):
    keep, open_again = saved
    folder = keep(holed_ball_and_crumb())
    (folder / "placed.json").write_text("{")
    with pytest.raises(BadInput, match="placed"):
        open_again(folder)
    (folder / "mesh.glb").unlink()
    with pytest.raises(BadInput, match="no finished surface"):
        open_again(folder)
