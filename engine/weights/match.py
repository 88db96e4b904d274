"""Which entries of a checkpoint belong to which network, and what does not fit."""

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

# Wrappers put their own names in front of every name, as in "model.module."; at most so many.
MOST_WRAPPERS = 3
# Fewer common names than this share of the file's are chance.
RECOGNISED_SHARE = 0.25
# Names beyond so many times the released network's would only cost time.
MOST_TIMES = 4
# What configurations raise that no network has.
UNFIT = (ValueError, TypeError, LookupError, ArithmeticError, RuntimeError)


@dataclass(frozen=True, slots=True)
class Spec:
    """Shape of a tensor and torch's name of its type, such as "float32"."""

    shape: tuple[int, ...]
    dtype: str


Specs = Mapping[str, Spec]
Shapes = Mapping[str, Sequence[int]]


@dataclass(frozen=True, slots=True)
class Fitted:
    """A network sized to fit a checkpoint: its configuration as plain JSON, its state dict."""

    config: dict[str, Any]
    specs: Specs


@dataclass(frozen=True, slots=True)
class Blueprint:
    """What this room has to know of a network that it may not import.

    Attributes:
        network: its name.
        released: the network as its authors released it.
        fit: gives the network that has these shapes; ValueError when there is none.
        configured: gives the network of a configuration that `Fitted` holds.
        constants: last parts of names whose values follow from formulas or from the resolution:
            they may differ or be absent, and are not taken over.
    """

    network: str
    released: Callable[[], Fitted]
    fit: Callable[[Shapes], Fitted]
    configured: Callable[[Mapping[str, Any]], Fitted]
    constants: frozenset[str]


@dataclass(frozen=True, slots=True)
class Match:
    """How the entries of a checkpoint meet those of a network.

    Attributes:
        names: the network's name -> the checkpoint's, for all that fit, constants left out.
        constants: constants of the network found in the checkpoint.
        missing: entries of the network that the checkpoint lacks.
        extra: entries of the checkpoint that the network lacks.
        wrong: sentences about entries of another shape or type.
    """

    names: dict[str, str]
    constants: tuple[str, ...]
    missing: tuple[str, ...]
    extra: tuple[str, ...]
    wrong: tuple[str, ...]

    @property
    def faults(self) -> int:
        """Return how many entries do not fit."""
        return len(self.missing) + len(self.extra) + len(self.wrong)


def recognise(
    names: Sequence[str], blueprints: Sequence[Blueprint]
) -> tuple[Blueprint, str] | None:
    """Return the network these names belong to and the prefix to take off; None for none."""
    best, found = RECOGNISED_SHARE * len(names), None
    for blueprint in blueprints:
        expected = blueprint.released().specs.keys()
        common = Counter(prefix for name in names for prefix in _prefixes(name, expected))
        for prefix, count in common.items():
            if count > best:
                best, found = count, (blueprint, prefix)
    return found


def _prefixes(name: str, expected: Set[str]) -> Iterator[str]:
    """Give what may be taken off the front of a name to make it an expected one."""
    at = 0
    for _ in range(MOST_WRAPPERS + 1):
        if name[at:] in expected:
            yield name[:at]
        at = name.find(".", at) + 1
        if not at:
            return


def fit(
    found: Specs, blueprint: Blueprint, prefix: str, config: Mapping[str, Any] | None = None
) -> tuple[Fitted, Match]:
    """Return the network that a checkpoint fits best, and how.

    Tried are the released one, the one sized by the shapes, and that of a configuration which
    came with the checkpoint; the last has precedence, since shapes do not tell everything.
    """
    shapes = {
        name.removeprefix(prefix): spec.shape
        for name, spec in found.items()
        if name.startswith(prefix)
    }
    candidates = []
    # Where entries are missing or misshapen no sizes can be read.
    with contextlib.suppress(*UNFIT):
        candidates += [] if config is None else [blueprint.configured(config)]
    candidates.append(blueprint.released())
    if len(shapes) <= MOST_TIMES * len(candidates[-1].specs):
        with contextlib.suppress(*UNFIT):
            candidates.append(blueprint.fit(shapes))
    pairs = [(fitted, match(found, fitted, blueprint, prefix)) for fitted in candidates]
    return min(pairs, key=lambda pair: pair[1].faults)


def match(found: Specs, fitted: Fitted, blueprint: Blueprint, prefix: str) -> Match:
    """Compare names, shapes and types."""
    names: dict[str, str] = {}
    constants, missing, wrong = [], [], []
    for name, expected in fitted.specs.items():
        is_constant = name.rpartition(".")[2] in blueprint.constants
        ours = found.get(prefix + name)
        if is_constant:
            constants += [name] if ours is not None else []
        elif ours is None:
            missing.append(name)
        elif ours.shape != expected.shape:
            wrong.append(f"{name} has shape {_shape(ours)} where {_shape(expected)} is needed")
        elif _is_float(ours) != _is_float(expected):
            wrong.append(f"{name} holds {ours.dtype} where {expected.dtype} is needed")
        else:
            names[name] = prefix + name
    wanted = {prefix + name for name in fitted.specs}
    extra = tuple(name for name in found if name not in wanted)
    # A block that lacks an entry may be taken for no block at all; the rest of it tells.
    of_network = {prefix + name for name in blueprint.released().specs}
    wrong += [
        f"{name} is part of a block that is not whole" for name in extra if name in of_network
    ]
    return Match(names, tuple(constants), tuple(missing), extra, tuple(wrong))


def _is_float(spec: Spec) -> bool:
    return "float" in spec.dtype


def _shape(spec: Spec) -> str:
    return " x ".join(str(size) for size in spec.shape) or "()"
