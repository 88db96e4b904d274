"""Weights made from a formula: a name, a shape and a seed give every number of a tensor."""

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Numbers = NDArray[np.float64]
GOLDEN = np.uint64(0x9E3779B97F4A7C15)
MIX = ((30, np.uint64(0xBF58476D1CE4E5B9)), (27, np.uint64(0x94D049BB133111EB)))
# Numbers of one tensor are drawn in pieces, so that the largest network needs little more than
# its own memory.
PIECE = 1 << 22


class Recipe(Protocol):
    """Gives the tensor that belongs to a name and a shape; None keeps what the network has."""

    def tensor(self, name: str, like: Tensor) -> Tensor | None:
        """Return float32 (or int64) values on the CPU, of the shape of `like`."""
        ...


def fill(state: Mapping[str, Tensor], recipe: Recipe) -> None:
    """Overwrite the tensors of a state dict, in place, by the recipe."""
    with torch.no_grad():
        for name, old in state.items():
            new = recipe.tensor(name, old)
            if new is not None:
                old.copy_(new)


@dataclass(frozen=True, slots=True)
class SplitmixRecipe:
    """Uniform numbers of the splitmix64 generator, started at the CRC-32 of the name.

    The fields are those of a fixture's `recipe` entry; `constants` are last name components that
    keep their defined values.
    """

    seed: int
    var_lo: float = 0.8
    var_w: float = 0.4
    mean: float = 0.1
    bias: float = 0.1
    gamma: float = 1.0
    gamma_w: float = 0.1
    gain: float = 1.0
    constants: frozenset[str] = frozenset()

    def tensor(self, name: str, like: Tensor) -> Tensor | None:
        """Return the values of one entry; None for a constant."""
        kind = name.rsplit(".", 1)[-1]
        if kind in self.constants:
            return None
        if kind == "num_batches_tracked":
            return torch.zeros_like(like, device="cpu")
        values = np.empty(like.numel(), dtype=np.float32)
        for start in range(0, len(values), PIECE):
            stop = min(start + PIECE, len(values))
            values[start:stop] = self._values(kind, like, self._uniform(name, start, stop))
        return torch.from_numpy(values).reshape(like.shape)

    def _uniform(self, name: str, start: int, stop: int) -> Numbers:
        """Return numbers `start` to `stop` of the name's sequence, in [0, 1)."""
        first = (zlib.crc32(name.encode()) + self.seed * 2**32) % 2**64
        z = np.arange(start + 1, stop + 1, dtype=np.uint64) * GOLDEN + np.uint64(first)
        for shift, factor in MIX:
            z = (z ^ (z >> np.uint64(shift))) * factor
        z ^= z >> np.uint64(31)
        uniform: Numbers = (z >> np.uint64(11)).astype(np.float64) * 2.0**-53
        return uniform

    def _values(self, kind: str, like: Tensor, u: Numbers) -> Numbers:
        r: Numbers = (2 * u - 1) * np.sqrt(3)
        values: Numbers = self.gamma + self.gamma_w * r
        if kind == "running_var":
            values = self.var_lo + self.var_w * u
        elif kind == "running_mean":
            values = self.mean * r
        elif kind == "bias":
            values = self.bias * r
        elif like.ndim >= 2:
            values = self.gain * r / np.sqrt(like[0].numel())
        return values


# First match wins: ending of the name -> factor of z / sqrt(fan in).
NORMAL_GAINS = (
    (("to_q.weight", "to_k.weight"), 1.5),
    (("mlp_sigma.layers.2.weight",), 30.0),
    (("mlp_color.layers.3.weight",), 6.0),
)
SIGMA_LAST_BIAS = "field.decoder.field.mlp_sigma.layers.2.bias"


@dataclass(frozen=True, slots=True)
class NormalRecipe:
    """Normal numbers of NumPy's PCG64, seeded by the CRC-32 of the name."""

    seed: int

    def tensor(self, name: str, like: Tensor) -> Tensor | None:
        """Return the values of one entry; None for the box, which is a constant."""
        if name == "field.aabb":
            return None
        seed = (zlib.crc32(name.encode()) + self.seed) % 2**32
        generator = np.random.Generator(np.random.PCG64(seed))
        values = np.empty(like.numel(), dtype=np.float32)
        for start in range(0, len(values), PIECE):
            z = generator.standard_normal(min(PIECE, len(values) - start))
            values[start : start + len(z)] = self._values(name, like, z)
        return torch.from_numpy(values).reshape(like.shape)

    def _values(self, name: str, like: Tensor, z: Numbers) -> Numbers:
        values: Numbers = self._gain(name) * z / np.sqrt(max(1, like[:1].numel()))
        if name.endswith(("norm1.weight", "norm2.weight")):
            values = 1 + 0.1 * z
        elif name.endswith(".bias"):
            values = 0.1 * z - (2.0 if name == SIGMA_LAST_BIAS else 0.0)
        elif name.endswith("planes"):
            values = 0.5 * z
        return values

    @staticmethod
    def _gain(name: str) -> float:
        for endings, gain in NORMAL_GAINS:
            if name.endswith(endings):
                return gain
        return 1.6 if "mlp_sigma" in name or "mlp_color" in name else 1.0


def mismatches(
    state: Mapping[str, Tensor], entries: Iterable[tuple[str, list[int], str]]
) -> list[str]:
    """Return what differs between a state dict and a manifest's (name, shape, dtype), in words."""
    expected = {name: (list(shape), dtype) for name, shape, dtype in entries}
    ours = {
        name: (list(value.shape), str(value.dtype).removeprefix("torch."))
        for name, value in state.items()
    }
    found = [f"{name} is missing" for name in expected.keys() - ours.keys()]
    found += [f"{name} is not in the manifest" for name in ours.keys() - expected.keys()]
    found += [
        f"{name} is {ours[name]} where the manifest has {expected[name]}"
        for name in expected.keys() & ours.keys()
        if ours[name] != expected[name]
    ]
    return sorted(found)
