"""Pictures agree with the distances they were made from."""

import time

import numpy as np
import pytest
import torch

from engine.core.camera import Intrinsics, lift
from engine.core.faults import BadInput
from engine.core.poses import Pose
from engine.synth.lighting import Lighting
from engine.synth.materials import Material
from engine.synth.objects import build_object
from engine.synth.paths import walk
from engine.synth.pieces import rigid
from engine.synth.raycast import Caster, Pinhole
from engine.synth.render import Renderer, pinhole, poses_tensor
from engine.synth.rooms import build_room
from engine.synth.shapes import Shape, Solids, box, capsule, cone, cylinder, plane, sphere, torus
from engine.synth.world import Light, Part, World
from tests.synth.conftest import CAMERA


@pytest.fixture(scope="module")
def poses(room: World) -> list[Pose]:
    return [pose for pose, _ in walk(room, 0, 6).poses()]


def test_every_hit_lies_on_the_surface(room: World, renderer: Renderer, poses: list[Pose]) -> None:
    for pose, picture in zip(poses, renderer.render(CAMERA, poses), strict=True):
        assert (picture.depth_m > 0).all()
        points = lift(picture.depth_m, CAMERA, pose)
        assert np.abs(room.distance(points)).max() < 1e-3


def test_nothing_lies_before_a_hit(room: World, renderer: Renderer, poses: list[Pose]) -> None:
    picture = renderer.render(CAMERA, poses[:1])[0]
    for share in np.linspace(0.02, 0.995, 25):
        points = lift(picture.depth_m * np.float32(share), CAMERA, poses[0])
        # Sliding along a surface may come within rounding of it, never inside.
        assert room.distance(points).min() > -2e-4


def test_normals_follow_the_gradient_of_the_distance(
    room: World, renderer: Renderer, poses: list[Pose]
) -> None:
    picture = renderer.render(CAMERA, poses[:1])[0]
    points = lift(picture.depth_m, CAMERA, poses[0])
    normals = picture.normals_world.reshape(-1, 3)
    assert np.abs(np.linalg.norm(normals, axis=1) - 1).max() < 1e-4
    eps = 2e-3
    off = points + 0.004 * normals
    slope = np.stack(
        [(room.distance(off + e) - room.distance(off - e)) / (2 * eps) for e in eps * np.eye(3)], 1
    )
    smooth = np.abs(np.linalg.norm(slope, axis=1) - 1) < 0.02
    agree = (slope * normals).sum(1) > 0.99
    assert smooth.mean() > 0.8
    assert agree[smooth].mean() > 0.97


def test_a_batch_equals_its_views_one_by_one(renderer: Renderer, poses: list[Pose]) -> None:
    together = renderer.views(pinhole(CAMERA), poses_tensor(poses[:3]))
    for i in range(3):
        alone = renderer.views(pinhole(CAMERA), poses_tensor(poses[i : i + 1]))
        assert torch.allclose(together.depth_m[i], alone.depth_m[0], atol=1e-5)
        assert torch.equal(together.instance[i], alone.instance[0])
        assert torch.allclose(together.radiance[i], alone.radiance[0], atol=2e-3)


def test_pictures_are_repeatable(room: World, renderer: Renderer, poses: list[Pose]) -> None:
    again = Renderer(room, texture_px=64).render(CAMERA, poses[:1])[0]
    first = renderer.render(CAMERA, poses[:1])[0]
    assert np.array_equal(first.color, again.color)
    assert np.array_equal(first.depth_m, again.depth_m)


