"""A training run: weights, their averages and the optimiser, in memory and on disk."""

import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from engine.core.faults import BadInput, CannotWrite, Fault
from engine.training import checkpoint
from engine.training.parallel import Team
from engine.training.recipe import Judged, Recipe
from engine.training.schedule import Average
from engine.weights.store import save as save_weights

# After so many steps in a row without a finite loss something is broken for good.
MOST_SKIPPED = 20
WEIGHTS = "weights.safetensors"
# Every step of every process draws from a seed of its own, far from its neighbours'.
STEP_PRIME, RANK_PRIME = 1_000_003, 7_919


@dataclass(frozen=True, slots=True)
class Slice:
    """One sitting of a run.

    Attributes:
        folder: where everything is kept.
        label: recipe and size.
        options: what the run was begun with, kept for whoever resumes it.
        seed: of the weights and of every step.
        minutes: it ends within so many, saving included; None for no limit.
        is_resumed: go on from the folder's checkpoint; otherwise the folder must be empty.
        started: `time.monotonic()` at which its minutes began.
        words: what its weights say of their data and licence.
    """

    folder: Path
    label: str
    options: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    minutes: float | None = None
    is_resumed: bool = False
    started: float = field(default_factory=time.monotonic)
    words: dict[str, str] = field(default_factory=dict)

    def is_over(self, reserve_s: float) -> bool:
        """Whether no time is left but what the end needs."""
        if self.minutes is None:
            return False
        return time.monotonic() - self.started + reserve_s >= self.minutes * 60

    def check(self) -> None:
        """Refuse a folder that holds another run, before anything takes time.

        Raises:
            BadInput: it is not empty and not to be resumed, or is of another recipe.
            CannotWrite: it cannot be used.
        """
        if not self.is_resumed:
            _claim(self.folder)
            return
        before = checkpoint.read_state(self.folder).get("run")
        if before != self.label:
            raise BadInput(
                f"The run in {self.folder} is {before}, not {self.label}.",
                "Resume it by its own recipe and size, or choose another folder.",
            )


class _Step(nn.Module):
    """One training step as a module, because data parallelism hooks into `forward`."""

    def __init__(self, recipe: Recipe, network: nn.Module, device: torch.device) -> None:
        super().__init__()
        self.network = network
        self._recipe = recipe
        self._device = device

    def forward(self, batch: Any) -> dict[str, Tensor]:
        is_half = self._device.type == "cuda"
        with torch.autocast(self._device.type, torch.bfloat16, enabled=is_half):
            return dict(self._recipe.loss(self.network, batch))


