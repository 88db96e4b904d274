"""Which network a fixture folder belongs to, and its checks run one after another."""

import importlib
import json
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.core.faults import BadInput, Fault
from engine.core.news import Job, Progress
from engine.evaluation.parity.check import Check

# JSON has no infinity: an output of the wrong shape, or none at all, is this far off.
BEYOND_ALL = 1e300
LARGEST_JSON_BYTES = 16 * 2**20
# The first parts of names that only this network has.
FIRST_PARTS = {
    "finerecon": frozenset({"cnn2d", "cnn2d_pb", "cnn3d", "surface_predictor", "occ_predictor"}),
    "simplerecon": frozenset({"cost_volume", "cost_volume_net", "matching_model", "depth_decoder"}),
    "gtr": frozenset({"generator", "field"}),
}


@dataclass(frozen=True, slots=True)
class Report:
    """All checks of a fixture, in the order they were made."""

    network: str
    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Return whether every output is within its tolerance."""
        return all(check.ok for check in self.checks)

    def as_json(self, fixture: str) -> dict[str, Any]:
        """Return `{"fixture", "outputs": {name: {"rel_err", "tol", "ok"}}, "ok"}`."""
        outputs = {check.name: _finite(check.as_json()) for check in self.checks}
        return {"fixture": fixture, "outputs": outputs, "ok": self.ok}


def run(folder: Path) -> Job[Report]:
    """Rebuild a fixture's network by its recipe and compare every stored output.

    Raises:
        BadInput: the folder is no fixture, or a broken one, or it stores no outputs.
        Fault: two checks have one name.
    """
    network = network_of(folder)
    checks: list[Check] = []
    yield Progress(f"parity {network}", 0)
    for check in _driver(network, folder):
        checks.append(check)
        yield Progress(f"parity {network}", len(checks))
    twice = [name for name, count in Counter(check.name for check in checks).items() if count > 1]
    if twice:
        raise Fault(f"The comparison for {network} is wrong: checks named twice {twice}.")
    if all(_is_recipe(check.name) for check in checks):
        raise BadInput(
            f"The folder {folder} holds no outputs of {network} to compare with.",
            "Give the folder of a complete fixture, as it was made.",
        )
    return Report(network, tuple(checks))


def network_of(folder: Path) -> str:
    """Return the network whose names a fixture's JSON files hold.

    Raises:
        BadInput: the folder is missing, or no JSON file in it names parts of a network we know.
    """
    if not folder.is_dir():
        raise BadInput(f"There is no folder {folder}.")
    names: set[str] = set()
    for path in sorted(folder.glob("*.json")):
        names.update(_first_parts(_read(path)))
    found = {network: len(parts & names) for network, parts in FIRST_PARTS.items()}
    best = max(found, key=lambda network: found[network])
    if not found[best]:
        raise BadInput(
            f"The folder {folder} is no parity fixture.",
            "A fixture has a manifest.json that names the parts of a network.",
        )
    return best


def _is_recipe(name: str) -> bool:
    """Return whether a check is about weights and not about what they compute."""
    return name.startswith(("manifest", "weights"))


def _driver(network: str, folder: Path) -> Iterator[Check]:
    # Loaded on use: each driver brings its network.
    module = importlib.import_module(f"engine.evaluation.parity.{network}")
    checks: Iterator[Check] = module.checks(folder)
    return checks


def _read(path: Path) -> Any:
    try:
        if path.stat().st_size > LARGEST_JSON_BYTES:
            raise BadInput(f"The file {path} is larger than any fixture's.")
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise BadInput(f"The file {path} cannot be read as JSON.") from error


def _first_parts(value: Any) -> Iterator[str]:
    """Give the first part of everything that may be the name of a state-dict entry."""
    waiting = [value]
    while waiting:
        inner = waiting.pop()
        if isinstance(inner, list):
            waiting.extend(inner)
        elif isinstance(inner, dict):
            waiting.extend(inner.values())
            texts = [*inner, inner.get("name")]
            yield from (t.split(".")[0] for t in texts if isinstance(t, str) and "." in t)


def _finite(row: dict[str, Any]) -> dict[str, Any]:
    error = row["rel_err"]
    return {**row, "rel_err": error if math.isfinite(error) else BEYOND_ALL}
