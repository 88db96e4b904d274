"""`bench --suite live`: the scan while the camera moves, beside its peers, in one run."""

import multiprocessing
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch

from app.bench.live_agreement import agreement
from app.bench.live_aims import judged
from app.bench.live_growth import growth
from app.bench.live_kit import Figures, Kit, Report
from app.bench.live_memory import MINUTES, memory
from app.bench.live_moves import pose_update
from app.bench.live_peer import open3d_fusion
from app.bench.live_rates import MAIN, rates
from app.bench.live_sets import (
    NORMAL,
    QUICK,
    RECORDINGS,
    ROOM_SETS,
    Plan,
    draw,
    recorded,
)
from app.bench.live_surface import batch, surface
from app.bench.live_tape import Tape
from app.diagnostics import machine, version
from app.method import Method
from app.suites.real import SHARED_DATA
from engine.core.news import Progress

T = TypeVar("T")
QUICK_MINUTES = 0.03
PROTOCOL = (
    "Rooms of 10, 40 and 160 m2 are drawn beforehand and enlarged when they are played; recordings "
    "keep their size. real_time: frames come at 30 Hz and wait for nobody; fast: as they are taken,"
    " drafts alone. A draft is shown when all patches a frame changed have been handed out to a "
    "screen of 60 Hz; a cell is refined when its first refined patch has, counted from the frame "
    "that first saw it. growth_ratio: processor time "
    "of a keyframe in a room of 10 m2 that is one of sixteen in a flat against the same one in a "
    "scan of the room alone; growth.hall_ratio: of one in a single hall of 160 m2, where far more "
    "is seen at once, against one in the room; growth.hall_part_ratio: against the same one in a "
    "scan of that part of the hall alone. "
    "surface: colour alone, F1 at 5 cm and chamfer against the exact room; batch is "
    "finerecon-offline over the same frames. peak_rss_mb: a process of its own that does nothing "
    "but scan, under the ceilings stated. busy_elsewhere: share of the processors that other "
    "programs took; where it is not near 0, times are too long."
)


def live(
    on_progress: Report,
    quick: bool = False,
    minutes: float | None = None,
    data: Path | None = None,
) -> dict[str, Any]:
    """Return all figures of the live suite with the machine they were measured on.

    `quick` plays tiny rooms, to see that everything runs; its figures mean nothing. `minutes` is
    how long the walk for memory is repeated by the clock, `data` where recordings lie.

    Raises:
        MissingPart: the networks that came with the program are gone.
    """
    plan = QUICK if quick else NORMAL
    folders, notes = ({}, ["Recordings are left out."]) if quick else _recordings(data)
    with tempfile.TemporaryDirectory(prefix="finescan-bench-") as folder:
        tapes = _tapes(plan, folders, Path(folder), quick, on_progress)
        width, height = plan.size
        method = Method(
            name="finerecon",
            width_px=width,
            height_px=height,
            max_depth_m=plan.settings.refine.reach_m,
        )
        kit = Kit(plan, tapes, method)
        row: dict[str, Any] = {
            "suite": "live",
            "played_at": f"{width}x{height}",
            "version": version(),
            "machine": machine(),
        }
        row |= _timed(kit, [*ROOM_SETS, *folders], on_progress)
        row |= _judged(
            kit, folders, quick, minutes or (QUICK_MINUTES if quick else MINUTES), on_progress
        )
    row["peak_rss_mb"] = row["memory"]["peak_rss_mb"]
    return row | {"aims": judged(row), "notes": notes, "protocol": PROTOCOL}


def _recordings(data: Path | None) -> tuple[dict[str, Path], list[str]]:
    """Return the recordings that are there, and a sentence for each that is not."""
    root = data or SHARED_DATA
    there = {name: root / folder for name, folder in RECORDINGS.items()}
    notes = [
        f"{name} was left out: {folder} is not there."
        for name, folder in there.items()
        if not folder.is_dir()
    ]
    return {name: folder for name, folder in there.items() if folder.is_dir()}, notes