def test_outlines_come_near_to_many_rays_a_pixel(
    renderer: Renderer, poses: list[Pose], monkeypatch: pytest.MonkeyPatch
) -> None:
    camera, many = pinhole(CAMERA), 4
    fine = Pinhole(
        *(many * n for n in (camera.width, camera.height)),
        *(many * n for n in (camera.fx, camera.fy, camera.cx, camera.cy)),
    )
    pose = poses_tensor(poses[2:3])
    light = renderer.tone(renderer.views(fine, pose).radiance)[0]
    truth = light.reshape(120, many, 160, many, 3).mean(dim=(1, 3))
    smooth = renderer.tone(renderer.views(camera, pose).radiance)[0]
    monkeypatch.setattr("engine.synth.render.smooth_outlines", lambda *args: args[-1])
    rough = renderer.tone(renderer.views(camera, pose).radiance)[0]
    edge = (smooth != rough).any(-1)
    assert 0.02 < edge.float().mean() < 0.5
    before, after = (float((v - truth)[edge].square().mean()) for v in (rough, smooth))
    assert after < 0.5 * before


def test_pictures_look_lit(renderer: Renderer, poses: list[Pose]) -> None:
    pictures = renderer.render(CAMERA, poses)
    bright = np.stack([p.color for p in pictures]).astype(float).mean(-1)
    assert 70 < bright.mean() < 200
    assert bright.std() > 20
    assert (bright > 253).mean() < 0.05
    assert len(np.unique(np.stack([p.instance for p in pictures]))) > 12


def test_shadow_falls_where_the_lamp_is_hidden() -> None:
    stuff = Material("plastic", ((0.5, 0.5, 0.5),))
    world = World(
        [
            Part(plane(), rigid((0, 0, 0)), stuff, 1),
            Part(box(1, 1, 0.04), rigid((0, 0, 0.7)), stuff, 2),
        ],
        [Light((0, 0, 2.4), (1, 1, 1))],
        {1: "floor", 2: "board"},
        (np.array([-2, -2, 0.0]), np.array([2, 2, 2.5])),
    )
    light = Lighting(world, Caster(world.solids), "cpu")
    # The edge of the board's shadow lies at 0.5 * 2.4 / 1.7 (a little less, for its thickness).
    x = torch.tensor([0.0, 0.5, 0.66, 0.72, 0.8, 1.5])
    points = torch.stack([x, torch.zeros(6), torch.zeros(6)], 1)
    up = torch.tensor([[0.0, 0.0, 1.0]]).expand(6, 3)
    seen = light.shadow(0, points, up)
    assert seen[:3].max() < 0.35
    assert 0 < seen[3] < 1
    assert seen[4:].min() == 1
    on_top = torch.tensor([[0.2, 0.1, 0.7201]])
    assert float(light.shadow(0, on_top, up[:1])[0]) == 1
    openness = light.openness(points, up)
    assert openness[0] < openness[5] - 0.05


@pytest.mark.parametrize(
    "shape",
    [
        box(0.5, 0.4, 0.3),
        box(0.5, 0.4, 0.3, 0.1),
        cylinder(0.2, 0.5),
        cylinder(0.3, 0.02),
        cone(0.25, 0.05, 0.5, 0.02),
        capsule(0.08, 0.6),
        sphere(0.3),
        torus(0.25, 0.07),
    ],
)
def test_rays_find_each_shape_where_marching_finds_it(shape: Shape) -> None:
    pose = rigid((0.1, -0.05, 1.5), (35, 20, 60))
    solids = Solids.build([shape], [pose])
    camera = Pinhole(64, 48, 60, 60, 32, 24)
    hits = Caster(solids).cast(camera, torch.eye(4)[None])
    depth = camera.untile(hits.depth_m)[0]
    directions = camera.untile(camera.tile_directions(torch.device("cpu")).transpose(1, 2))[
        0
    ].reshape(-1, 3)
    t = torch.zeros(len(directions))
    speed = torch.linalg.vector_norm(directions, dim=1)
    for _ in range(400):
        t = t + solids.distance(t[:, None] * directions) / speed
    marched = torch.where(solids.distance(t[:, None] * directions) < 1e-5, t, torch.inf)
    found = depth.reshape(-1)
    both = torch.isfinite(found) & torch.isfinite(marched) & (marched < 5)
    assert both.sum() > 50
    assert (found - marched)[both].abs().max() < 2e-3
    # Only rays that graze the outline may be judged differently.
    assert (torch.isfinite(found) != (marched < 5)).sum() <= 4


