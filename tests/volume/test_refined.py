from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core.faults import BadInput
from engine.core.grid import unpack
from engine.core.settings import VolumeSettings
from engine.kernels.integrate import ABSENT, REFINED_ONE
from engine.kernels.marching import UNSEEN
from engine.meshing.blocks import BlockMesher
from engine.meshing.seams import weld
from engine.volume.volume import Volume
from tests.meshing.fields import cube_of_bricks, points_of
from tests.scenes import BALL_CENTER, BALL_RADIUS, ball_and_wall, orbit

SETTINGS = VolumeSettings(memory_mb=256)
ROUND_THE_BALL = cube_of_bricks(-2, 6)
FRAMES = orbit(6)


def whole_ball(keys):
    """Return the whole ball of the test scene as a network would complete it."""
    words = []
    for cell in unpack(keys):
        distance = np.linalg.norm(points_of(cell) - BALL_CENTER, axis=-1) - BALL_RADIUS
        unit = np.rint(np.clip(distance / 0.12, -1, 1) * REFINED_ONE).astype(np.int16)
        words.append(np.where(np.abs(distance) < 0.08, np.where(unit == 0, 1, unit), ABSENT))
    return np.stack(words).astype(np.int16)


def noise(count, seed=0):
    return np.random.default_rng(seed).integers(-32768, 32768, (count, 16, 16, 16), np.int16)


def sums(volume):
    keys = volume.pool.keys()
    layers, slots = volume.layers, volume.slots(keys)
    return {
        key: (layers.tsdf[s].tobytes(), layers.weight[s].tobytes(), layers.color[s].tobytes())
        for key, s in zip(keys.tolist(), slots.tolist(), strict=True)
        if layers.weight[s].any()
    }


def observed_mesh(volume):
    mesher = BlockMesher(volume, 0.15)
    mesher.update(volume.pool.keys())
    return weld(mesher.patches.values())


@settings(max_examples=8, deadline=None)
@given(st.permutations(range(2 * len(FRAMES))), st.integers(0, 2**31))
def test_adding_and_refining_leave_no_trace_once_both_are_taken_back(order, seed):
    volume, untold = Volume(SETTINGS), Volume(SETTINGS)
    for frame in FRAMES:
        volume.add(frame)
        untold.add(frame)
    portions = np.array_split(np.append(volume.pool.keys(), cube_of_bricks(20, 22)), len(FRAMES))
    for portion in portions:
        volume.refine(portion, noise(len(portion), seed))
    assert sums(volume) == sums(untold)
    for step in order:
        if step < len(FRAMES):
            volume.subtract(FRAMES[step])
        else:
            volume.unrefine(portions[step - len(FRAMES)])
    assert volume.pool.resident == 0
    assert not any(layer.any() for layer in volume.pool.layers.values())


def test_taking_frames_back_leaves_what_the_network_says():
    volume = Volume(SETTINGS)
    for frame in FRAMES:
        volume.add(frame)
    keys = volume.pool.keys()
    told, words = keys[::2], noise(len(keys[::2]))
    volume.refine(told, words)
    for frame in FRAMES:
        volume.subtract(frame)
    assert volume.pool.keys().tolist() == told.tolist()
    assert np.array_equal(volume.layers.refined[volume.slots(told)], words)
    assert not volume.layers.weight[volume.slots(told)].any()


def test_saying_nothing_makes_no_brick():
    volume = Volume(SETTINGS)
    words = np.zeros((len(ROUND_THE_BALL), 16, 16, 16), np.int16)
    words[5, 3, 1, 2] = 7
    volume.refine(ROUND_THE_BALL, words)
    assert volume.pool.keys().tolist() == [ROUND_THE_BALL[5]]
    volume.unrefine(ROUND_THE_BALL)
    assert volume.pool.resident == 0
    assert not any(layer.any() for layer in volume.pool.layers.values())


def test_only_the_mesher_is_told_and_only_of_what_changed():
    volume = Volume(SETTINGS, ("mesh", "network"))
    keys, words = ROUND_THE_BALL[:40], noise(40)
    volume.refine(keys, words)
    assert sorted(volume.ledger.take("mesh").tolist()) == sorted(keys.tolist())
    assert volume.ledger.owed("network") == 0
    words[7, 0, 0, 0] ^= 1
    volume.refine(keys, words)
    assert volume.ledger.take("mesh").tolist() == [keys[7]]
    volume.unrefine(keys[:3])
    assert sorted(volume.ledger.take("mesh").tolist()) == sorted(keys[:3].tolist())


