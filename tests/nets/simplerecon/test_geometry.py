"""Projection, sampling and pose distance against plain arithmetic."""

import numpy as np
import torch

from engine.nets.simplerecon import geometry
from engine.nets.simplerecon.cost_volume import warp
from tests.nets.simplerecon.small import views


def test_rays_leave_through_pixel_centres():
    K = torch.tensor([[[10.0, 0, 4], [0, 20, 3], [0, 0, 1]]])
    rays = geometry.Backprojector(2, 3)(K, 2, 3)[0].T
    wanted = [((x + 0.5 - 4) / 10, (y + 0.5 - 3) / 20, 1) for y in range(2) for x in range(3)]
    assert torch.allclose(rays, torch.tensor(wanted), atol=1e-6)


def test_points_project_back_onto_their_pixels():
    scene = views()
    K = torch.from_numpy(scene.K[None, :3, :3])
    points = 1.7 * geometry.Backprojector(4, 6)(K, 4, 6)
    T = torch.eye(4)[None]
    pixels, depth = geometry.Projector()(geometry.transform(geometry.camera_matrix(K, T), points))
    assert torch.allclose(pixels[0], geometry.pixel_centres(4, 6)[:2], atol=1e-4)
    assert torch.allclose(depth, torch.full((1, 24), 1.7), atol=1e-5)


def test_points_in_the_plane_of_the_camera_stay_undivided():
    pixels, depth = geometry.Projector()(torch.tensor([[[3.0, 2], [4, 6], [0, 2]]]))
    assert pixels[0].T.tolist() == [[3, 4], [1, 3]]
    assert depth[0, 0] == geometry.EPS


def test_sampling_at_centres_reads_pixels_and_outside_is_zero():
    feat = torch.arange(12.0).reshape(1, 1, 3, 4)
    centres = geometry.pixel_centres(3, 4)[None, :2]
    assert torch.allclose(geometry.sample(feat, centres)[0, 0], torch.arange(12.0), atol=1e-5)
    between = torch.tensor([[[2.0], [0.5]]])
    assert torch.isclose(geometry.sample(feat, between).squeeze(), torch.tensor(1.5))
    outside = torch.tensor([[[-0.5, 9.0], [1.5, 1.5]]])
    assert geometry.sample(feat, outside).abs().max() == 0
    on_the_border = torch.tensor([[[0.0], [0.5]]])
    feat += 10
    assert torch.isclose(geometry.sample(feat, on_the_border).squeeze(), torch.tensor(5.0))


def test_scaled_intrinsics_see_the_same_rays():
    K = torch.tensor([[50.0, 0, 31], [0, 60, 23], [0, 0, 1]])
    point = torch.tensor([0.3, -0.2, 1.0])
    assert torch.allclose((geometry.scaled(K, 4) @ point)[:2], (K @ point)[:2] / 4)


def test_pose_distance_by_hand():
    turned = torch.eye(4)
    turned[:3, :3] = torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    turned[:3, 3] = torch.tensor([0.0, 3, 4])
    combined, turn, metres = geometry.pose_distance(turned)
    assert torch.isclose(metres, torch.tensor(5.0))
    assert torch.isclose(turn, torch.tensor(4 / 3).sqrt())
    assert torch.isclose(combined, torch.tensor(25 + 4 / 3).sqrt())
    # A trace above 3 by rounding is no turn, not NaN.
    assert geometry.pose_distance(1.0001 * torch.eye(4))[1] == 0


def test_relative_poses_take_reference_points_into_sources():
    T = torch.from_numpy(views().poses)[None]
    relative = geometry.relative_poses(T)
    for k in range(3):
        wanted = np.linalg.inv(T[0, k + 1].double().numpy()) @ T[0, 0].double().numpy()
        assert np.abs(relative[0, k].numpy() - wanted).max() < 1e-6


def test_gradient_of_warping_in_double():
    generator = torch.Generator().manual_seed(4)
    feat = torch.rand(1, 1, 2, 5, 6, generator=generator, dtype=torch.float64)
    depth = 1 + torch.rand(1, 1, 7, generator=generator, dtype=torch.float64)
    rays = torch.rand(1, 3, 7, generator=generator, dtype=torch.float64)
    K = torch.tensor([[[4.0, 0, 3], [0, 4, 2], [0, 0, 1]]], dtype=torch.float64)
    T = torch.eye(4, dtype=torch.float64)[None]
    T[:, :3, 3] = torch.tensor([0.11, -0.07, 1.3])
    projector = geometry.Projector().double()

    def warped(feat, depth, T):
        points = geometry.transform(geometry.camera_matrix(K, T), rays * depth)
        pixels, z = projector(points)
        return warp(feat, pixels[:, None, None]), z

    assert torch.autograd.gradcheck(
        warped, (feat.requires_grad_(), depth.requires_grad_(), T.requires_grad_())
    )
