"""The sweep's kernels: what the plain one promises, and that the compiled one agrees."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.kernels import parallel, plane_sweep, plane_sweep_numba, plane_sweep_torch
from engine.kernels.plane_sweep import Smoothness

INVERSE = 1 / np.geomspace(0.5, 4.0, 9)
SMOOTH = Smoothness(step=0.2, jump=2.0, per_grey=0.1)


def world(seed: int, count: int = 3):
    """Return grey pictures of different sizes, and motions between them."""
    rng = np.random.default_rng(seed)
    reference = rng.uniform(-128, 127, (34, 30)).astype(np.float32)
    sources = [
        rng.uniform(-128, 127, (20 + 5 * k, 36 - 4 * k)).astype(np.float32) for k in range(count)
    ]
    A = np.eye(3) + rng.normal(0, 0.02, (count, 3, 3)) * [[1, 1, 20], [1, 1, 20], [0.02, 0.02, 1]]
    b = rng.normal(0, 1, (count, 3)) * [4, 4, 0.1]
    return reference, sources, A, b


@pytest.mark.parametrize("radius", [1, 3])
def test_compiled_costs_agree_with_the_definition(radius):
    reference, sources, A, b = world(1)
    # One source is behind everything: its plane never comes into view.
    b[2, 2] = -50
    arguments = (reference, sources, A, b, INVERSE, radius, 1.0)
    plain, fast = plane_sweep.photo_costs(*arguments), plane_sweep_numba.photo_costs(*arguments)
    assert plain.shape == fast.shape == (34, 9, 30)
    apart = np.abs(plain - fast)
    # A pixel on the very rim may count as in view for one and not for the other.
    assert (apart > 2e-3).mean() < 1e-3
    assert 0.2 < (plain < 1).mean() < 1
    assert np.unique(plain).size > 1000


def test_compiled_paths_and_choice_agree_with_the_definition():
    rng = np.random.default_rng(3)
    costs = rng.uniform(0, 1, (21, 12, 17)).astype(np.float32)
    grey = rng.uniform(-128, 127, (21, 17)).astype(np.float32)
    plain = plane_sweep.pick(plane_sweep.path_costs(costs, grey, SMOOTH), 2)
    fast = plane_sweep_numba.smooth_and_pick(costs, grey, SMOOTH, 2)
    assert np.allclose(plain.plane, fast.plane, atol=1e-3)
    assert np.allclose(plain.least, fast.least, atol=1e-5)
    assert np.allclose(plain.margin, fast.margin, atol=1e-5)


def test_the_coarse_volume_agrees_with_the_definition():
    rng = np.random.default_rng(5)
    # Neither side is a multiple of the blocks.
    costs = rng.uniform(0, 1, (22, 12, 17)).astype(np.float32)
    grey = rng.uniform(-128, 127, (22, 17)).astype(np.float32)
    plain = plane_sweep.coarse(costs, plane_sweep.path_costs(costs, grey, SMOOTH))
    picked, fast = plane_sweep_numba.smooth_pick_and_keep(costs, grey, SMOOTH, 2)
    assert plain.shape == fast.shape == (2, 12, 5, 4)
    assert np.allclose(plain, fast, atol=1e-4)
    assert np.array_equal(
        picked.plane, plane_sweep_numba.smooth_and_pick(costs, grey, SMOOTH, 2).plane
    )


def test_the_number_of_threads_changes_nothing(monkeypatch):
    reference, sources, A, b = world(2)

    def both():
        costs = plane_sweep_numba.photo_costs(reference, sources, A, b, INVERSE, 2, 1.0)
        return costs, plane_sweep_numba.smooth_and_pick(costs, reference, SMOOTH, 2)

    monkeypatch.setattr(parallel, "workers", lambda: 1)
    costs_alone, alone = both()
    monkeypatch.setattr(parallel, "workers", lambda: 4)
    costs_shared, shared = both()
    assert np.array_equal(costs_alone, costs_shared)
    for name in ("plane", "least", "margin"):
        assert np.array_equal(getattr(alone, name), getattr(shared, name))


def test_a_picture_matches_itself_on_the_right_plane_only():
    rng = np.random.default_rng(4)
    reference = rng.uniform(-128, 127, (40, 60)).astype(np.float32)
    # A camera 4 px a metre of inverse depth to the side; the picture was taken of a wall at 1 m.
    source = np.roll(reference, 4, axis=1)
    A, b = np.eye(3)[None], np.array([[4.0, 0, 0]])
    costs = plane_sweep.photo_costs(
        reference, [source], A, b, np.array([0.25, 0.5, 1.0, 2.0]), 3, 1.0
    )
    inner = costs[6:-6, :, 8:-12]
    assert (inner.argmin(axis=1) == 2).all()
    assert inner[:, 2].max() < 1e-3
    assert inner[:, 0].mean() > 0.7


def test_the_two_best_sources_count():
    rng = np.random.default_rng(5)
    reference, wrong = rng.uniform(-128, 127, (2, 20, 20)).astype(np.float32)
    A, b = np.stack([np.eye(3)] * 3), np.zeros((3, 3))

    def cost(*sources):
        n = len(sources)
        return plane_sweep.photo_costs(reference, sources, A[:n], b[:n], np.ones(1), 2, 1.0).mean()

    assert cost(reference, wrong, reference) < 1e-3
    assert cost(reference) < 1e-3
    assert cost(reference, wrong) == pytest.approx(0.5, abs=0.05)


def test_nothing_seen_costs_one():
    reference, sources, A, b = world(6)
    b[:, 2] = -100
    for kernel in (plane_sweep, plane_sweep_numba):
        assert (kernel.photo_costs(reference, sources, A, b, INVERSE, 2, 1.0) == 1).all()


@settings(max_examples=20, deadline=None)
@given(st.floats(0.2, 3), st.floats(-30, 30), st.integers(0, 99))
def test_correlation_ignores_brightness_and_contrast(gain, offset, seed):
    picture = np.random.default_rng(seed).uniform(-60, 60, (15, 15)).astype(np.float64)
    assert plane_sweep.zncc(picture, gain * picture + offset, 2, 1e-3).min() > 0.999
    assert plane_sweep.zncc(picture, -picture, 2, 1e-3).max() < -0.999


def test_noise_keeps_blank_windows_from_matching():
    blank = np.random.default_rng(7).normal(0, 0.3, (20, 20))
    assert np.abs(plane_sweep.zncc(blank, blank, 3, 1.0)).max() < 0.3
    assert plane_sweep.zncc(blank, blank, 3, 1e-3).min() > 0.99


def test_window_sums_repeat_the_rim():
    picture = np.arange(12.0).reshape(3, 4)
    total = plane_sweep.box_sum(picture, 1)
    assert total[1, 1] == picture[:3, :3].sum()
    assert total[0, 0] == 4 * 0 + 2 * 1 + 2 * 4 + 5


def test_paths_leave_equal_costs_alone_and_carry_evidence_into_blank_places():
    flat = np.full((9, 6, 9), 0.5, np.float32)
    grey = np.zeros((9, 9), np.float32)
    assert np.allclose(plane_sweep.path_costs(flat, grey, SMOOTH), 0.5)
    flat[4, 2, 4] = 0.0
    picked = plane_sweep.pick(plane_sweep.path_costs(flat, grey, SMOOTH), 1)
    for y, x in ((0, 0), (4, 0), (0, 4), (8, 8), (6, 2)):
        assert round(float(picked.plane[y, x])) == 2


def test_an_edge_in_the_picture_says_where_depth_jumps():
    # Evidence far left and far right only; where between them depth jumps, the picture decides.
    costs = np.full((12, 12, 24), 0.5, np.float32)
    costs[:, 2, :5] = 0
    costs[:, 9, 19:] = 0
    for jumps_at in (8, 15):
        edge = np.where(np.arange(24) < jumps_at, -100, 100) * np.ones((12, 1), np.float32)
        total = plane_sweep.path_costs(costs, edge, SMOOTH)
        found = np.round(plane_sweep.pick(total, 2).plane)
        assert (found == np.where(np.arange(24) < jumps_at, 2, 9)).all()


def test_the_parabola_finds_a_minimum_between_planes():
    k = np.arange(10.0)
    lowest = np.array([3.3, 6.75, 4.0])
    total = ((k[None, :, None] - lowest) ** 2 + 0.2) * np.ones((2, 1, 1))
    picked = plane_sweep.pick(total, 2)
    assert np.allclose(picked.plane, lowest, atol=1e-5)
    assert picked.least[0, 2] == pytest.approx(0.2)
    assert picked.margin[0, 2] == pytest.approx(9)


def test_the_batched_sweep_agrees_with_the_definition():
    rng = np.random.default_rng(6)
    references = rng.uniform(-128, 127, (2, 24, 32)).astype(np.float32)
    sources = rng.uniform(-128, 127, (2, 3, 24, 32)).astype(np.float32)
    A = np.eye(3) + rng.normal(0, 0.02, (2, 3, 3, 3)) * [[1, 1, 20], [1, 1, 20], [0.02, 0.02, 1]]
    b = rng.normal(0, 1, (2, 3, 3)) * [4, 4, 0.1]
    b[0, 1, 2] = -50
    is_used = np.array([[True, True, True], [True, False, True]])
    maps = plane_sweep_torch.swept(
        *(torch.from_numpy(x) for x in (references, sources, A, b, is_used, INVERSE)),
        radius=2, noise=1.0, smooth=SMOOTH, gap=2,
    )  # fmt: skip
    for i, used in enumerate(is_used):
        costs = plane_sweep.photo_costs(
            references[i], sources[i][used], A[i][used], b[i][used], INVERSE, 2, 1.0
        )
        total = plane_sweep.path_costs(costs, references[i], SMOOTH)
        wanted = plane_sweep.pick(total, 2)
        pairs = [
            (maps.plane_bhw, wanted.plane), (maps.least_bhw, wanted.least),
            (maps.margin_bhw, wanted.margin),
            (maps.volume_b2dhw, plane_sweep.coarse(costs, total)),
        ]  # fmt: skip
        for ours, right in pairs:
            # A pixel on the very rim may count as in view for one and not for the other.
            assert (np.abs(ours[i].numpy() - right) > 5e-3).mean() < 5e-3