def _tapes(
    plan: Plan, folders: Mapping[str, Path], folder: Path, quick: bool, on_progress: Report
) -> dict[str, Tape]:
    """Return everything that is played, drawn or decoded by two processes at a time."""
    with _workers(2, quick) as pool:
        # The longest first, so that none is left for the end.
        jobs: dict[str, Future[Tape]] = {
            name: pool.submit(draw, stretch, folder / name)
            for name, stretch in sorted(plan.stretches.items(), key=lambda each: -each[1].pixels)
        }
        for name, place in folders.items():
            jobs[name] = pool.submit(recorded, place, folder / name)
        return _collected(jobs, "draw", on_progress)


def _timed(kit: Kit, names: list[str], on_progress: Report) -> Figures:
    """Return everything that is timed, one after the other, in this process."""
    row = rates(kit, names, on_progress)
    main = row["sets"][MAIN]["real_time"]
    learned = row["learned"]["real_time"]
    row["sensor"] = {key: main[key] for key in SENSOR}
    row["learned"] |= {
        "keyframe_ms_p50": learned["keyframe_ms_p50"],
        "refine_chunk_ms_p50": learned["refine_chunk_ms_p50"],
    }
    fast = row["sets"][MAIN]["fast"]
    row["peers"] = {
        "open3d_fusion": open3d_fusion(kit, MAIN, on_progress),
        "our_fuse_ms_p50": fast["stages"]["fuse"]["ms_p50"],
        "our_mesh_ms_p50": fast["stages"]["mesh"]["ms_p50"],
    }
    row["growth"] = growth(kit, on_progress)
    row["growth_ratio"] = row["growth"]["growth_ratio"]
    row["pose_update"] = pose_update(kit, on_progress)
    return row


SENSOR = (
    "draft_ms_p50", "draft_ms_p95", "input_hz", "keyframes_dropped", "keyframes_per_second",
    "keyframes_thinned", "refined_ms_p50", "refined_ms_p95", "keyframe_ms_p50", "keyframe_ms_p95",
    "busy_elsewhere",
)  # fmt: skip


def _judged(
    kit: Kit, folders: Mapping[str, Path], quick: bool, minutes: float, on_progress: Report
) -> Figures:
    """Return everything that takes no time but is compared, two at a time; then memory."""
    specs = {"surface": ("tour10", kit.plan.stretches["tour10"].spec)}
    if "kitchen" in folders:
        specs["surface_kitchen"] = ("kitchen", str(folders["kitchen"]))
    with _workers(2, quick) as pool:
        jobs = {"agreement": pool.submit(agreement, kit)}
        for name, (tape, spec) in specs.items():
            jobs[name] = pool.submit(surface, kit, tape, spec)
            jobs[f"{name} batch"] = pool.submit(batch, kit, tape, spec)
        row = _collected(jobs, "compare", on_progress)
    for name in specs:
        made = row[name]
        made["batch"] = row.pop(f"{name} batch")
        made["final_minus_batch"] = made["final"]["f1_5cm"] - made["batch"]["f1_5cm"]
        made["refined_minus_draft"] = made["refined"]["f1_5cm"] - made["draft"]["f1_5cm"]
    on_progress(Progress("memory", 0, 1))
    with _workers(1, quick) as pool:
        row["memory"] = pool.submit(memory, kit, minutes).result()
    return row


def _collected(jobs: Mapping[str, "Future[T]"], stage: str, on_progress: Report) -> dict[str, T]:
    found = {}
    for number, (name, job) in enumerate(jobs.items()):
        on_progress(Progress(stage, number, len(jobs)))
        found[name] = job.result()
    on_progress(Progress(stage, len(jobs), len(jobs)))
    return found


@contextmanager
def _workers(count: int, quick: bool) -> Iterator[Executor]:
    """Give processes of one thread each: what they do is not timed, or is alone in memory."""
    if quick:
        yield _Here()
        return
    context = multiprocessing.get_context("spawn")
    start = torch.set_num_threads
    with ProcessPoolExecutor(count, mp_context=context, initializer=start, initargs=(1,)) as pool:
        yield pool


class _Here(Executor):
    """Does everything at once, in this process: starting others takes longer than tiny jobs."""

    def submit(self, call: Callable[..., T], /, *args: Any, **kwargs: Any) -> "Future[T]":
        """Return a future that is done."""
        future: Future[T] = Future()
        future.set_result(call(*args, **kwargs))
        return future
