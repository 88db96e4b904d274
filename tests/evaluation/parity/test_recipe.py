import hashlib
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.evaluation.parity import recipe as room
from engine.evaluation.parity.recipe import NormalRecipe, SplitmixRecipe, fill, mismatches

FIXTURES = Path(__file__).resolve().parents[3].parent / "shared" / "parity"
needs_fixtures = pytest.mark.skipif(not FIXTURES.is_dir(), reason="no stored fixtures here")


def read(name: str) -> dict:
    return json.loads((FIXTURES / name).read_text())


@needs_fixtures
@pytest.mark.parametrize("network", ["finerecon", "simplerecon"])
def test_stored_sums_of_the_first_recipe(network):
    fixture = read(f"{network}/fixture.json")
    numbers = {key: value for key, value in fixture["recipe"].items() if key != "kind"}
    recipe = SplitmixRecipe(fixture["seed"], **numbers)
    assert len(fixture["checksums"]) == 10
    for name, stored in fixture["checksums"].items():
        values = recipe.tensor(name, torch.empty(stored["shape"]))
        assert values.dtype == torch.float32
        flat = values.double().flatten()
        assert flat.sum().item() == pytest.approx(stored["sum"], rel=1e-12, abs=1e-9)
        assert flat.abs().sum().item() == pytest.approx(stored["abs_sum"], rel=1e-12)
        assert flat[:3].tolist() == stored["first3"]
        assert flat[-1].item() == stored["last"]


@needs_fixtures
def test_stored_hashes_of_the_second_recipe():
    sums = read("gtr/weights_checksums.json")
    recipe = NormalRecipe(sums["SEED"])
    assert len(sums["tensors"]) == 10
    for stored in sums["tensors"]:
        values = recipe.tensor(stored["name"], torch.empty(stored["shape"]))
        if stored["name"] == "field.aabb":
            assert values is None
            continue
        content = values.numpy().astype("<f4").tobytes()
        assert hashlib.sha256(content).hexdigest() == stored["sha256"], stored["name"]
        assert values.flatten()[:4].tolist() == stored["first4"]


def splitmix(name: str, seed: int, count: int) -> list[float]:
    """Return the generator's numbers with Python's own integers."""
    import zlib

    every = 2**64
    found = []
    for i in range(count):
        z = (zlib.crc32(name.encode()) + seed * 2**32 + (i + 1) * 0x9E3779B97F4A7C15) % every
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) % every
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) % every
        z ^= z >> 31
        found.append((z >> 11) * 2.0**-53)
    return found


@pytest.mark.parametrize("seed", [0, 31, 2**31, 2**33 + 5])
def test_the_first_recipe_by_its_formula(seed):
    recipe = SplitmixRecipe(seed, gain=1.05)
    u = np.array(splitmix("a.weight", seed, 24))
    r = (2 * u - 1) * math.sqrt(3)
    found = recipe.tensor("a.weight", torch.empty(2, 3, 4))
    assert np.array_equal(found.flatten(), (1.05 * r / math.sqrt(12)).astype(np.float32))
    found = recipe.tensor("a.weight", torch.empty(24))
    assert np.array_equal(found, (1 + 0.1 * r).astype(np.float32))
    u = np.array(splitmix("a.running_var", seed, 5))
    found = recipe.tensor("a.running_var", torch.empty(5))
    assert np.array_equal(found, (0.8 + 0.4 * u).astype(np.float32))
    u = np.array(splitmix("a.running_mean", seed, 5))
    found = recipe.tensor("a.running_mean", torch.empty(5))
    assert np.array_equal(found, (0.1 * ((2 * u - 1) * math.sqrt(3))).astype(np.float32))


@pytest.mark.parametrize("recipe", [SplitmixRecipe(7), NormalRecipe(7)])
def test_pieces_give_what_one_run_gives(recipe, monkeypatch):
    like = torch.empty(5, 7, 3)
    whole = recipe.tensor("x.conv.weight", like)
    monkeypatch.setattr(room, "PIECE", 8)
    assert torch.equal(recipe.tensor("x.conv.weight", like), whole)


def test_counters_are_zero_and_constants_stay():
    state = {
        "bn.num_batches_tracked": torch.tensor(9),
        "x.eps": torch.tensor([3.0]),
        "x.bias": torch.zeros(4),
    }
    fill(state, SplitmixRecipe(1, constants=frozenset({"eps"})))
    assert state["bn.num_batches_tracked"] == 0
    assert state["bn.num_batches_tracked"].dtype == torch.int64
    assert state["x.eps"] == 3
    assert (state["x.bias"] != 0).all()


def test_the_second_recipe_by_its_rules():
    recipe, name = NormalRecipe(3), "field.decoder.field.mlp_sigma.layers.2"
    assert recipe.tensor(f"{name}.bias", torch.empty(1000)).mean() == pytest.approx(-2, abs=0.02)
    big = torch.empty(1000, 16)
    for key, scale in (
        ("a.to_q.weight", 1.5),
        ("a.to_v.weight", 1.0),
        (f"{name}.weight", 30.0),
        ("field.decoder.field.mlp_color.layers.3.weight", 6.0),
        ("field.decoder.field.mlp_color.layers.0.weight", 1.6),
    ):
        spread = recipe.tensor(key, big).std().item()
        assert spread == pytest.approx(scale / 4, rel=0.03), key
    assert recipe.tensor("x.norm1.weight", torch.empty(1000)).mean() == pytest.approx(1, abs=0.02)
    assert recipe.tensor("x.planes", torch.empty(1, 3, 1000)).std() == pytest.approx(0.5, rel=0.05)


def test_mismatches_are_said_in_words():
    state = {"a": torch.zeros(2), "b": torch.zeros(2), "c": torch.tensor(1)}
    entries = [("a", [2], "float32"), ("b", [3], "float32"), ("c", [], "float32"), ("d", [], "x")]
    found = mismatches(state, entries)
    assert len(found) == 3
    assert found[0].startswith("b is ([2], 'float32') where")
    assert found[2] == "d is missing"
    assert mismatches(state, entries[:1]) == [
        "b is not in the manifest", "c is not in the manifest"
    ]  # fmt: skip
    del state["b"], state["c"]
    assert mismatches(state, entries[:1]) == []
