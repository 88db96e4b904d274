"""GTR against the stored outputs of a fixture folder: loader, network, field, renderer, mesh."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil
import torch
from torch import Tensor

from engine.core.faults import BadInput
from engine.evaluation.parity.check import Check
from engine.evaluation.parity.fixture import REMEDY, Entries, read_arrays, read_json
from engine.evaluation.parity.gtr_case import Case
from engine.evaluation.parity.gtr_forward import slice_checks, whole_checks
from engine.evaluation.parity.recipe import NormalRecipe, fill, mismatches
from engine.nets.gtr.config import GtrConfig
from engine.nets.gtr.field import BOX
from engine.nets.gtr.model import Gtr

# What an archive of outputs holds besides outputs.
NOT_OUTPUTS = frozenset({"token_index", "channel_index", "query_points"})
MB = 1 << 20


def checks(folder: Path) -> Iterator[Check]:
    """Yield one check for every output stored in a folder, small networks first.

    Raises:
        BadInput: the folder is not a fixture of GTR, or the memory is too small for its network.
    """
    cases = sorted(_cases(folder), key=lambda case: not case.is_reduced)
    if not cases:
        raise BadInput(f"There is no configuration with its outputs in {folder}.", REMEDY)
    if (folder / "manifest.json").exists():
        yield from manifest_checks(read_json(folder, "manifest.json"), cases)
    if (folder / "weights_checksums.json").exists():
        yield from checksum_checks(read_json(folder, "weights_checksums.json"))
    for case in cases:
        yield from case_checks(case)


def case_checks(case: Case) -> Iterator[Check]:
    """Yield the checks of one configuration, each named after its file and array.

    Raises:
        BadInput: the case is damaged, or the memory is too small for its network.
    """
    network = prepared(case)
    seen = set()
    for check in (slice_checks if case.has_slices else whole_checks)(case, network):
        seen.add(check.name)
        yield Check(f"{case.stored.file}/{check.name}", check.rel_err, check.tol)
    for name in sorted(case.stored.values.keys() - seen - NOT_OUTPUTS):
        # An output that nobody here can make has not been matched.
        yield Check(f"{case.stored.file}/{name}", float("inf"), 0.0)


def prepared(case: Case) -> Gtr:
    """Return the case's network with the weights of its recipe.

    Raises:
        BadInput: less memory is free than the network needs.
    """
    config = case.network()
    weights = sum(value.numel() for value in _state(config).values())
    needed_mb = 1 + (4 * weights + _working_bytes(case, config)) // MB
    free_mb = psutil.virtual_memory().available // MB
    if free_mb < needed_mb:
        raise BadInput(
            f"The network of {case.config.file} needs {needed_mb} MB of memory, "
            f"{free_mb} MB are free.",
            "Close other programs, or use a larger machine.",
        )
    network = Gtr(config).eval()
    fill(network.state_dict(), NormalRecipe(int(case.number("SEED"))))
    return network


def manifest_checks(manifest: Entries, cases: Sequence[Case]) -> Iterator[Check]:
    """Yield, per listed network, how many names, shapes and types differ, and whether the order.

    Raises:
        BadInput: the manifest is damaged.
    """
    configs = {"released": GtrConfig()}
    configs |= {case.name: case.network() for case in cases if case.is_reduced}
    for name, listed in manifest.values.items():
        if not isinstance(listed, dict):
            continue
        try:
            rows = listed["entries"].items()
            entries = [(key, list(row["shape"]), row["dtype"]) for key, row in rows]
            # Shapes do not depend on the number of heads, and do not tell it.
            shapes = {key: shape for key, shape, _ in entries}
            config = configs.get(name) or GtrConfig.from_shapes(shapes, num_heads=1)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as fault:
            raise BadInput(f"The manifest of {name} is damaged ({fault!r}).", REMEDY) from None
        state = _state(config)
        in_order = list(state) == [key for key, _, _ in entries]
        found = len(mismatches(state, entries)) + (not in_order)
        yield Check(f"{manifest.file}/{name}", float(found), 0.0)


def checksum_checks(sums: Entries) -> Iterator[Check]:
    """Yield, for every listed tensor, whether the recipe gives it bit by bit.

    Raises:
        BadInput: the list is damaged.
    """
    try:
        recipe = NormalRecipe(int(sums["SEED"]))
        rows = [(f"{row['config']}/{row['name']}", row) for row in sums["tensors"]]
        digests = [(name, _digest(recipe, row["name"], row["shape"]), row) for name, row in rows]
        differ = [(name, digest != row["sha256"]) for name, digest, row in digests]
    except (KeyError, IndexError, TypeError, ValueError, RuntimeError) as fault:
        raise BadInput(f"{sums.file} is damaged ({fault!r}).", REMEDY) from None
    for name, differs in differ:
        yield Check(f"{sums.file}/{name}", float(differs), 0.0)


def _digest(recipe: NormalRecipe, name: str, shape: Sequence[int]) -> str:
    values = recipe.tensor(name, torch.empty(tuple(shape), device="meta"))
    if values is None:
        values = torch.tensor(BOX)
    return hashlib.sha256(values.numpy().astype("<f4").tobytes()).hexdigest()


def _state(config: GtrConfig) -> dict[str, Tensor]:
    """Return names and shapes of a network that takes no memory."""
    with torch.device("meta"):
        return Gtr(config).state_dict()


def _cases(folder: Path) -> list[Case]:
    cases = []
    for path in sorted(folder.glob("*_config.json")):
        config = read_json(folder, path.name)
        name = path.name.removesuffix("_config.json")
        if not (folder / f"{name}_outputs.npz").exists():
            continue
        # The inputs lie beside it or are spoken of: "first views of small_inputs.npz".
        spoken = re.search(r"[\w.-]+\.npz", str(config.values.get("inputs", "")))
        inputs = read_arrays(folder, spoken.group() if spoken else f"{name}_inputs.npz")
        cases.append(Case(name, config, inputs, read_arrays(folder, f"{name}_outputs.npz")))
    return cases


def _working_bytes(case: Case, config: GtrConfig) -> int:
    """Return about how much a forward pass holds beside the weights."""
    net = config.generator
    tokens = 3 * net.plane_resolution**2
    tokens += case.view_count * (case.image_size // net.patch_size) ** 2
    # Eight floats a channel and five a hidden unit, and a quarter more for what else there is.
    forward = 5 * tokens * net.model_channels * (8 + 5 * net.ff_mult)
    # The grid, its signed distances and their gradient.
    return forward + 12 * int(case.number("grid_res", 0)) ** 3
