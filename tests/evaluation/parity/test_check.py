import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.evaluation.parity.check import Check, close, equal, norms, relative

NAN, INF = float("nan"), float("inf")


def test_a_check_is_ok_up_to_its_tolerance():
    assert Check("a", 0.1, 0.1).ok
    assert not Check("a", 0.2, 0.1).ok
    assert not Check("a", NAN, 0.1).ok
    assert Check("a", 0.1, 0.2).as_json() == {"rel_err": 0.1, "tol": 0.2, "ok": True}


def test_close_divides_by_the_largest_stored_value():
    check = close("a", [1.0, 2.0, -4.5], [1.0, 2.0, -4.0], atol=1.0)
    assert (check.rel_err, check.tol) == (0.125, 0.25)
    assert check.ok


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20), st.floats(1e-6, 1e3))
def test_close_agrees_with_the_plain_rule(values, atol):
    stored = np.array(values)
    ours = stored + np.linspace(0, 2 * atol, len(values))
    check = close("a", torch.from_numpy(ours), stored, atol)
    worst = np.abs(ours - stored).max()
    scale = max(np.abs(stored).max(), 1e-12)
    assert check.rel_err == pytest.approx(worst / scale, rel=1e-12)
    assert check.tol == pytest.approx(atol / scale, rel=1e-12)


@pytest.mark.parametrize(
    ("ours", "stored", "is_ok"),
    [
        ([NAN, 1], [NAN, 1], True),
        ([0, 1], [NAN, 1], False),
        ([NAN, 1], [0, 1], False),
        ([INF, 1], [INF, 1], True),
        ([-INF, 1], [INF, 1], False),
        ([NAN, 1], [INF, 1], False),
        ([INF, 1], [NAN, 1], False),
        ([INF, 1], [0, 1], False),
        ([NAN, NAN], [NAN, NAN], True),
        ([], [], True),
        ([1, 2], [[1, 2]], False),
        ([1, 2], [1, 2, 3], False),
    ],
)
def test_what_is_not_finite_must_lie_where_it_lies(ours, stored, is_ok):
    assert close("a", np.array(ours, float), np.array(stored, float), 1e-3).ok is is_ok


def test_excused_elements_are_the_worst_ones():
    stored, ours = np.ones(1000), np.ones(1000)
    ours[7] = 100
    assert not close("a", ours, stored, 1e-3).ok
    assert close("a", ours, stored, 1e-3, excused=1e-3).ok
    ours[8] = NAN
    assert not close("a", ours, stored, 1e-3, excused=1e-3).ok
    assert close("a", ours, stored, 1e-3, excused=2e-3).ok
    # A tenth of an element is none.
    assert not close("a", [1.0, 9.0], [1.0, 1.0], 1e-3, excused=1e-3).ok


def test_half_precision_and_gradients_are_compared():
    ours = torch.ones(3, dtype=torch.bfloat16, requires_grad=True)
    assert close("a", ours, np.ones(3), 1e-6).ok


def test_equal_counts_what_differs():
    check = equal("a", torch.tensor([1, 2, 3, 4]), np.array([1, 2, 3, 5]))
    assert (check.rel_err, check.ok) == (0.25, False)
    assert equal("a", [True, False], [1, 0]).ok
    assert equal("a", [], []).ok
    assert equal("a", [1], [1, 2]).rel_err == INF
    assert equal("a", np.arange(1001), np.arange(1001) + (np.arange(1001) == 3)).ok


def test_relative_is_relative_to_the_stored_value():
    assert relative("a", 1.01, 1.0, 0.02).ok
    assert not relative("a", 1.03, 1.0, 0.02).ok
    assert relative("a", 0.0, 0.0, 0.02).ok
    assert not relative("a", NAN, 1.0, 0.02).ok


def norm_check(ours: dict, stored: dict) -> Check:
    return norms("a", ours, list(stored), np.array(list(stored.values()), float), 0.02, 1e-4)


def test_norms_skip_rounding_noise_only():
    stored = {"a": 1.0, "b": 2.0, "noise": 1e-5}
    assert norm_check({"a": 1.01, "b": 2.0, "noise": 9.0}, stored).ok
    assert not norm_check({"a": 1.03, "b": 2.0}, stored).ok
    assert norm_check({"a": 1.0}, stored).rel_err == INF
    assert norm_check({}, {"noise": 1e-9}).rel_err == INF


@pytest.mark.parametrize("name", ["a", "b"])
def test_a_norm_that_is_no_number_is_not_overlooked(name):
    check = norm_check({"a": 1.0, "b": 2.0, name: NAN}, {"a": 1.0, "b": 2.0})
    assert not check.ok
    assert not check.rel_err <= 1e9


def test_norms_of_other_lengths_are_refused():
    with pytest.raises(ValueError, match="shorter"):
        norms("a", {}, ["a", "b"], np.ones(1), 0.1, 0.1)
    assert math.isinf(close("a", 1.0, [1.0], 0.1).rel_err)


@pytest.mark.parametrize("stored", [np.array(["1"]), np.array([1j]), np.array([], str)])
def test_what_is_no_number_is_never_matched(stored):
    for compared in (close("x", np.ones(1), stored, 1.0), equal("x", np.ones(1), stored)):
        assert not compared.ok
        assert compared.rel_err == float("inf")
