"""Worlds drawn in batches agree with worlds drawn one by one, and never ask the device back."""

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from engine.core.faults import BadInput
from engine.synth import packed as at
from engine.synth.bank import build_bank
from engine.synth.cast_many import Cameras, cast_dense, cast_listed
from engine.synth.film import DRAWS, Film, expose, flow
from engine.synth.interiors import build_interior
from engine.synth.looks import MIRROR
from engine.synth.materials import Material
from engine.synth.packed import Look, Packed, pack
from engine.synth.paths import walk
from engine.synth.pieces import rigid
from engine.synth.raycast import Caster, Pinhole
from engine.synth.rooms import build_room
from engine.synth.shade_many import light_up, look
from engine.synth.shapes import Kind, Shape
from engine.synth.shapes import box as box_shape
from engine.synth.stage import Stage
from engine.synth.textures import Textures
from engine.synth.world import Light, Part, World

H, W = 48, 64


def packed_of(worlds: list[World], looks: list[list[Look]] | None = None) -> Packed:
    some = [
        pack(w, looks[i] if looks else [Look(0)] * len(w.parts), 288) for i, w in enumerate(worlds)
    ]
    table, lamps, bounds = (torch.from_numpy(np.stack(p)) for p in zip(*some, strict=True))
    return Packed(table, lamps, bounds[:, 0], bounds[:, 1])


