import numpy as np
import pytest

from engine.core.camera import Intrinsics
from engine.core.faults import BadInput
from engine.core.frames import Photo
from engine.core.surface import Mesh, TexturedMesh
from engine.evaluation.preview import WIDTH_PX, overview, preview
from tests.evaluation.shapes import down_from, grid_mesh, joined
from tests.scenes import look_at

CAMERA = Intrinsics(160, 120, 110.0, 110.0, 80.0, 60.0)
RED, GREEN, BLUE = (200, 30, 30), (30, 180, 30), (40, 40, 200)


def _wall(corner: tuple, along: tuple, up: tuple) -> Mesh:
    """A rectangle whose normal is along x up."""
    s, t = np.meshgrid(np.linspace(0, 1, 8), np.linspace(0, 1, 8), indexing="ij")
    return grid_mesh(np.array(corner) + s[..., None] * along + t[..., None] * np.array(up))


def _room() -> Mesh:
    """A closed box of 4 x 3 x 2.5 m seen from inside: red floor, blue ceiling, green walls."""
    floor = _wall((0, 0, 0), (4, 0, 0), (0, 3, 0))
    ceiling = _wall((0, 0, 2.5), (0, 3, 0), (4, 0, 0))
    walls = [
        _wall((0, 3, 0), (4, 0, 0), (0, 0, 2.5)),
        _wall((4, 0, 0), (-4, 0, 0), (0, 0, 2.5)),
        _wall((0, 0, 0), (0, 3, 0), (0, 0, 2.5)),
        _wall((4, 3, 0), (0, -3, 0), (0, 0, 2.5)),
    ]
    room = joined(floor, ceiling, *walls)
    count = len(floor.vertices)
    colors = np.array([RED] * count + [BLUE] * count + [GREEN] * (4 * count), np.uint8)
    return Mesh(room.vertices, room.faces, colors)


def _photos(count: int) -> list[Photo]:
    eyes = np.linspace(1, 3, count)
    return [
        Photo(
            np.full((120, 160, 3), 10 * i + 5, np.uint8),
            CAMERA,
            look_at(np.array([x, 1.5, 1.4]), np.array([x, 3.0, 0.6])),
        )
        for i, x in enumerate(eyes)
    ]


def _is(picture: np.ndarray, channel: int) -> np.ndarray:
    others = [c for c in range(3) if c != channel]
    return (picture[..., channel] > 90) & (picture[..., others] < 80).all(axis=-1)


@pytest.fixture(scope="module")
def sheet() -> np.ndarray:
    return preview(_room(), _photos(3))


def test_a_closed_room_is_seen_as_a_dolls_house(sheet):
    assert _room().face_normals()[0][2] > 0, "the floor faces up"
    assert sheet.shape[1] == WIDTH_PX
    assert sheet.dtype == np.uint8
    overview = sheet[5:320, 5:425]
    assert _is(overview, 0).mean() > 0.1, "the floor is seen through the ceiling"
    assert _is(overview, 1).mean() > 0.05, "and the far walls"
    assert _is(overview, 2).mean() < 0.001, "but not the ceiling's back"
    # It fills the cell and does not leave it.
    painted = overview.std(axis=-1) > 15
    rows, columns = np.flatnonzero(painted.any(axis=1)), np.flatnonzero(painted.any(axis=0))
    assert max(np.ptp(rows) / 315, np.ptp(columns) / 420) > 0.85
    assert not painted[[0, -1]].any()
    assert not painted[:, [0, -1]].any()


def test_renders_stand_above_the_photographs_of_their_pose(sheet):
    for column in (1, 2):
        left = 5 + column * 425
        render = sheet[5:320, left : left + 420]
        assert _is(render, 1).mean() > 0.2
        assert _is(render, 0).mean() > 0.1, "floor below"
        assert _is(render[:100], 0).mean() == 0, "upright: no floor in the upper third"
        photo = sheet[360:650, left + 50 : left + 370]
        assert photo.std() < 1, "the photograph itself, unchanged"


@pytest.mark.parametrize("count", [2, 9])
def test_any_number_of_photographs_will_do(sheet, count):
    assert preview(_room(), _photos(count)).shape == sheet.shape


def test_portrait_pictures_keep_their_shape():
    tall = Intrinsics(90, 160, 110.0, 110.0, 45.0, 80.0)
    color = np.full((160, 90, 3), 60, np.uint8)
    photo = Photo(color, tall, _photos(1)[0].T_world_cam)
    sheet = preview(_room(), [photo])
    cell = sheet[349:664, 5:425]
    assert (cell == 60).all(axis=-1).any(axis=0).sum() == pytest.approx(315 * 90 / 160, abs=2)


def test_uncoloured_and_textured_meshes_are_drawn():
    room = _room()
    bare = preview(Mesh(room.vertices, room.faces), _photos(3))
    overview = bare[5:320, 5:425]
    room_px = overview[overview < 200]
    assert len(room_px) > overview.size / 4, "darker than the background"
    assert np.ptp(np.quantile(room_px, [0.05, 0.95])) > 8, "walls and floor differ"
    uv = np.full((len(room.vertices), 2), 0.5, np.float32)
    texture = np.full((8, 8, 3), RED, np.uint8)
    textured = preview(TexturedMesh(Mesh(room.vertices, room.faces), uv, texture), _photos(3))
    assert _is(textured[5:320, 5:425], 0).mean() > 0.3


def test_bad_input_is_refused():
    empty = Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))
    with pytest.raises(BadInput, match="nothing to show"):
        preview(empty, _photos(3))
    with pytest.raises(BadInput, match="at least one"):
        preview(_room(), [])
    away = Photo(np.zeros((120, 160, 3), np.uint8), CAMERA, down_from((50, 50, 5), (60, 60, 0)))
    assert preview(_room(), [away]).shape[1] == WIDTH_PX


@pytest.mark.parametrize("size", [(320, 200), (420, 315), (96, 96)])
def test_an_overview_shows_the_whole_room(size):
    picture = overview(_room(), *size)
    assert picture.shape == (size[1], size[0], 3)
    inside = _is(picture, 0) | _is(picture, 1)
    rows, columns = np.nonzero(inside)
    assert _is(picture, 0).mean() > 0.02
    # Nothing is cut off, and neither is the room lost in the middle of the picture.
    assert rows.min() > 0
    assert rows.max() < size[1] - 1
    assert columns.min() > 0
    assert columns.max() < size[0] - 1
    assert max(np.ptp(rows) / size[1], np.ptp(columns) / size[0]) > 0.6


def test_there_is_no_overview_of_nothing():
    room = _room()
    with pytest.raises(BadInput, match="no face"):
        overview(Mesh(room.vertices, room.faces[:0]), 320, 200)
