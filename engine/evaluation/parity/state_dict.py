"""State dicts as the fixtures of FineRecon and SimpleRecon list them: entries, recipe, sums."""

from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from engine.core.faults import BadInput
from engine.evaluation.parity.check import Check, close
from engine.evaluation.parity.fixture import REMEDY, Entries, numbers, read_json, record, whole
from engine.evaluation.parity.recipe import SplitmixRecipe, mismatches

Network = TypeVar("Network", bound=nn.Module)
KIND = "splitmix64-uniform"
CHECKSUM_TOL = 1e-6
# Five times the larger of the two released networks.
MOST_NUMBERS = 2**28


def read_tensors(folder: Path) -> list[dict[str, Any]]:
    """Return the entries of the manifest, each with name, shape, dtype and kind.

    Raises:
        BadInput: there is no list of such entries.
    """
    tensors = read_json(folder, "manifest.json")["tensors"]
    if not isinstance(tensors, list):
        raise BadInput("The manifest lists no tensors.", REMEDY)
    for entry in tensors:
        record("A tensor", entry, "name", "shape", "dtype", "kind")
        if not all(isinstance(entry[key], str) for key in ("name", "dtype", "kind")):
            raise BadInput("A tensor of the manifest has no name or type.", REMEDY)
        whole("The shape of a tensor", entry["shape"])
    return tensors


def read_recipe(fixture: Entries, constants: frozenset[str] = frozenset()) -> SplitmixRecipe:
    """Return the weight recipe of `fixture.json`; numbers it leaves out are the usual ones.

    Raises:
        BadInput: another kind of recipe, or something else than numbers.
    """
    recipe = dict(record("recipe", fixture["recipe"]))
    if recipe.pop("kind", None) != KIND:
        raise BadInput(f"The fixture's weights are not made by {KIND!r}.", REMEDY)
    known = {field.name for field in fields(SplitmixRecipe)} - {"seed", "constants"}
    if recipe.keys() - known:
        raise BadInput(f"The recipe has unknown numbers: {sorted(recipe.keys() - known)}.", REMEDY)
    numbers("recipe", *recipe.values())
    return SplitmixRecipe(whole("seed", [fixture["seed"]])[0], constants=constants, **recipe)


def built(make: Callable[[], Network]) -> Network:
    """Return the network that `make` makes, unless it would fill the memory.

    Raises:
        BadInput: no fixture has so large a network.
    """
    with torch.device("meta"):
        count = sum(value.numel() for value in make().state_dict().values())
    if count > MOST_NUMBERS:
        raise BadInput(f"The manifest describes a network of {count:,} numbers.", REMEDY)
    return make()


def manifest_check(folder: Path, network: nn.Module) -> Check:
    """Return how many names, shapes and types differ from the manifest, or stand elsewhere."""
    entries = read_tensors(folder)
    state = network.state_dict()
    wrong = mismatches(state, [(e["name"], e["shape"], e["dtype"]) for e in entries])
    parameters = {name for name, _ in network.named_parameters()}
    kinds = sum((e["kind"] == "parameter") != (e["name"] in parameters) for e in entries)
    is_out_of_order = list(state) != [e["name"] for e in entries]
    return Check("manifest", float(len(wrong) + kinds + is_out_of_order), 0.0)


def weights_checks(fixture: Entries, network: nn.Module) -> Iterator[Check]:
    """Yield a check for each tensor whose sums the fixture states."""
    state = network.state_dict()
    for name, sums in record("checksums", fixture.values.get("checksums", {})).items():
        where = f"checksum {name}"
        stored = record(where, sums, "sum", "abs_sum", "first3", "last")
        first = stored["first3"] if isinstance(stored["first3"], list) else [stored["first3"]]
        wanted = numbers(where, stored["sum"], stored["abs_sum"], *first, stored["last"])
        values = state[name].double().flatten() if name in state else torch.empty(0)
        some = [*values[:3], *values[-1:]]
        ours = [float(v) for v in (values.sum(), values.abs().sum(), *some)]
        yield close(f"weights/{name}", ours, wanted, CHECKSUM_TOL)
