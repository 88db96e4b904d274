"""What `train` is asked for: the same options for `python -m engine.training` and the program.

Nothing here needs more than torch, numpy, OpenCV and safetensors.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch

from engine.core.faults import BadInput
from engine.synth.thing_views import HELD_OUT_THINGS
from engine.training import checkpoint
from engine.training.data import Worlds
from engine.training.depth import DepthRecipe
from engine.training.finerecon import FineReconRecipe
from engine.training.gtr import GtrRecipe
from engine.training.gtr_sizes import GTR_SIZES
from engine.training.kept import DepthOf, KeptWorlds
from engine.training.loop import News, train
from engine.training.mixed import MixedWorlds
from engine.training.objects import TrainingObjects
from engine.training.parallel import Team, team
from engine.training.recipe import Plan, Recipe
from engine.training.run import Slice
from engine.training.sizes import (
    DEPTH_SIZES,
    FINERECON_SIZES,
    FINERECON_VARIANTS,
    DepthSize,
    FineReconSize,
    varied,
)
from engine.training.store import Kept
from engine.training.sweepdepth import SweepDepthRecipe
from engine.training.sweepdepth_sizes import SWEEPDEPTH_SIZES, VIEWS, SweepDepthSize
from engine.training.sweeping import Sweeper, sweep_by_torch
from engine.training.worlds import HELD_OUT_WORLDS, TrainingWorlds
from engine.training.worlds import Plan as WorldPlan

RECIPES = ("sweepdepth", "depth", "finerecon", "gtr")
SIZES = ("smoke", "small", "published")
SMOKE_HELD_OUT = 4
# Where kept batches lie in a run's folder.
KEPT = "kept"
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
        kept: batches that are drawn once and learned from again and again; None keeps none.
        kept_folder: where they lie; None is the run's own folder.
        recordings: folder with samples of recordings (`app/training_samples.py` makes them).
        recording_share: of the batches, shows recordings where there are any.
        variant: of FineRecon; the others lack a part, to show what it is worth.
    """

    size: str = "small"
    seed: int = 0
    steps: int | None = None
    batch: int | None = None
    rate: float | None = None
    width: int | None = None
    height: int | None = None
    textures: str | None = None
    kept: int | None = None
    kept_folder: str | None = None
    recordings: str | None = None
    recording_share: float = 0.3
    variant: str = "full"


class Pictures(NamedTuple):
    """What a sample of a recording has to be like."""

    views: int
    height: int
    width: int


def start(
    recipe_name: str,
    folder: Path,
    given: dict[str, Any],
    minutes: float | None = None,
    is_resumed: bool = False,
    device: str = "auto",
    is_wanted: Callable[[], bool] = lambda: True,
    prepare: Callable[[Pictures], object] = lambda _: None,
    sweeper: Sweeper = sweep_by_torch,
    depth_of: DepthOf | None = None,
) -> Iterator[News]:
    """Train and yield news; `given` are the `Options` that somebody chose.

    `prepare` is called once the folder is known to be good and before samples of recordings are
    looked for: it may put them there. `sweeper` sweeps planes where a recipe asks for it;
    `depth_of` finds the depth that guides surfaces, which else is true depth made wrong.

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
        words=_words(options),
    )
    sitting.check()
    if options.recordings is not None:
        prepare(_pictures(recipe_name, options))
    with team(device) as members:
        made = recipe(recipe_name, options, members, folder, sweeper, depth_of)
        yield from train(made, sitting, members, is_wanted)


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
    for name in ("steps", "batch", "rate", "width", "height", "kept", "recording_share"):
        value = getattr(options, name)
        if value is not None and not value > 0:
            raise BadInput(f"The option {name} cannot be {value:g}.", "Give more than 0.")
    for name in ("width", "height"):
        if (getattr(options, name) or 0) % SIDE_MULTIPLE:
            raise BadInput(f"The {name} of pictures must be a multiple of {SIDE_MULTIPLE}.")
    if options.variant not in FINERECON_VARIANTS:
        raise BadInput(
            f"FineRecon has no variant called '{options.variant}'.",
            f"Use {', '.join(FINERECON_VARIANTS)}.",
        )
    if options.recording_share > 1:
        raise BadInput("Recordings cannot be more than all of it.", "Give a share of at most 1.")
    return options


def recipe(
    name: str,
    options: Options,
    members: Team,
    folder: Path,
    sweeper: Sweeper = sweep_by_torch,
    depth_of: DepthOf | None = None,
) -> Recipe:
    """Return the recipe of that name with its worlds; `folder` is the run's."""
    judged = SMOKE_HELD_OUT if options.size == "smoke" else HELD_OUT_WORLDS
    if name == "depth":
        depth = _depth_size(options)
        network = depth.network
        worlds = _worlds(
            options, members, folder, depth.plan.batch, network.sources + 1,
            (network.image_height, network.image_width),
        )  # fmt: skip
        return DepthRecipe(depth, worlds, judged)
    if name == "sweepdepth":
        return _sweepdepth(options, members, folder, judged, sweeper)
    if name == "gtr":
        return _gtr(options, members, folder)
    surface = _finerecon_size(options)
    worlds = _worlds(
        options, members, folder, surface.plan.batch, surface.views, surface.image_hw, depth_of, 1
    )
    return FineReconRecipe(surface, worlds, judged, depth_of)