def test_bricks_take_what_was_said_to_disk_and_back(monkeypatch):
    monkeypatch.setattr("engine.volume.pool.EVICT_AT_ONCE", 4)
    volume = Volume(SETTINGS)
    volume.pool.capacity = 160
    words = noise(len(ROUND_THE_BALL))
    words[::3] = 0
    volume.refine(ROUND_THE_BALL, words)
    volume.add(FRAMES[0])
    assert volume.pool.spilled > 100
    for key, word in zip(ROUND_THE_BALL, words, strict=True):
        volume.pool.begin(np.zeros(3))
        (slot,) = volume.slots(np.array([key]))
        assert volume.layers.is_refined[slot] == word.any() or slot < 0
        assert np.array_equal(volume.layers.refined[slot], word) or slot < 0
        assert slot >= 0 or not word.any()
    volume.unrefine(ROUND_THE_BALL)
    volume.subtract(FRAMES[0])
    assert len(volume.pool.keys()) == 0
    volume.close()


@pytest.mark.parametrize(
    "words", [np.zeros((2, 16, 16, 16), np.int16), np.zeros((3, 16, 16, 16), np.int32)]
)
def test_what_is_no_brick_is_refused(words):
    with pytest.raises(BadInput, match="must be int16"):
        Volume(SETTINGS).refine(ROUND_THE_BALL[:3], words)


@pytest.mark.parametrize("has_color", [True, False])
def test_the_back_of_the_ball_is_a_guess_and_its_front_was_observed(has_color):
    volume = Volume(SETTINGS)
    for angle in (-0.4, 0.0, 0.4):
        frame = ball_and_wall(int(10 * angle), angle)
        volume.add(frame if has_color else without_color(frame))
    volume.refine(ROUND_THE_BALL, whole_ball(ROUND_THE_BALL))
    mesh = observed_mesh(volume)
    on_ball = np.abs(np.linalg.norm(mesh.vertices - BALL_CENTER, axis=1) - BALL_RADIUS) < 0.01
    toward = (mesh.vertices - BALL_CENTER)[:, 1] / BALL_RADIUS
    assert mesh.is_observed[on_ball & (toward < -0.5)].all()
    assert not mesh.is_observed[on_ball & (toward > 0.5)].any()
    guessed = mesh.colors[on_ball & (toward > 0.5)]
    assert len(guessed) > 500
    assert (guessed == UNSEEN).all()
    assert (mesh.colors[on_ball & (toward < -0.5)] != UNSEEN).any() == has_color
    # Points that are vertices get the vertices' answer.
    assert np.array_equal(volume.is_observed(mesh.vertices), mesh.is_observed)


def without_color(frame):
    return replace(frame, color=None)


def test_points_far_from_anything_measured_were_not_observed(monkeypatch):
    monkeypatch.setattr("engine.volume.volume.BRICKS_AT_ONCE", 3)
    volume = Volume(SETTINGS)
    for angle in (-0.4, 0.0, 0.4):
        volume.add(ball_and_wall(int(10 * angle), angle))
    dice = np.random.default_rng(0)
    ahead = dice.standard_normal((4000, 3)) * [0.3, 0.1, 0.3] + [0, -1, 0]
    ahead /= np.linalg.norm(ahead, axis=1, keepdims=True)
    distance = dice.uniform(-0.07, 0.3, len(ahead))
    observed = volume.is_observed(BALL_CENTER + (BALL_RADIUS + distance)[:, None] * ahead)
    assert observed[np.abs(distance) < 0.03].mean() > 0.99
    # Two voxels, and the sample beyond a point, which is up to a cell's diagonal away.
    assert not observed[np.abs(distance) > 0.04 + 0.02 * np.sqrt(3) + 0.002].any()
    assert volume.is_observed(np.zeros((0, 3))).shape == (0,)
    assert not volume.is_observed(np.full((1, 3), 500.0)).any()
