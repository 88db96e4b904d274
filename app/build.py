"""Settings become steps: the one place that decides which parts make a scan."""

import math
from dataclasses import replace

import torch

from app.final import LastPass
from app.live import LivePipeline
from app.method import DepthName, Method
from app.offline import OfflineScan
from app.pipeline import ScanPipeline
from app.refining import Refining
from engine.core.faults import BadInput
from engine.core.settings import DepthSettings, Settings
from engine.depth.base import DepthEstimator
from engine.depth.plane_sweep import PlaneSweep, SweepSettings
from engine.nets.finerecon.model import FineRecon
from engine.recon.compute import Compute, quick_precision
from engine.recon.live import LiveRecon
from engine.recon.refiner import Refiner
from engine.sources.base import SourceInfo
from engine.volume.history import History

FUSION = Method(name="fusion")
# What every pipeline that fuses is told beside its settings, in the order of `ScanPipeline`.
Rest = tuple[bool, int, DepthEstimator | None, bool, History | None, bool, bool]
BEYOND = 1.1
LEAST_PLANES = 16


def make_fuser(
    settings: Settings,
    info: SourceInfo,
    with_texture: bool = True,
    hold_out: int = 0,
    method: Method = FUSION,
    is_movable: bool = True,
    keeps_grades: bool = False,
) -> ScanPipeline | OfflineScan:
    """Return the pipeline for a source; every `hold_out`-th frame, if not 0, only judges.

    Frames that need not be moved or undone later are not kept, nor is, unless asked for, what the
    surface was before it was final.

    Raises:
        BadInput: the source lacks what the method needs, or the memory asked for is more than the
            machine can give.
        MissingPart: weights are needed and not installed.
    """
    if not info.has_poses:
        raise BadInput(
            f"{info.name} has no camera poses, so its frames cannot be put together.",
            "Use a recording that was tracked.",
        )
    estimator = _estimator(settings, method, info)
    method = chosen_method(method, info)
    is_guided = method.depth == "guided"
    if is_guided and method.name == "finerecon-offline":
        raise BadInput(
            f"{method.name} takes depth from the sensor or from photographs, not from both.",
            "Use another --method with --depth guided, or --depth sensor or learned.",
        )
    if method.name == "finerecon-offline":
        return _offline(settings, info, with_texture, hold_out, method, estimator)
    with_texture = with_texture and info.has_color
    history = _history(settings) if is_movable else None
    can_wait = not info.is_live
    rest = with_texture, hold_out, estimator, can_wait, history, is_guided, keeps_grades
    try:
        if method.name == "finerecon":
            return _live(settings, info, method, rest)
        return ScanPipeline(settings, *rest)
    except (MemoryError, ValueError) as error:
        raise BadInput(
            f"This machine cannot give the volume {settings.volume.memory_mb} MB of memory.",
            "Choose a lower ceiling with --memory-mb; what is beyond it moves to disk.",
        ) from error


def chosen_method(method: Method, info: SourceInfo) -> Method:
    """Return the method with a name: what a network refines best is depth that one estimated.

    Who names its weights wants it in any case.

    Raises:
        BadInput: as `chosen_depth`.
    """
    if method.name != "auto":
        return method
    has_weights = method.weights is not None or method.random_weights is not None
    is_learned = chosen_depth(method, info) in ("learned", "simplerecon")
    name = "finerecon" if has_weights or is_learned else "fusion"
    return method.model_copy(update={"name": name})


def _history(settings: Settings) -> History:
    return History(settings.history.memory_mb, settings.history.disk_mb)


