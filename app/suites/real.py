"""The suite of real rooms: colour alone is used, the recording's own depth camera judges."""

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

from app.pipeline import ScanPipeline
from app.suites.depth import Contestants, judge_cases
from app.suites.judge import MAX_VIEWS
from app.suites.row import Row, surface_of
from app.tracks import chosen_track
from engine.core.faults import BadInput
from engine.core.frames import Photo
from engine.core.news import Progress
from engine.core.settings import Settings
from engine.core.surface import Mesh
from engine.depth.base import DepthEstimator
from engine.evaluation.depth_protocol import CLIPPED_M, EVERY, JUDGED_M, cases
from engine.evaluation.reference import sensor_reference
from engine.evaluation.suite_sheet import surface_cells
from engine.evaluation.suite_surface import surface_group
from engine.evaluation.views import views_of_frames
from engine.sources.base import FrameSource
from engine.sources.detect import open_source

SHARED_DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
# Folders, and what must lie in them for their poses to be good enough to judge colour by.
RECORDINGS = {
    "kitchen": ("rgbd/7scenes-kitchen", "color-poses-sfm.txt"),
    "hololens": ("rgbd/hololens-000", ""),
}
SHOWN_PICTURES, SHOWN_SURFACES = 4, 2
MAX_M = 5.0
PROTOCOL = (
    "real: colour alone is used, each recording's depth camera is the reference; depth: every "
    f"{EVERY}th picture, sources on both sides of it, true depth {JUDGED_M[0]:g} to "
    f"{JUDGED_M[1]:g} m, estimates clipped to {CLIPPED_M[0]:g} to {CLIPPED_M[1]:g} m, means over "
    "pictures and then over recordings; surface: the program's own fusion of keyframes with this "
    "depth; fusion_baseline: the same with the plane sweep; reference surface: measured depth "
    f"within {MAX_M:g} m fused by Open3D at 1 cm, trimmed to what its views saw"
)


def rows(
    data: Path | None, contestants: Contestants, on_progress: Callable[[Progress], object]
) -> Iterator[Row]:
    """Yield each recording's row.

    Raises:
        BadInput: the recordings are not there, or one cannot judge.
    """
    folders = {name: _folder(data or SHARED_DATA, name) for name in RECORDINGS}
    for name, folder in folders.items():
        with chosen_track(open_source(str(folder))) as source:
            yield _row(name, source, contestants, on_progress)


def _folder(data: Path, name: str) -> Path:
    folder, needed = RECORDINGS[name]
    if not (data / folder).is_dir():
        raise BadInput(
            f"The recording {folder} is not in {data}.",
            "Name the folder of the shared recordings with --data.",
        )
    if not (data / folder / needed).exists():
        raise BadInput(
            f"{data / folder} has no {needed}; its other poses are too poor to judge colour by.",
            "Put that file beside the pictures.",
        )
    return data / folder


def _row(
    name: str,
    source: FrameSource,
    contestants: Contestants,
    on_progress: Callable[[Progress], object],
) -> Row:
    total = source.describe().frame_count or 0
    references = max(1, total // EVERY)
    depth = judge_cases(
        name,
        cases(source.frames(), contestants.ours.source_count),
        contestants,
        on_progress,
        references,
        max(1, references // SHOWN_PICTURES),
    )
    on_progress(Progress(f"{name}: reference", 0, 1))
    every = max(1, -(-total // MAX_VIEWS))
    reference = sensor_reference(views_of_frames(islice(source.frames(), 0, None, every), MAX_M))

    def fused(estimator: DepthEstimator, stage: str) -> Mesh | None:
        pipeline = ScanPipeline(Settings(), False, estimator=estimator, can_wait=True)
        return surface_of(
            pipeline,
            source.frames(),
            lambda number: on_progress(Progress(f"{name}: {stage}", number, total)),
        )

    ours = fused(contestants.ours, "fusion")
    is_one = contestants.sweep is contestants.ours
    swept = ours if is_one else fused(contestants.sweep, "sweep")
    on_progress(Progress(f"{name}: compared", 0, 1))
    meshes = (("fusion", ours), ("fusion of the sweep", swept))
    cells = [surface_cells(photo, meshes, reference) for photo in _some_photos(source, total)]
    return Row(
        name,
        depth,
        surface_group(ours, reference),
        surface_group(swept, reference),
        (*depth.cells, *cells),
    )


def _some_photos(source: FrameSource, total: int) -> list[Photo]:
    """Return photographs evenly spread over the recording."""
    step = max(1, total // (SHOWN_SURFACES + 1))
    return [
        Photo(frame.color, frame.intrinsics, frame.T_world_cam, frame.index)
        for frame in islice(source.frames(), step, step * SHOWN_SURFACES + 1, step)
        if frame.color is not None and frame.T_world_cam is not None
    ]
