import cv2
import numpy as np
import pytest

from engine.core.frames import Photo
from engine.kernels.raster import MeshScene
from engine.texturing.balance import gains_of
from engine.texturing.views import look, sharpest, sharpness
from tests.texturing.worlds import around, ball, finish, joined, photograph, plate, waves


def blurred(photo: Photo) -> Photo:
    color = cv2.GaussianBlur(photo.color, (0, 0), 4)
    return Photo(np.asarray(color, np.uint8), photo.intrinsics, photo.T_world_cam, photo.index)


def test_blurred_photographs_are_known_by_their_neighbours():
    mesh = plate(0.0, 0.5, 10)
    eyes = [np.array([0.02 * i, -0.9, 0.0]) for i in range(12)]
    photos = photograph(mesh, eyes, lambda p: waves(6 * p))
    for i in (3, 8):
        photos[i] = blurred(photos[i])
    score = sharpness(photos)
    assert set(np.argsort(score)[:2]) == {3, 8}
    assert {3, 8}.isdisjoint(p.index for p in sharpest(photos, 6))


def test_best_view_is_the_nearer_and_straighter_one():
    mesh = plate(0.0, 1.5, 15)
    eyes = [np.array([0, -2.0, 0]), np.array([0, -0.9, 0]), np.array([0.88, -0.3, 0])]
    photos = photograph(mesh, eyes, lambda p: 0 * p + 120)
    views = finish(look(mesh, MeshScene(mesh), photos))
    middle = np.abs(mesh.vertices[mesh.faces].mean(axis=1)).max(axis=1) < 0.3
    assert middle.sum() >= 8
    assert (views.photo[middle, 0] == 1).all()


def test_hidden_and_turned_away_faces_have_no_view():
    mesh = joined(plate(0.3, 0.1, 4), plate(0.0, 0.3, 4))
    photos = photograph(mesh, [np.array([0.0, -1.0, 0.0])], waves)
    views = finish(look(mesh, MeshScene(mesh), photos))
    hidden = views.photo[:32, 0]
    assert (hidden == -1).all()
    assert (views.photo[32:, 0] == 0).all()
    behind = photograph(mesh, [np.array([0.0, 1.0, 0.0])], waves)
    assert (finish(look(mesh, MeshScene(mesh), behind)).photo == -1).all()


def test_gains_undo_exposure_up_to_one_common_factor():
    mesh = ball()
    exposures = np.array([0.8, 1.0, 1.2, 0.9, 1.1, 1.0, 0.85, 1.15, 1.0, 1.05])
    photos = photograph(mesh, around(10), lambda p: 0.6 * waves(p) + 40, list(exposures))
    views = finish(look(mesh, MeshScene(mesh), photos))
    gains = gains_of(mesh, photos, views)
    corrected = gains * exposures[:, None]
    assert corrected.std() / corrected.mean() < 0.04
    assert np.log(gains).mean() == pytest.approx(0, abs=0.02)
