"""Published checkpoints into ours; data only, no pickled code."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engine.core.faults import BadInput
from engine.core.news import Job, Progress
from engine.weights.match import Blueprint, Fitted, Match, fit, recognise
from engine.weights.opened import Opened, open_checkpoint

# Tied weights share their numbers; a file that does so more often was made to fill memory.
MOST_REPEATS = 4


@dataclass(frozen=True, slots=True)
class Converted:
    """What a checkpoint turned out to be.

    Attributes:
        network: name of the network.
        config: its configuration, sized to fit, as plain JSON.
        is_released: whether that is the configuration its authors released.
        match: what was found, missing and extra.
        tensors: by the network's names, in its types; empty when something is missing or wrong.
    """

    network: str
    config: dict[str, Any]
    is_released: bool
    match: Match
    tensors: dict[str, Tensor]

    @property
    def refused(self) -> str | None:
        """Return why the weights cannot be used, None when they can."""
        problems = []
        if self.match.wrong:
            count = len(self.match.wrong)
            first = f"{self.match.wrong[0]}" + ("" if count == 1 else f", and {count - 1} more")
            problems.append(f"do not fit {self.network}: {first}")
        if self.match.missing:
            count = len(self.match.missing)
            first = self.match.missing[0] + ("" if count == 1 else f" and {count - 1} more")
            problems.append(f"lack entries of {self.network}: {first}")
        return f"The weights {' and '.join(problems)}." if problems else None


def convert(path: Path, blueprints: Sequence[Blueprint], scratch: Path) -> Job[Converted]:
    """Read a checkpoint as the network whose names it has.

    Nothing in the file is run. The sizes of the network are read from its shapes, then every
    name, shape and type is compared.

    Raises:
        BadInput: no checkpoint, damaged, of no network known, carrying code, or with numbers that
            are not finite.
        CannotWrite: no room to unpack it.
    """
    yield Progress("open", 0, 1)
    with open_checkpoint(path, scratch) as opened:
        tree, blueprint, prefix = _recognised(opened, blueprints)
        found = opened.trees[tree]
        fitted, matched = fit(found, blueprint, prefix, opened.config)
        tensors: dict[str, Tensor] = {}
        if not matched.missing and not matched.wrong:
            tensors = yield from _read(opened, tree, matched, fitted)
    is_released = fitted.config == blueprint.released().config
    return Converted(blueprint.network, fitted.config, is_released, matched, tensors)


def _recognised(opened: Opened, blueprints: Sequence[Blueprint]) -> tuple[int, Blueprint, str]:
    for number, tree in enumerate(opened.trees):
        known = recognise(list(tree), blueprints)
        if known is not None:
            return number, *known
    names = ", ".join(list(opened.trees[0])[:3])
    known_networks = ", ".join(blueprint.network for blueprint in blueprints)
    raise BadInput(
        f"The weights belong to no network of this program; their names begin {names[:200]}.",
        f"Weights of these networks can be imported: {known_networks}.",
    )


def _read(opened: Opened, tree: int, matched: Match, fitted: Fitted) -> Job[dict[str, Tensor]]:
    needed = sum(
        math.prod(spec.shape) * getattr(torch, spec.dtype).itemsize
        for spec in (opened.trees[tree][name] for name in matched.names.values())
    )
    if needed > MOST_REPEATS * opened.bytes:
        raise BadInput(
            "The checkpoint repeats its numbers so often that it was made to fill memory."
        )
    ours = {theirs: name for name, theirs in matched.names.items()}
    tensors = dict.fromkeys(matched.names, torch.empty(0))
    for done, theirs in enumerate(opened.in_order(tree, list(ours))):
        yield Progress("read", done, len(ours))
        name = ours[theirs]
        value = opened.tensor(tree, theirs)
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise BadInput(f"The weights {name} hold numbers that are not finite.")
        tensors[name] = value.to(getattr(torch, fitted.specs[name].dtype))
    yield Progress("read", len(ours), len(ours))
    return tensors