def _worlds(
    options: Options,
    members: Team,
    folder: Path,
    batch: int,
    views: int,
    hw: tuple[int, int],
    depth_of: DepthOf | None = None,
    worlds_last: int = 8,
) -> Worlds:
    """Return made-up worlds, kept ones and recordings among them where they are asked for.

    A world serves `worlds_last` batches: several pairs of views, but one walk shows most of it.
    """
    textures = None if options.textures is None else Path(options.textures)
    plan = WorldPlan(
        batch=batch, views=views, height=hw[0], width=hw[1], worlds_last=worlds_last,
        stride=members.size,
    )  # fmt: skip
    worlds: Worlds = TrainingWorlds(members.device, options.seed, textures, plan)
    if options.kept is not None:
        lying = Path(options.kept_folder or folder / KEPT)
        worlds = KeptWorlds(worlds, lying, options.kept, depth_of, members.device)
    if options.recordings is not None:
        own, share = Path(options.recordings), options.recording_share
        worlds = MixedWorlds(worlds, own, share, batch, options.seed, members.device)
    return worlds


def _sweepdepth(
    options: Options, members: Team, folder: Path, judged: int, sweeper: Sweeper
) -> SweepDepthRecipe:
    """Return the recipe of the network that corrects a sweep; what is kept has been swept.

    Raises:
        BadInput: a size it does not have.
    """
    size = _sweepdepth_size(options)
    kept = None
    if options.kept is not None:
        kept = Kept(Path(options.kept_folder or folder / KEPT), options.kept, members.device)
    # Not the pictures are kept but what became of them.
    drawn = replace(options, kept=None)
    worlds = _worlds(drawn, members, folder, size.plan.batch, VIEWS, size.image_hw)
    return SweepDepthRecipe(size, worlds, judged, sweeper, kept)


def _sweepdepth_size(options: Options) -> SweepDepthSize:
    if options.size not in SWEEPDEPTH_SIZES:
        raise BadInput(
            f"The recipe sweepdepth has no size called '{options.size}'.",
            f"Use {' or '.join(SWEEPDEPTH_SIZES)}: nobody published this network but us.",
        )
    size = SWEEPDEPTH_SIZES[options.size]
    hw = options.height or size.image_hw[0], options.width or size.image_hw[1]
    return replace(size, image_hw=hw, plan=_plan(size.plan, options))


def _gtr(options: Options, members: Team, folder: Path) -> GtrRecipe:
    """Return the recipe that learns from single objects instead of worlds."""
    size = GTR_SIZES[options.size]
    size = replace(size, plan=_plan(size.plan, options))
    textures = None if options.textures is None else Path(options.textures)
    lying = Path(options.kept_folder or folder / KEPT)
    objects = TrainingObjects(
        members.device, options.seed, size.plan.batch, size.drawn, size.size_px,
        textures, options.kept, lying,
    )  # fmt: skip
    judged = SMOKE_HELD_OUT if options.size == "smoke" else HELD_OUT_THINGS
    return GtrRecipe(size, objects, judged)


def _pictures(name: str, options: Options) -> Pictures:
    """Return what samples of recordings have to be like.

    Raises:
        BadInput: the recipe cannot learn from recordings.
    """
    if name == "sweepdepth":
        return Pictures(VIEWS, *_sweepdepth_size(options).image_hw)
    if name != "depth":
        raise BadInput(
            f"The recipe {name} needs exact answers, which no recording has.",
            "Recordings teach depth alone.",
        )
    network = _depth_size(options).network
    return Pictures(network.sources + 1, network.image_height, network.image_width)


def _words(options: Options) -> dict[str, str]:
    """Return what the weights say of their data and licence."""
    if options.recordings is None:
        return {"data": "made-up worlds", "licence": "Apache-2.0"}
    return {"data": "made-up worlds and recordings", "licence": "that of the recordings"}


def _depth_size(options: Options) -> DepthSize:
    size = DEPTH_SIZES[options.size]
    network = replace(
        size.network,
        image_width=options.width or size.network.image_width,
        image_height=options.height or size.network.image_height,
    )
    return replace(size, network=network, plan=_plan(size.plan, options))


def _finerecon_size(options: Options) -> FineReconSize:
    size = varied(FINERECON_SIZES[options.size], options.variant)
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
