"""Statistics of what single modules put out, held against stored ones."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from engine.core.faults import BadInput
from engine.evaluation.parity.check import Check, close
from engine.evaluation.parity.finerecon_compare import FLOAT_TOL, grown
from engine.evaluation.parity.fixture import REMEDY, numbers, record, whole

STATISTICS = ("mean", "std", "absmax")


@dataclass
class Layers:
    """Listens to the modules that `layer_stats` names, while a part of the network runs."""

    network: nn.Module
    stored: dict[str, dict[str, Any]]
    found: dict[str, NDArray[np.float64]] = field(default_factory=dict)

    @contextmanager
    def listening(self, prefix: str) -> Iterator[None]:
        """Note what the modules at and below `prefix` put out inside the context."""
        # The dot keeps cnn2d_pb out of cnn2d.
        names = [n for n in self.stored if n == prefix or n.startswith(prefix + ".")]
        hooks = [self._module(name).register_forward_hook(self._note(name)) for name in names]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def __post_init__(self) -> None:
        for name, stats in record("layer_stats", self.stored).items():
            where = f"layer_stats {name}"
            record(where, stats, *STATISTICS, "shape", "index", "value")
            index = whole(where, stats["index"])
            values = numbers(where, *(stats[key] for key in STATISTICS), *list(stats["value"]))
            if not whole(where, stats["shape"]) or len(values) != len(index) + len(STATISTICS):
                raise BadInput(f"{where} of the fixture is incomplete.", REMEDY)

    def views(self, prefix: str) -> int:
        """Return for how many pictures the modules below `prefix` were noted; 0 for none."""
        return max(
            (s["shape"][0] for n, s in self.stored.items() if n.startswith(prefix)), default=0
        )

    def checks(self) -> Iterator[Check]:
        """Yield one check for each stored module: mean, deviation, largest, and some values."""
        for name, stats in self.stored.items():
            wanted = [*(stats[key] for key in STATISTICS), *stats["value"]]
            ours = self.found.get(name, np.full(len(wanted), np.nan))
            atol = grown(FLOAT_TOL, stats["absmax"])
            yield close(f"layer_stats/{name}", ours, np.array(wanted), atol)

    def _module(self, name: str) -> nn.Module:
        try:
            return self.network.get_submodule(name)
        except AttributeError:
            raise BadInput(f"The network has no module {name!r}.", REMEDY) from None

    def _note(self, name: str) -> Any:
        stats = self.stored[name]

        def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            values = output.detach().double().flatten()
            fits = len(values) == math.prod(stats["shape"])
            if not fits or max(stats["index"], default=0) >= len(values):
                return
            some = values[torch.tensor(stats["index"])]
            whole = torch.stack([values.mean(), values.std(correction=0), values.abs().max()])
            self.found[name] = torch.cat([whole, some]).numpy()

        return hook
