"""What `train` is asked for: the same options for `python -m engine.training` and the program.

Nothing here needs more than torch, numpy, OpenCV and safetensors.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch

from engine.core.faults import BadInput
from engine.training import checkpoint
from engine.training.depth import DepthRecipe
from engine.training.finerecon import FineReconRecipe
from engine.training.loop import News, train
from engine.training.parallel import Team, team
from engine.training.recipe import Plan, Recipe
from engine.training.run import Slice
from engine.training.sizes import DEPTH_SIZES, FINERECON_SIZES, DepthSize, FineReconSize
from engine.training.worlds import HELD_OUT_WORLDS, TrainingWorlds
from engine.training.worlds import Plan as WorldPlan

RECIPES = ("depth", "finerecon")
SIZES = ("smoke", "small", "published")
SMOKE_HELD_OUT = 4
SIDE_MULTIPLE = 32


@dataclass(frozen=True, slots=True)
class Options:
    """What a run is made with; None is the size's own value. Resuming keeps what was chosen.

    Attributes:
        size: smoke, small or published.
        seed: of weights, worlds and chance.
        steps: at which the learning rate has come down and training ends.
        batch: samples a step in each process.
        rate: highest learning rate.
        width: of pictures; None is the size's own.
        height: likewise.
        textures: folder with photographs of materials; None is painted ones alone.
    """

    size: str = "small"
    seed: int = 0
    steps: int | None = None
    batch: int | None = None
    rate: float | None = None
    width: int | None = None
    height: int | None = None
    textures: str | None = None


def start(
    recipe_name: str,
    folder: Path,
    given: dict[str, Any],
    minutes: float | None = None,
    is_resumed: bool = False,
    device: str = "auto",
    is_wanted: Callable[[], bool] = lambda: True,
) -> Iterator[News]:
    """Train and yield news; `given` are the `Options` that somebody chose.

    Raises:
        BadInput: no such recipe or size, or the folder holds something else.
        CannotWrite: no room or no permission.
        Fault: the loss is no number any more.
    """
    started = time.monotonic()
    if recipe_name not in RECIPES:
        raise BadInput(
            f"There is no recipe called '{recipe_name}'.", f"Use {' or '.join(RECIPES)}."
        )
    if minutes is not None and not minutes > 0:
        raise BadInput(f"{minutes:g} minutes are no time to train.", "Give more than 0.")
    if device == "cuda" and not torch.cuda.is_available():
        raise BadInput("There is no CUDA device here.", "Use --device cpu.")
    options = chosen(given, folder, is_resumed)
    sitting = Slice(
        folder=folder,
        label=f"{recipe_name} {options.size}",
        options=asdict(options),
        seed=options.seed,
        minutes=minutes,
        is_resumed=is_resumed,
        started=started,
    )
    sitting.check()
    with team(device) as members:
        yield from train(recipe(recipe_name, options, members), sitting, members, is_wanted)


def chosen(given: dict[str, Any], folder: Path, is_resumed: bool) -> Options:
    """Return the options, those of the run where it is resumed and nothing else was chosen.

    Raises:
        BadInput: there is nothing to resume, or a value makes no sense.
    """
    before: dict[str, Any] = {}
    if is_resumed:
        stored = checkpoint.read_state(folder).get("options")
        known = {field.name for field in fields(Options)}
        if not isinstance(stored, dict) or stored.keys() - known:
            raise BadInput(f"The run in {folder} does not say how it was begun.")
        before = stored
    options = Options(**{**before, **{k: v for k, v in given.items() if v is not None}})
    if options.size not in SIZES:
        raise BadInput(f"There is no size called '{options.size}'.", f"Use {', '.join(SIZES)}.")
    for name in ("steps", "batch", "rate", "width", "height"):
        value = getattr(options, name)
        if value is not None and not value > 0:
            raise BadInput(f"The option {name} cannot be {value:g}.", "Give more than 0.")
    for name in ("width", "height"):
        if (getattr(options, name) or 0) % SIDE_MULTIPLE:
            raise BadInput(f"The {name} of pictures must be a multiple of {SIDE_MULTIPLE}.")
    return options


def recipe(name: str, options: Options, members: Team) -> Recipe:
    """Return the recipe of that name with its worlds."""
    judged = SMOKE_HELD_OUT if options.size == "smoke" else HELD_OUT_WORLDS
    if name == "depth":
        depth = _depth_size(options)
        network = depth.network
        worlds = _worlds(
            options, members, depth.plan.batch, network.sources + 1,
            (network.image_height, network.image_width),
        )  # fmt: skip
        return DepthRecipe(depth, worlds, judged)
    surface = _finerecon_size(options)
    worlds = _worlds(options, members, surface.plan.batch, surface.views, surface.image_hw)
    return FineReconRecipe(surface, worlds, judged)


def _worlds(
    options: Options, members: Team, batch: int, views: int, hw: tuple[int, int]
) -> TrainingWorlds:
    folder = None if options.textures is None else Path(options.textures)
    plan = WorldPlan(batch=batch, views=views, height=hw[0], width=hw[1], stride=members.size)
    return TrainingWorlds(members.device, options.seed, folder, plan)


def _depth_size(options: Options) -> DepthSize:
    size = DEPTH_SIZES[options.size]
    network = replace(
        size.network,
        image_width=options.width or size.network.image_width,
        image_height=options.height or size.network.image_height,
    )
    return replace(size, network=network, plan=_plan(size.plan, options))


def _finerecon_size(options: Options) -> FineReconSize:
    size = FINERECON_SIZES[options.size]
    hw = options.height or size.image_hw[0], options.width or size.image_hw[1]
    return replace(size, image_hw=hw, plan=_plan(size.plan, options))


def _plan(plan: Plan, options: Options) -> Plan:
    steps = options.steps or plan.schedule.steps
    # Warming up and coming down keep their shares of a shorter run.
    share = steps / plan.schedule.steps
    schedule = replace(
        plan.schedule,
        peak=options.rate or plan.schedule.peak,
        steps=steps,
        warmup=max(1, round(plan.schedule.warmup * share)),
        drops=tuple(round(drop * share) for drop in plan.schedule.drops),
    )
    return replace(plan, schedule=schedule, batch=options.batch or plan.batch)
