import numpy as np
import pytest
import torch

from engine.core.faults import BadInput
from engine.objects.cameras import six_view_rig, write_camera
from engine.objects.views import load_views, over_white

TEXTS = [write_camera(camera) for camera in six_view_rig()]


def picture(seed: int = 0, height: int = 40, width: int = 30) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 4), dtype=np.uint8)


def test_colour_is_laid_over_white_and_cut_off():
    rgba = np.array([[[10, 20, 30, 0], [10, 20, 30, 255], [200, 0, 100, 128]]], np.uint8)
    color, alpha = over_white(rgba)
    assert color[0, 0].tolist() == [255, 255, 255]
    # 128/255 of 200, 0, 100 and the rest white: 227.39, 127.0, 177.19.
    assert np.abs(color[0, 2].astype(int) - [227, 127, 177]).max() <= 1
    assert color[0, 2, 0] == 227
    assert alpha.tolist() == [[0, 255, 128]]


def test_fractions_are_never_rounded_up():
    rgba = picture()
    exact = rgba[..., :3] * (rgba[..., 3:] / 255) + 255.0 - rgba[..., 3:]
    color, _ = over_white(rgba)
    # Single precision may fall just short of a whole count, which is then lost as well.
    assert (color <= exact + 1e-3).all()
    assert (color > exact - 1 - 1e-3).all()
    assert (exact - color > 0.5).mean() > 0.4


def test_pictures_are_resized_and_cameras_with_them():
    views = load_views([picture(0), picture(1)], TEXTS[:2], 64)
    assert views.color.shape == (2, 64, 64, 3)
    assert views.mask.shape == (2, 64, 64, 1)
    assert views.color.dtype == views.mask.dtype == np.float32
    assert len(np.unique(views.mask)) > 100
    lens = views.cameras[0].intrinsics
    assert (lens.width, lens.height) == (64, 64)
    assert lens.fx == pytest.approx(955.405 / 8, abs=1e-3)


def test_rasterisers_are_told_of_the_true_camera_unless_the_published_one_is_asked_for():
    true, published = (
        load_views([picture()], TEXTS[:1], 64, compatible=flag).cameras[0] for flag in (False, True)
    )
    wide = 1 / np.tan(np.radians(15))
    assert true.projection()[0, 0] == pytest.approx(wide)
    assert published.projection()[0, 0] == pytest.approx(wide / 8)
    np.testing.assert_array_equal(true.rays(8, 8)[1], published.rays(8, 8)[1])


def test_a_picture_of_the_right_size_is_not_touched():
    rgba = picture(height=64, width=64)
    views = load_views([rgba], TEXTS[:1], 64)
    color, alpha = over_white(rgba)
    np.testing.assert_array_equal(np.round(views.color[0] * 255), color)
    np.testing.assert_array_equal(np.round(views.mask[0, ..., 0] * 255), alpha)


def test_network_input_is_colour_ray_moment_mask():
    views = load_views([picture(0), picture(1), picture(2)], TEXTS[:3], 32)
    channels = views.network_input()
    assert channels.shape == (3, 10, 32, 32)
    assert channels.dtype == torch.float32
    np.testing.assert_array_equal(channels[:, :3].permute(0, 2, 3, 1), views.color)
    np.testing.assert_array_equal(channels[:, 9], views.mask[..., 0])
    d, m = channels[:, 3:6].double(), channels[:, 6:9].double()
    torch.testing.assert_close(d.norm(dim=1), torch.ones(3, 32, 32).double())
    eye = torch.tensor(np.stack([c.T_world_cam.translation for c in views.cameras]))
    expected = torch.linalg.cross(d, eye[:, :, None, None].expand_as(d), dim=1)
    torch.testing.assert_close(m, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("rgba", "texts", "says"),
    [
        ([], [], "0 pictures and 0 camera"),
        ([picture()], TEXTS[:2], "1 pictures and 2 camera"),
        ([picture()[..., :3]], TEXTS[:1], "no alpha"),
        ([picture().astype(np.float32)], TEXTS[:1], "no alpha"),
        ([picture()], ["extrinsic"], "1 lines instead of 8"),
    ],
)
def test_what_cannot_be_used_is_refused(rgba, texts, says):
    with pytest.raises(BadInput, match=says):
        load_views(rgba, texts)