class Run:
    """A training run in memory."""

    def __init__(self, recipe: Recipe, sitting: Slice, team: Team) -> None:
        """Make the network, or take up the run that the folder holds.

        Raises:
            BadInput: the folder holds something else than what was asked for.
        """
        self.recipe, self.sitting, self.team = recipe, sitting, team
        torch.manual_seed(sitting.seed)
        self.network = recipe.build().to(team.device)
        self.average = Average(self.network)
        plan = recipe.plan
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(), lr=plan.schedule.peak, weight_decay=plan.weight_decay
        )
        self.step, self.skipped = 0, 0
        self.trained_s, self.reserve_s = 0.0, 0.0
        self._module = team.joined(_Step(recipe, self.network, team.device))
        if sitting.is_resumed:
            self._take_up()

    @property
    def _identity(self) -> dict[str, Any]:
        """What must be the same for a run to go on."""
        return {
            "run": self.sitting.label,
            "seed": self.sitting.seed,
            "processes": self.team.size,
            "config": self.recipe.config,
            "plan": self.recipe.plan.as_dict(),
        }

    def _describe(self) -> dict[str, Any]:
        counts = {"step": self.step, "skipped": self.skipped}
        times = {"trained_s": self.trained_s, "reserve_s": self.reserve_s}
        return {**self._identity, "options": self.sitting.options, **counts, **times}

    def _take_up(self) -> None:
        state = checkpoint.read_state(self.sitting.folder)
        # Through JSON, so that tuples and lists are alike.
        for what, value in json.loads(json.dumps(self._identity)).items():
            if state.get(what) != value:
                raise BadInput(
                    f"The run in {self.sitting.folder} has another {what}: "
                    f"{_short(state.get(what))} instead of {_short(value)}.",
                    "Resume it with the options it was begun with, or choose another folder.",
                )
        saved = checkpoint.load(self.sitting.folder)
        try:
            self.network.load_state_dict(_group(saved.tensors, "network"))
            self.average.restore(_group(saved.tensors, "average"))
            self._restore_optimiser(saved.tensors)
            self.step = int(saved.state["step"])
            self.skipped = int(saved.state["skipped"])
            self.trained_s = float(saved.state["trained_s"])
            self.reserve_s = float(saved.state["reserve_s"])
        except (KeyError, ValueError, RuntimeError) as error:
            raise BadInput(
                f"The checkpoint in {self.sitting.folder} is incomplete ({_short(error)}).",
                "Begin again in another folder.",
            ) from error

    def _restore_optimiser(self, tensors: Mapping[str, Tensor]) -> None:
        for name, parameter in self.network.named_parameters():
            kept = _group(tensors, f"optimiser/{name}")
            self.optimiser.state[parameter] = {
                # The count of steps stays on the CPU, as torch makes it.
                key: value if key == "step" else value.to(parameter.device)
                for key, value in kept.items()
            }

    def save(self) -> None:
        """Write a checkpoint and, where they fit into one file, the weights to ship."""
        tensors = {f"network/{k}": v for k, v in self.network.state_dict().items()}
        tensors |= {f"average/{k}": v for k, v in self.average.tensors.items()}
        for name, parameter in self.network.named_parameters():
            for key, value in self.optimiser.state[parameter].items():
                tensors[f"optimiser/{name}/{key}"] = value
        checkpoint.save(self.sitting.folder, self.step, tensors, self._describe())
        halves = self._halves()
        if sum(value.nbytes for value in halves.values()) < checkpoint.LARGEST_BYTES:
            about = {"source": self.sitting.label, "steps": str(self.step)}
            words = {**about, **self.sitting.words}
            path = self.sitting.folder / WEIGHTS
            save_weights(path, self.recipe.network_name, self.recipe.config, halves, words)

    def _halves(self) -> dict[str, Tensor]:
        """Return the averages, parameters in half precision; statistics need their range."""
        parameters = dict(self.network.named_parameters())
        return {
            name: value.half() if name in parameters else value
            for name, value in self.average.tensors.items()
        }

    def train_step(self, batch: Any) -> dict[str, float] | None:
        """Take one step; None where loss or gradient is not finite, and nothing was learned.

        Raises:
            Fault: that happened too often in a row.
        """
        plan = self.recipe.plan
        rate = plan.schedule.at(self.step)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        seed = self.sitting.seed + STEP_PRIME * (self.step + 1) + RANK_PRIME * self.team.rank
        torch.manual_seed(seed)
        self.network.train()
        self.optimiser.zero_grad(set_to_none=True)
        terms: dict[str, Tensor] = self._module(batch)
        torch.autograd.backward(terms["loss"])
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), plan.longest_gradient)
        named = {name: value.detach().float() for name, value in terms.items()}
        named["gradient"] = norm.detach().float()
        # One transfer for all numbers, and the same ones for all processes: they must agree.
        values = self.team.mean(torch.stack(list(named.values()))).tolist()
        row = dict(zip(named, values, strict=True)) | {"rate": rate}
        is_sound = math.isfinite(row["loss"]) and math.isfinite(row["gradient"])
        if is_sound:
            self.optimiser.step()
            self.average.follow(self.network, self.step)
            self.skipped = 0
        else:
            self.skipped += 1
        self.step += 1
        if self.skipped >= MOST_SKIPPED:
            raise Fault(
                f"The loss was no number in {MOST_SKIPPED} steps in a row, up to step {self.step}.",
                "Lower the learning rate, and go on from the checkpoint before that.",
            )
        return row if is_sound else None

    def judge(self) -> Judged:
        """Return how the averaged weights do on held-out worlds."""
        own = {name: value.clone() for name, value in self.network.state_dict().items()}
        self.network.load_state_dict(self.average.tensors)
        self.network.eval()
        try:
            with torch.inference_mode():
                return self.recipe.judge(self.network)
        finally:
            self.network.load_state_dict(own)


def _claim(folder: Path) -> None:
    """Make the folder, or accept an empty one.

    Raises:
        BadInput: there is something in it.
        CannotWrite: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # What a run leaves that died before its first checkpoint begins with a dot.
        is_empty = all(path.name.startswith(".") for path in folder.iterdir())
    except OSError as error:
        raise CannotWrite(
            f"The folder {folder} cannot be used ({error.strerror}).", "Choose another with --out."
        ) from error
    if not is_empty:
        raise BadInput(
            f"The folder {folder} is not empty.",
            "Go on with --resume, or choose another folder with --out.",
        )


def _group(tensors: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """Return the tensors whose names begin with a group's, without it."""
    start = f"{name}/"
    return {key.removeprefix(start): t for key, t in tensors.items() if key.startswith(start)}


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
