import numpy as np
import pytest
import torch
from PIL import Image

from engine.core.camera import Intrinsics
from engine.core.faults import BadInput
from engine.core.poses import Pose
from engine.nets.finerecon.projection import project
from engine.recon.views import color_view, depth_view, resized_matrix

CAMERA = Intrinsics(1296, 968, 1170.0, 1172.0, 647.0, 483.0)


def test_the_half_pixel_is_taken_off_once_and_only_then_scaled():
    K = resized_matrix(CAMERA, 640, 480).double().numpy()
    across, down = 640 / 1296, 480 / 968
    assert K[0, 0] == pytest.approx(1170 * across)
    assert K[1, 1] == pytest.approx(1172 * down)
    # Not 646.5 * across + half a pixel's share: the published weights know no such term.
    assert K[0, 2] == pytest.approx(646.5 * across)
    assert K[1, 2] == pytest.approx(482.5 * down)
    assert K[2].tolist() == [0, 0, 1]


def test_at_the_original_size_both_cameras_see_a_point_half_a_pixel_apart():
    T_world_cam = Pose.exp([0.3, -0.2, 0.1, 0.5, -1.0, 0.2])
    color = np.zeros((480, 640, 3), np.uint8)
    camera = Intrinsics(640, 480, 525.0, 520.0, 310.0, 235.0)
    view = color_view(color, camera, T_world_cam, None)
    points_cam = np.array([[0.1, -0.2, 1.5], [-0.4, 0.3, 2.5]])
    ours, _ = camera.project(points_cam)
    points = torch.from_numpy(T_world_cam.apply(points_cam).astype(np.float32))
    theirs, _ = project(points, view.K, view.T_cam_world)
    assert theirs.numpy() == pytest.approx(ours - 0.5, abs=1e-3)


def test_depth_keeps_its_own_size_and_camera():
    camera = Intrinsics(32, 24, 30.0, 31.0, 16.5, 12.5)
    depth = np.linspace(0, 3, 32 * 24, dtype=np.float32).reshape(24, 32)
    view = depth_view(depth, camera, Pose.identity())
    assert view.depth_hw.shape == (24, 32)
    assert view.K[0, 2] == 16
    assert view.K[1, 2] == 12


def test_pictures_are_resized_without_regard_to_proportions():
    color = np.random.default_rng(0).integers(0, 256, (30, 90, 3)).astype(np.uint8)
    camera = Intrinsics(90, 30, 80.0, 80.0, 45.0, 15.0)
    view = color_view(color, camera, Pose.identity(), None, 64, 48)
    assert view.image_hw == (48, 64)
    expected = np.asarray(Image.fromarray(color).resize((64, 48), Image.Resampling.BICUBIC))
    assert np.array_equal(view.image_3hw.permute(1, 2, 0).numpy(), expected)


@pytest.mark.parametrize("size", [(640, 470), (630, 480), (0, 480)])
def test_sizes_that_do_not_fit_are_refused(size):
    with pytest.raises(BadInput, match="do not fit the network"):
        color_view(np.zeros((4, 4, 3), np.uint8), CAMERA, Pose.identity(), None, *size)