def test_object_views_show_the_object_in_the_middle() -> None:
    world = build_object(2)
    small = Renderer(world, texture_px=64)
    focus = np.array(world.focus_m)
    eye = focus + np.array([0.5, -0.4, 0.2])
    forward = focus - eye
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, [0, 0, 1.0])
    right /= np.linalg.norm(right)
    pose = Pose.from_parts(np.stack([right, np.cross(forward, right), forward], 1), eye)
    picture = small.render(CAMERA, [pose])[0]
    assert 1 in picture.instance
    rows, columns = np.nonzero(picture.instance == 1)
    assert abs(rows.mean() - 60) < 30
    assert abs(columns.mean() - 80) < 30


def test_odd_sizes_and_one_pixel(renderer: Renderer, poses: list[Pose]) -> None:
    for width, height in ((1, 1), (13, 7), (64, 49)):
        camera = Intrinsics(width, height, width, width, width / 2, height / 2)
        picture = renderer.render(camera, poses[:1])[0]
        assert picture.color.shape == (height, width, 3)
        points = lift(picture.depth_m, camera, poses[0])
        assert np.abs(renderer.world.distance(points)).max() < 1e-3


def test_a_view_is_quick() -> None:
    world = build_room(1, 20.0)
    renderer = Renderer(world, texture_px=64)
    camera = Intrinsics(320, 240, 262, 262, 160, 120)
    poses = [pose for pose, _ in walk(world, 0, 4).poses()]
    renderer.render(camera, poses[:1])
    start = time.process_time()
    for pose in poses:
        renderer.render(camera, [pose])
    # A quarter of a second is the promise; three times that is a fault, not a busy machine.
    assert (time.process_time() - start) / len(poses) < 0.75


@pytest.mark.parametrize("edge_px", [0, 4, 100])
def test_textures_that_cannot_be_halved_are_refused(room: World, edge_px: int) -> None:
    with pytest.raises(BadInput, match="cannot be halved"):
        Renderer(room, texture_px=edge_px)


def test_open_scenes_leave_the_background_unknown() -> None:
    stuff = Material("checker", ((0.8, 0.8, 0.8), (0.2, 0.2, 0.6)))
    world = World(
        [Part(sphere(0.3), rigid((0, 0, 0.5)), stuff, 1)],
        [Light((1, 1, 2), (2, 2, 2))],
        {1: "ball"},
        (np.array([-1, -1, 0.0]), np.array([1, 1, 1.5])),
        (0, 0, 0.5),
    )
    small = Renderer(world, texture_px=64)
    pose = Pose.from_parts(np.array([[0, 0, 1], [-1, 0, 0], [0, -1, 0]]), [-1.0, 0, 0.5])
    picture = small.render(CAMERA, [pose])[0]
    seen = picture.instance == 1
    assert 0.1 < seen.mean() < 0.6
    assert (picture.depth_m[~seen] == 0).all()
    assert (picture.color[~seen] == 0).mean() > 0.95
    assert picture.depth_m[60, 80] == pytest.approx(0.7, abs=1e-3)
    assert picture.normals_world[60, 80] @ [-1, 0, 0] > 0.99


@pytest.mark.gpu
def test_gpu_draws_what_the_cpu_draws(room: World, renderer: Renderer, poses: list[Pose]) -> None:
    on_gpu = Renderer(room, "cuda", texture_px=64)
    for ours, theirs in zip(
        renderer.render(CAMERA, poses), on_gpu.render(CAMERA, poses), strict=True
    ):
        same = np.abs(ours.depth_m - theirs.depth_m) < 1e-3
        assert same.mean() > 0.999
        difference = np.abs(ours.color.astype(int) - theirs.color.astype(int))
        assert difference[same].mean() < 0.5