def chosen_depth(method: Method, info: SourceInfo) -> DepthName:
    """Return where depth comes from: the sensor when there is one, unless something else is asked.

    Raises:
        BadInput: the source has neither depth nor colour, or not what was asked for.
    """
    wanted = method.depth
    if wanted == "auto":
        wanted = "sensor" if info.has_depth else "learned"
    if wanted in ("sensor", "guided") and not info.has_depth:
        raise BadInput(
            f"{info.name} has no metric depth.",
            "Use --depth learned or plane-sweep, which compare its photographs.",
        )
    if wanted != "sensor" and not info.has_color:
        raise BadInput(
            f"{info.name} has no {'colour' if info.has_depth else 'depth and no colour'}, so depth "
            "cannot be estimated.",
            "Use a recording with colour, or with depth such as RGB-D or LiDAR.",
        )
    return wanted


def _estimator(settings: Settings, method: Method, info: SourceInfo) -> DepthEstimator | None:
    """Return what estimates depth, None for the sensor's own."""
    wanted = chosen_depth(method, info)
    if wanted == "sensor":
        return None
    # Networks have planes of their own, which begin where the sweep's do.
    planes = swept(settings.depth)
    if wanted == "plane-sweep":
        return PlaneSweep(planes)
    from app.chosen_weights import corrected_sweep, simplerecon

    quick = _quick(method)
    chosen = method.depth_weights, quick.device, quick.dtype
    if wanted in ("learned", "guided"):
        return corrected_sweep(*chosen, method.backend)
    return simplerecon(*chosen)


def swept(depth: DepthSettings) -> SweepSettings:
    """Return planes as far as the settings ask for, as dense as they are by default.

    Raises:
        BadInput: there is nothing between the nearest and the farthest depth.
    """
    usual = SweepSettings()
    near = max(usual.nearest_m, depth.min_m)
    if depth.max_m <= near:
        raise BadInput(
            f"Photographs give depth from {near:g} m on, so --max-depth-m {depth.max_m:g} leaves "
            "nothing.",
            "Use a larger --max-depth-m.",
        )
    # A little beyond: what lies on the last plane is never believed.
    far = depth.max_m * BEYOND
    planes = max(LEAST_PLANES, round(math.log(far / near) / usual.step) + 1)
    return replace(usual, nearest_m=near, farthest_m=far, planes=planes)


def _live(settings: Settings, info: SourceInfo, method: Method, rest: Rest) -> LivePipeline:
    _check_color(info, "finerecon")
    compute = _compute(method)
    network = _finerecon(method).to(compute.device)
    resolution_m = settings.volume.voxel_m
    size_px = method.width_px, method.height_px
    recon = LiveRecon(network, compute, settings.refine, resolution_m, *size_px)
    # What is refined on the way is replaced at the end.
    refiner = Refiner(network, _quick(method), settings.refine, resolution_m)
    last_pass = LastPass(network, compute, method.memory_mb)
    return LivePipeline(settings, recon, Refining(refiner), last_pass, *rest)


def _check_color(info: SourceInfo, method: str) -> None:
    if not info.has_color:
        raise BadInput(
            f"{info.name} has no colour, which {method} needs.",
            "Use --method fusion, or a recording with colour.",
        )


def _offline(
    settings: Settings,
    info: SourceInfo,
    with_texture: bool,
    hold_out: int,
    method: Method,
    estimator: DepthEstimator | None,
) -> OfflineScan:
    _check_color(info, method.name)
    compute = _compute(method)
    network = _finerecon(method).to(compute.device)
    return OfflineScan(settings, method, network, compute, estimator, with_texture, hold_out)


def _compute(method: Method) -> Compute:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return Compute(device, "float32" if method.precision == "auto" else method.precision)


def _quick(method: Method) -> Compute:
    """Return how to compute what is corrected or replaced later."""
    compute = _compute(method)
    if method.precision != "auto" or compute.device.type != "cpu":
        return compute
    return Compute(compute.device, quick_precision())


def _finerecon(method: Method) -> FineRecon:
    from app.chosen_weights import finerecon, random_finerecon

    if method.random_weights is not None:
        return random_finerecon(method.random_weights)
    return finerecon(method.weights)
