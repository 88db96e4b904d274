import numpy as np
import pytest
from skimage.metrics import structural_similarity

from engine.core.faults import BadInput
from engine.core.frames import Photo
from engine.core.surface import Mesh
from engine.evaluation.images import BEST_DB, compare_renders, psnr_db, ssim
from tests.evaluation.shapes import CAMERA, down_from, plane

DICE = np.random.default_rng(0)
PICTURE = DICE.integers(20, 230, (40, 50, 3)).astype(np.uint8)
ALL = np.ones((40, 50), np.bool_)


def test_psnr_of_a_known_error():
    # Ten grey levels everywhere: 20 log10(255 / 10).
    assert psnr_db(PICTURE + np.uint8(10), PICTURE, ALL) == pytest.approx(28.1308, abs=1e-3)
    assert psnr_db(PICTURE, PICTURE, ALL) == BEST_DB


def test_psnr_looks_only_under_the_mask():
    spoiled = PICTURE.copy()
    spoiled[:, 25:] = 0
    left = ALL.copy()
    left[:, 25:] = False
    assert psnr_db(spoiled, PICTURE, left) == BEST_DB
    assert psnr_db(spoiled, PICTURE, ALL) < 12


def test_ssim_is_the_librarys_over_the_whole_picture():
    noisy = np.clip(PICTURE + DICE.normal(0, 25, PICTURE.shape), 0, 255).astype(np.uint8)
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    _, full = structural_similarity(
        noisy, PICTURE, channel_axis=2, data_range=255, full=True, **options
    )
    assert ssim(noisy, PICTURE, ALL) == pytest.approx(full.mean())
    assert ssim(PICTURE, PICTURE, ALL) == pytest.approx(1.0)
    assert ssim(noisy, PICTURE, ALL) < 0.97


def test_ssim_forgives_what_lies_outside_the_mask():
    spoiled = PICTURE.copy()
    spoiled[:, 25:] = 0
    left = ALL.copy()
    left[:, 25:] = False
    assert ssim(spoiled, PICTURE, left) == pytest.approx(1.0)


def test_a_painted_floor_looks_like_its_photograph():
    floor = plane(1, 1)
    grey = np.full(floor.vertices.shape, 100, np.uint8)
    mesh = Mesh(floor.vertices, floor.faces, grey)
    pose = down_from((0.5, 0.3, 1.2), (0.5, 0.5, 0))
    photo = Photo(np.full((72, 96, 3), 110, np.uint8), CAMERA, pose)
    score = compare_renders(mesh, [photo])
    assert score.psnr_db == pytest.approx(28.1308, abs=1e-3)
    assert 0.3 < score.coverage < 1.0
    assert score.pictures == 1
    assert "covered" in score.protocol


def test_bad_input_is_refused():
    with pytest.raises(BadInput, match="cannot be compared"):
        psnr_db(PICTURE, PICTURE[:10], ALL)
    with pytest.raises(BadInput, match="No pixel"):
        psnr_db(PICTURE, PICTURE, ~ALL)
    with pytest.raises(BadInput, match="14 pixels"):
        ssim(PICTURE[:5], PICTURE[:5], ALL[:5])
    away = Photo(PICTURE, CAMERA.scaled_to(50, 40), down_from((0.5, 0.3, 1.2), (0.5, 0.5, 9)))
    with pytest.raises(BadInput, match="none of the pictures"):
        compare_renders(plane(1, 1), [away])
