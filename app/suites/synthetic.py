"""The suite of made-up worlds that no network ever learned from; everything is known exactly."""

from collections.abc import Callable, Iterator, Sequence

from app.bundled import bundled
from app.chosen_weights import finerecon
from app.method import Method
from app.offline import OfflineScan
from app.pipeline import ScanPipeline
from app.suites.depth import Contestants, judge_cases
from app.suites.row import Row, surface_of
from app.suites.worlds import ExactWorld, photos_of, true_views
from engine.core.faults import BadInput
from engine.core.frames import Frame, Photo
from engine.core.news import Progress
from engine.core.settings import DepthSettings, Settings
from engine.core.surface import Mesh
from engine.depth.base import DepthEstimator
from engine.depth.views import choose_sources
from engine.evaluation.depth_protocol import CLIPPED_M, JUDGED_M, Case
from engine.evaluation.reference import WorldReference
from engine.evaluation.suite_sheet import Cells, surface_cells
from engine.evaluation.suite_surface import surface_group
from engine.nets.finerecon.model import FineRecon
from engine.recon.compute import ON_CPU
from engine.training.worlds import HELD_OUT_WORLDS, Plan, TrainingWorlds

WIDTH, HEIGHT, VIEWS = 320, 240, 5
WALK_FRAMES = 24
# As far as a reconstruction by FineRecon reaches by default; fusion and judge go as far.
SURFACE_M = 3.5
SHOWN_WORLDS = 6
SETTINGS = Settings(depth=DepthSettings(max_m=SURFACE_M))
PROTOCOL = (
    f"synthetic: held-out worlds with painted surfaces, pictures of {WIDTH}x{HEIGHT}, poses and "
    f"pictures as a phone's, truth exact; depth: one reference a world with {VIEWS - 1} sources, "
    f"every pixel of true depth {JUDGED_M[0]:g} to {JUDGED_M[1]:g} m, estimates clipped to "
    f"{CLIPPED_M[0]:g} to {CLIPPED_M[1]:g} m, means over worlds; surfaces: a walk of {WALK_FRAMES} "
    "pictures, depth of each from its neighbours, fusion_baseline: the program's own fusion, "
    "surface: {surface}; both of the same depth, against exact distances, trimmed to what the "
    f"cameras saw within {SURFACE_M:g} m"
)


def rows(
    worlds: int | None, contestants: Contestants, on_progress: Callable[[Progress], object]
) -> tuple[str, Iterator[Row]]:
    """Return the protocol, and each world's row when asked for.

    Raises:
        BadInput: not that many worlds.
    """
    count = HELD_OUT_WORLDS if worlds is None else worlds
    if not 1 <= count <= HELD_OUT_WORLDS:
        raise BadInput(
            f"--worlds cannot be {count}: there are {HELD_OUT_WORLDS} held-out worlds.",
            f"Use 1 to {HELD_OUT_WORLDS}.",
        )
    name = bundled("finerecon")
    surface = (
        f"{name} at 2 cm" if name else "none, since no FineRecon weights came with this program"
    )
    network = finerecon(name) if name else None
    return PROTOCOL.format(surface=surface), _rows(count, network, contestants, on_progress)


def _rows(
    count: int,
    network: FineRecon | None,
    contestants: Contestants,
    on_progress: Callable[[Progress], object],
) -> Iterator[Row]:
    on_progress(Progress("worlds", 0, count))
    worlds = TrainingWorlds("cpu", 0, plan=Plan(1, VIEWS, HEIGHT, WIDTH))
    for number in range(count):
        is_shown = number % max(1, count // SHOWN_WORLDS) == 0
        yield _row(worlds, number, count, network, contestants, is_shown, on_progress)


def _row(
    worlds: TrainingWorlds,
    number: int,
    count: int,
    network: FineRecon | None,
    contestants: Contestants,
    is_shown: bool,
    on_progress: Callable[[Progress], object],
) -> Row:
    on_progress(Progress("worlds", number, count))
    sample = worlds.held_out(number)
    reference, *sources = photos_of(sample)
    case = Case(reference, tuple(sources), sample.depth[0, 0].numpy(), reference.intrinsics)
    depth = judge_cases(f"world {number}", [case], contestants, lambda _: None, 1, 1)
    walk = worlds.held_out_walk(number, WALK_FRAMES)
    photos = photos_of(walk)
    truth = WorldReference(ExactWorld(walk), true_views(walk, SURFACE_M))
    frames = list(_estimated(photos, contestants.ours))
    plain = surface_of(ScanPipeline(SETTINGS, with_texture=False), frames)
    fine = None if network is None else _fine(frames, network)
    cells: list[Cells] = []
    if is_shown:
        named = (("fusion", plain), ("FineRecon", fine))[: 1 if network is None else 2]
        cells = [*depth.cells, surface_cells(photos[WALK_FRAMES // 2], named, truth)]
    return Row(
        f"world {number}",
        depth,
        None if network is None else surface_group(fine, truth),
        surface_group(plain, truth),
        tuple(cells),
    )


def _fine(frames: Sequence[Frame], network: FineRecon) -> Mesh | None:
    """Return FineRecon's surface; every picture of a walk is a keyframe."""
    method = Method(
        name="finerecon-offline",
        keyframe_distance=1e-6,
        max_depth_m=SURFACE_M,
        width_px=WIDTH,
        height_px=HEIGHT,
    )
    return surface_of(OfflineScan(SETTINGS, method, network, ON_CPU, None, False), frames)


def _estimated(photos: Sequence[Photo], estimator: DepthEstimator) -> Iterator[Frame]:
    """Yield a frame with estimated depth for every photograph that has another beside it."""
    for photo in photos:
        others = (other for other in photos if other is not photo)
        sources = choose_sources(photo, others, estimator.source_count)
        if sources:
            found = estimator.estimate(photo, sources)
            yield Frame(
                photo.index,
                photo.index,
                photo.intrinsics,
                photo.color,
                found.depth_m,
                found.intrinsics,
                found.confidence,
                photo.T_world_cam,
            )
