"""Batches of somebody's own recordings among those of made-up worlds."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from engine.core.faults import BadInput
from engine.training import kept
from engine.training.data import Sample, Worlds
from engine.training.kept import KeptSample

# Samples of one orientation have one size; only they fit into one batch.
LANDSCAPE, PORTRAIT = "landscape", "portrait"
# Far from what else is drawn from the same seed.
SALT = 77_003


def sample_path(folder: Path, is_portrait: bool, number: int) -> Path:
    """Return where the sample of that number belongs; each holds one reference (b = 1)."""
    kind = PORTRAIT if is_portrait else LANDSCAPE
    return folder / f"{kind}-{number:06d}.safetensors"


def sample_files(folder: Path) -> list[Path]:
    """Return all samples in a folder of recordings, in an order that never changes.

    Raises:
        BadInput: there is none.
    """
    found = [
        path for kind in (LANDSCAPE, PORTRAIT) for path in folder.glob(f"*/{kind}-*.safetensors")
    ]
    if not found:
        raise BadInput(
            f"There are no samples of recordings in {folder}.",
            "'run_scanner.py train depth --recording PATH' makes them.",
        )
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())


class MixedWorlds:
    """`Worlds` of which a share of the batches shows recordings instead.

    Which ones, and with which samples, depends on seed and index alone. Held-out worlds are the
    made-up ones: only there everything is known.
    """

    def __init__(
        self,
        worlds: Worlds,
        folder: Path,
        share: float,
        batch: int,
        seed: int,
        device: torch.device,
    ) -> None:
        """Take `batch` samples at once from those that lie in the folder.

        Raises:
            BadInput: there is none.
        """
        self._worlds = worlds
        self._files = sample_files(folder)
        self._share, self._batch, self._seed = share, batch, seed
        self._device = device

    def batch(self, index: int) -> Sample:
        """Return the samples of an index, the same whenever asked."""
        dice = np.random.default_rng((SALT, self._seed, index))
        if dice.random() >= self._share:
            return self._worlds.batch(index)
        first = self._files[dice.integers(len(self._files))]
        kind = first.name.partition("-")[0]
        fitting = [path for path in self._files if path.name.startswith(kind)]
        others = [fitting[i] for i in dice.integers(len(fitting), size=self._batch - 1)]
        return _joined([kept.read(path) for path in (first, *others)], self._device)

    def walk(self, index: int) -> Sample:
        """Return walks through made-up worlds: of a recording nobody knows the exact surface."""
        return self._worlds.walk(index)

    def held_out(self, number: int) -> Sample:
        """Return one sample of a made-up world that no batch ever shows."""
        return self._worlds.held_out(number)

    def held_out_walk(self, number: int, frames: int) -> Sample:
        """Return one sample of such a world: so many views along a walk."""
        return self._worlds.held_out_walk(number, frames)


def _joined(samples: Sequence[KeptSample], device: torch.device) -> KeptSample:
    """Return one batch of several.

    Raises:
        BadInput: they are not of one size.
    """

    def joined(name: str) -> Tensor:
        return torch.cat([getattr(sample, name) for sample in samples]).to(device)

    if len({sample.pictures.shape[1:] for sample in samples}) > 1:
        raise BadInput(
            "The samples of recordings differ in size or number of views.",
            "Make all of them by one command, for the size that is trained.",
        )
    return KeptSample(
        joined("pictures"), joined("depth"), joined("K"), joined("T_world_cam"), worlds=None
    )