def cameras_in(worlds: list[World], views: int, height: int = H, width: int = W) -> Cameras:
    poses = [np.stack([p.matrix for p, _ in walk(w, 1, views).poses()]) for w in worlds]
    T = torch.from_numpy(np.stack(poses)).float()
    focal = 0.8 * width
    K = torch.tensor([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
    return Cameras(K.expand(len(worlds), views, 3, 3), T, height, width)


@pytest.fixture(scope="module")
def worlds() -> list[World]:
    return [build_room(3, 12), build_room(5, 20)]


@pytest.fixture(scope="module")
def packed(worlds: list[World]) -> Packed:
    return packed_of(worlds)


def test_batches_meet_what_single_worlds_meet(worlds: list[World], packed: Packed) -> None:
    cameras = cameras_in(worlds, 3)
    depth, _ = cast_listed(packed, cameras)
    for i, world in enumerate(worlds):
        kept = [p for p in world.parts if p.shape.kind is not Kind.TORUS]
        same = World(kept, world.lights, world.names, world.bounds_m)
        lens = Pinhole(W, H, 0.8 * W, 0.8 * W, W / 2, H / 2)
        hits = Caster(same.solids).cast(lens, cameras.T_world_cam[i])
        torch.testing.assert_close(depth[i], lens.untile(hits.depth_m), atol=1e-4, rtol=0)


def test_fixed_shapes_miss_next_to_nothing(worlds: list[World], packed: Packed) -> None:
    cameras = cameras_in(worlds, 6, 128, 160)
    listed, row = cast_listed(packed, cameras)
    dense, dense_row = cast_dense(packed, cameras)
    wrong = (listed - dense).abs() > 1e-3
    assert float(wrong.float().mean()) < 3e-4
    assert float((row != dense_row)[~wrong].float().mean()) < 1e-2


def test_distance_is_the_worlds_own(worlds: list[World], packed: Packed) -> None:
    dice = torch.Generator().manual_seed(0)
    share = torch.rand(2, 400, 3, generator=dice)
    points = packed.low[:, None] + share * (packed.high - packed.low)[:, None]
    found = at.distance(packed, points)
    for i, world in enumerate(worlds):
        kept = [p for p in world.parts if p.shape.kind is not Kind.TORUS]
        same = World(kept, world.lights, world.names, world.bounds_m)
        torch.testing.assert_close(found[i], same.distance(points[i]), atol=1e-5, rtol=0)
    torch.testing.assert_close(at.distance_dense(packed, points), found, atol=1e-5, rtol=0)


def test_a_scaled_world_has_scaled_distances(worlds: list[World]) -> None:
    world = worlds[0]
    table, lamps, bounds = pack(world, [Look(0)] * len(world.parts), 288, 1.5)
    twice = Packed(*(torch.from_numpy(a)[None] for a in (table, lamps)),
                   *torch.from_numpy(bounds)[:, None])  # fmt: skip
    plain = packed_of([world])
    points = torch.rand(1, 200, 3, generator=torch.Generator().manual_seed(1)) * 2 - 0.5
    torch.testing.assert_close(
        at.distance(twice, points * 1.5), at.distance(plain, points) * 1.5, atol=1e-4, rtol=0
    )


def test_too_many_solids_lose_the_smallest() -> None:
    world = build_room(3, 12)
    table, _, _ = pack(world, [Look(0)] * len(world.parts), 20)
    sizes = sorted(max(p.shape.outer_half_m()) for p in world.parts
                   if p.shape.kind in (Kind.BOX, Kind.FRUSTUM))  # fmt: skip
    assert (table[:, at.FORM] != at.NOTHING).sum() == at.PLANES + 20
    assert table[at.PLANES :, at.OUTER].max(1).min() == pytest.approx(sizes[-20], abs=1e-6)


def closet(look: Look) -> Packed:
    """A room of 4 m with one large upright board before the camera, wearing the look."""
    plain = Material("plaster", ((0.5, 0.5, 0.5),))
    half = Shape(Kind.PLANE, (0.0, 0.0, 0.0))
    turns = (
        ((0, 0, 0), (0, 0, 0)),
        ((0, 0, 3), (180, 0, 0)),
        ((0, 2, 1), (90, 0, 0)),
        ((0, -2, 1), (-90, 0, 0)),
        ((2, 0, 1), (0, -90, 0)),
        ((-2, 0, 1), (0, 90, 0)),
    )
    parts = [Part(half, rigid(a, t), plain, i + 1) for i, (a, t) in enumerate(turns)]
    parts.append(Part(box_shape(0.02, 3, 2.8), rigid((1, 0, 1.5)), plain, 7))
    bounds = (np.array([-2.0, -2, 0]), np.array([2.0, 2, 3]))
    world = World(parts, [Light((-0.5, 0.8, 2.6), (3, 3, 3))], {}, bounds)
    striped = Look(1, tile_scale=1.0)
    return packed_of([world], [[*[striped] * 6, look]])


def two_pictures() -> Textures:
    stripes = torch.zeros(32, 32, 3)
    stripes[:, :16] = 0.9
    return Textures([torch.full((32, 32, 3), 0.7), stripes])


def facing_cameras() -> Cameras:
    T = torch.zeros(1, 2, 4, 4)
    T[..., :3, :3] = torch.tensor([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]])
    T[..., :3, 3] = torch.tensor([[-1.0, 0, 1.5], [-1.0, 0.4, 1.5]])
    T[..., 3, 3] = 1
    K = torch.tensor([[50.0, 0, 32], [0, 50, 24], [0, 0, 1]])
    return Cameras(K.expand(1, 2, 3, 3), T, H, W)


def test_a_mirror_shows_the_room_and_its_own_depth() -> None:
    textures, cameras = two_pictures(), facing_cameras()
    matt, _ = look(light_up(closet(Look(0, gloss=0.0)), textures), cameras, textures)
    glass = Look(0, tint=(0.8, 0.8, 0.8), gloss=1.0, base=MIRROR)
    mirror, _ = look(light_up(closet(glass), textures), cameras, textures)
    middle = (slice(None), slice(None), slice(16, 32), slice(24, 40))
    torch.testing.assert_close(mirror.depth_m[middle], matt.depth_m[middle])
    torch.testing.assert_close(mirror.depth_m[middle], torch.full((1, 2, 16, 16), 1.99))
    inner = (0, slice(None), slice(None), slice(16, 32), slice(24, 40))
    # The wall behind the camera is striped: the mirror shows stripes, matt paint none.
    # Its borders are steps, which shading alone never makes.
    step = [s.light[inner].mean(-1).diff(dim=-1).abs().max() for s in (mirror, matt)]
    assert float(step[0]) > 3 * float(step[1])


def test_shadows_fall_away_from_the_lamp() -> None:
    textures = two_pictures()
    seen_from_behind = facing_cameras()
    T = seen_from_behind.T_world_cam.clone()
    T[..., :3, 3] = torch.tensor([1.9, 0.0, 1.5])
    T[..., :3, 2] = torch.tensor([-0.6, 0.0, -0.8])
    T[..., :3, 0] = torch.tensor([0.0, 1.0, 0.0])
    T[..., :3, 1] = torch.tensor([0.8, 0.0, -0.6])
    behind = Cameras(seen_from_behind.K, T, H, W)
    stage = light_up(closet(Look(0)), textures)
    in_front = look(stage, facing_cameras(), textures)[0]
    hidden = look(stage, behind, textures)[0]
    assert float(hidden.light.median()) < 0.6 * float(in_front.light.median())


def test_nothing_waits_for_the_device(packed: Packed) -> None:
    """Meta tensors have no numbers: whoever asks for one raises."""
    everything = Packed(*(getattr(packed, n).to("meta") for n in ("table", "lamps", "low", "high")))
    textures = two_pictures()
    textures._rows, textures._starts = textures._rows.to("meta"), textures._starts.to("meta")
    stage = light_up(everything, textures)
    K = torch.zeros(2, 5, 3, 3, device="meta")
    T = torch.zeros(2, 5, 4, 4, device="meta")
    seen, _ = look(stage, Cameras(K, T, H, W), textures)
    assert seen.light.shape == (2, 5, 3, H, W)
    assert Stage.join([stage.rows(slice(0, 1)), stage]).shadow.shape[0] == 3
    points = torch.zeros(2, 7, 3, device="meta")
    assert at.distance(everything, points).shape == (2, 7)


def film(clean: bool) -> Film:
    dice = torch.Generator().manual_seed(4)
    unit = torch.rand(1, 3, DRAWS, generator=dice)
    unit[:, 0, 0] = 0.0 if clean else 0.99
    return Film.draw(unit, torch.randn(1, 3, DRAWS, generator=dice), 0.5)


def test_a_clean_film_has_no_noise_and_a_dirty_one_has() -> None:
    textures, cameras = two_pictures(), facing_cameras()
    seen, _ = look(light_up(closet(Look(0)), textures), cameras, textures)
    speed, meter = torch.full((1, 2, 6), 0.3), torch.ones(1)

    def twice(strip: Film) -> float:
        shots = [expose(seen, cameras, speed, meter, strip, torch.Generator().manual_seed(s))
                 for s in (1, 2)]  # fmt: skip
        assert all(float(s.min()) >= 0 and float(s.max()) <= 1 for s in shots)
        return float((shots[0] - shots[1]).abs().mean())

    assert twice(film(clean=True)) == 0
    assert twice(film(clean=False)) > 1e-3


def test_flow_is_what_projection_says() -> None:
    cameras = facing_cameras()
    depth = torch.full((1, 2, H, W), 2.0)
    speed = torch.tensor([0.2, -0.3, 0.1, 0.25, -0.15, 0.1]).expand(1, 2, 6)
    dt = 1e-3
    T = cameras.T_world_cam[0, 0].double()
    # The camera a moment later: moved, then turned about the world's z and its own axes.
    turn = torch.zeros(3, 3, dtype=torch.float64)
    omega = T[:3, :3].T @ torch.tensor([0.0, 0, 0.25], dtype=torch.float64)
    omega = omega + torch.tensor([-0.15, 0, 0.1], dtype=torch.float64)
    turn[0, 1], turn[0, 2], turn[1, 2] = -omega[2], omega[1], -omega[0]
    turn = turn - turn.T
    later = T.clone()
    later[:3, :3] = T[:3, :3] @ torch.linalg.matrix_exp(turn * dt)
    later[:3, 3] += torch.tensor([0.2, -0.3, 0.1], dtype=torch.float64) * dt
    rays = cameras.directions()[0, 0].double()
    points = T[:3, 3] + rays * 2
    cam = (points - later[:3, 3]) @ later[:3, :3]
    uv = torch.stack([cam[..., 0] / cam[..., 2] * 50 + 32, cam[..., 1] / cam[..., 2] * 50 + 24], -1)
    v, u = torch.meshgrid(torch.arange(H) + 0.5, torch.arange(W) + 0.5, indexing="ij")
    moved = (uv - torch.stack([u, v], -1)) / dt
    torch.testing.assert_close(
        flow(depth, cameras, speed)[0, 0].double(), moved, atol=0.05, rtol=0.01
    )


def test_only_open_photographs_are_worn_and_some_are_kept_for_judging(tmp_path: Path) -> None:
    rows = []
    for i in range(20):
        name = f"p{i:02d}.png"
        cv2.imwrite(str(tmp_path / name), np.full((8, 8, 3), 10 * i, np.uint8))
        rows.append([name, "Wood", "CC0-1.0" if i < 16 else "MIT"])
    with (tmp_path / "index.csv").open("w", newline="") as lines:
        csv.writer(lines).writerows([["file", "kind", "licence"], *rows])
    learn = build_bank("cpu", tmp_path, edge_px=32)
    judge = build_bank("cpu", tmp_path, held_out=True, edge_px=32)
    assert len(learn.photographs) == 14
    assert len(judge.photographs) == 2
    means = {round(float(x), 4) for x in learn.mean[learn.photographs, 0]}
    assert not means & {round(float(x), 4) for x in judge.mean[judge.photographs, 0]}
    assert build_bank("cpu", None, edge_px=32).photographs == []


def test_a_folder_without_a_list_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"index\.csv"):
        build_bank("cpu", tmp_path, edge_px=32)


def test_interiors_differ_and_repeat() -> None:
    sizes = [build_interior(np.random.default_rng(k)).area_m2() for k in range(12)]
    assert len({round(s, 3) for s in sizes}) == 12
    assert max(sizes) > 2 * min(sizes)
    one, two = (build_interior(np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(one.solids.center, two.solids.center)
