"""A whole scan without a window: what `scan` and `make demo` do."""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from app.build import FUSION, chosen_depth, chosen_method, make_fuser
from app.diagnostics import peak_rss_mb, version
from app.fuser import NotNow
from app.method import DepthName, Method
from app.offline import OfflineScan
from app.pipeline import ScanPipeline
from app.rows import as_json
from app.scan import ScanController
from app.tracks import LONGEST, chosen_track
from app.unit import with_unit
from engine.archive.journal import ArchiveWriter
from engine.core.faults import BadInput, Cancelled, CannotWrite, Fault, Severity
from engine.core.frames import Photo
from engine.core.news import Progress, ScanState
from engine.core.settings import Settings
from engine.core.surface import Mesh, TexturedMesh
from engine.evaluation.images import compare_renders
from engine.evaluation.preview import preview
from engine.evaluation.synthetic import synthetic_scores
from engine.export.write import export
from engine.runtime.progress import run_job
from engine.sources.base import FrameSource, SourceInfo
from engine.sources.synthetic import SyntheticSource

POLL_S = 0.02
# A scan needs room for its mesh, texture and preview; less than this and it would end in tears.
DISK_NEEDED_MB = 200
# Faults that cost a frame, not the scan.
PASSING = (Severity.IGNORE.value, Severity.DEGRADE.value)
STOPPED = "Stopped as asked before the end of the recording."


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a headless scan left behind."""

    surface: Mesh | TexturedMesh
    report: dict[str, Any]
    folder: Path


def scan(
    source: FrameSource,
    out: Path,
    settings: Settings,
    on_progress: Callable[[Progress], object],
    with_texture: bool = True,
    hold_out: int = 0,
    is_stopped: Callable[[], bool] = lambda: False,
    track: str = LONGEST,
    method: Method = FUSION,
    record: Path | None = None,
) -> Outcome:
    """Scan a source to its end and write mesh.glb, preview.png and report.json into a folder.

    When `is_stopped` turns true, no more frames are read and what was read is finished. With
    `hold_out`, every so many frames one is left out of the scan and compared with a render of it.
    Where the poses jump, one `track` is scanned: `longest`, a number counted from 1, or `all`. What
    is scanned can be kept in a folder to `record` into, as a recording of its own.

    The three files replace older ones together, at the very end; a scan that fails leaves the
    folder as it was.

    Raises:
        BadInput: the source cannot be fused, nothing came of it, or the folder to record into holds
            something.
        Cancelled: `is_stopped` turned true before there was a surface.
        CannotWrite: the folder cannot hold the result.
    """
    started = time.perf_counter()
    source = with_unit(chosen_track(source, track))
    info = source.describe()
    method = chosen_method(method, info)
    depth = chosen_depth(method, info)
    pipeline = make_fuser(settings, info, with_texture, hold_out, method, is_movable=False)
    _prepare(out)
    recorder = (
        None if record is None else ArchiveWriter(record, info.name, is_metric=info.is_metric)
    )
    controller = ScanController(source, lambda _: pipeline, recorder=recorder)
    try:
        drive = _drive(controller, info, on_progress, is_stopped)
        surface = controller.result
        assert surface is not None
        mesh = surface.mesh if isinstance(surface, TexturedMesh) else surface
        seconds = {name: round(t.total_s, 3) for name, t in pipeline.meters.timings().items()}
        with _replacing(out) as draft:
            with _timed(seconds, "export"):
                run_job(export(surface, draft / "mesh.glb"), on_progress, lambda: False)
            on_progress(Progress("preview", 0, 1))
            with _timed(seconds, "preview"):
                _write_preview(surface, pipeline, draft / "preview.png")
            on_progress(Progress("metrics", 0, 1))
            with _timed(seconds, "metrics"):
                metrics = _metrics(source, surface, settings, pipeline.withheld)
            seconds["total"] = round(time.perf_counter() - started, 3)
            report: dict[str, Any] = {
                "source": _source_row(info, source, drive, depth),
                "frames_read": drive.frames_read,
                "frames_used": pipeline.frames_used,
                "method": method.name,
                "depth": depth,
                "method_settings": method.model_dump(),
                "keyframes": len(pipeline.album.photos()),
                "surface_m2": round(mesh.area_m2(), 3),
                "faces": len(mesh.faces),
                "size_m": [round(float(e), 3) for e in np.ptp(mesh.vertices, axis=0)],
                "seconds": seconds,
                "frames_per_second": round(drive.frames_read / max(drive.seconds, 1e-9), 2),
                "peak_rss_mb": round(peak_rss_mb(), 1),
                **pipeline.details(),
                **({} if recorder is None else {"recorded": _recorded(recorder, controller)}),
                "metrics": metrics,
                "settings": settings.model_dump(),
                "version": version(),
            }
            (draft / "report.json").write_text(as_json(report))
        return Outcome(surface, report, out)
    finally:
        controller.abort()
        pipeline.close()


@contextmanager
def _replacing(out: Path) -> Iterator[Path]:
    """Give a folder to write into; its files move to `out` when all of them are there.

    Raises:
        CannotWrite: disk full, no permission, or something in the way.
    """
    try:
        with tempfile.TemporaryDirectory(dir=out, prefix=".finescan-") as draft:
            yield Path(draft)
            for file in sorted(Path(draft).iterdir()):
                file.replace(out / file.name)
    except OSError as error:
        raise CannotWrite(
            f"The result could not be written to {out} ({error.strerror or error}).",
            "Make room or name another folder with --out.",
        ) from error


class _timed:
    """Adds the seconds a block took to a table."""

    def __init__(self, table: dict[str, float], name: str) -> None:
        self._table, self._name = table, name

    def __enter__(self) -> None:
        self._start = time.perf_counter()

    def __exit__(self, *exception: object) -> None:
        self._table[self._name] = round(time.perf_counter() - self._start, 3)


def _prepare(out: Path) -> None:
    try:
        if out.is_file():
            raise BadInput(f"{out} is a file, not a folder.", "Name another with --out.")
        out.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryDirectory(dir=out, prefix=".finescan-").cleanup()
        free_mb = shutil.disk_usage(out).free / 2**20
    except OSError as error:
        raise CannotWrite(
            f"The folder {out} cannot be written ({error.strerror}).", "Name another with --out."
        ) from error
    if free_mb < DISK_NEEDED_MB:
        raise CannotWrite(
            f"Only {free_mb:.0f} MB are free where {out} lies; a scan needs {DISK_NEEDED_MB}.",
            "Free some space or name another folder with --out.",
        )


@dataclass(slots=True)
class _Drive:
    """How reading and fusing went."""

    frames_read: int = 0
    seconds: float = 0.0
    broke_off: str | None = None
    not_fused: int = 0
    complaints: list[str] = field(default_factory=list)


def _drive(
    controller: ScanController,
    info: SourceInfo,
    on_progress: Callable[[Progress], object],
    is_stopped: Callable[[], bool],
) -> _Drive:
    """Run the scan to its end, whatever ends it."""
    started = time.perf_counter()
    drive = _Drive()
    lost: Fault | None = None
    controller.start()
    while True:
        news = controller.poll()
        if news.stats is not None:
            drive.frames_read = news.stats.frames_read
            drive.seconds = time.perf_counter() - started
            on_progress(Progress("scan", drive.frames_read, info.frame_count or 0))
        for fault in news.faults:
            if fault.severity in PASSING and fault.says not in drive.complaints:
                drive.complaints.append(fault.says)
        if news.progress is not None:
            on_progress(news.progress)
        if news.state is ScanState.DONE:
            drive.not_fused = controller.last_stats.dropped
            return drive
        if news.state is ScanState.FAILED and controller.failure is not None:
            if drive.broke_off == STOPPED and isinstance(controller.failure, BadInput):
                raise Cancelled("Stopped before there was a surface.", "Nothing was written.")
            raise controller.failure if lost is None or drive.frames_read else lost
        if news.state is ScanState.PAUSED and controller.failure is not None:
            # The source broke off. What it gave is kept and finished, fused by now or still on
            # its way; the report says so.
            lost = controller.failure
            drive.broke_off = str(lost)
            controller.finish()
        if is_stopped() and news.state is ScanState.SCANNING and _finished(controller):
            drive.broke_off = STOPPED
        time.sleep(POLL_S)


def _finished(controller: ScanController) -> bool:
    """Return whether the scan was told to finish; it may have come to its end meanwhile."""
    try:
        controller.finish()
    except NotNow:
        return False
    return True


def _recorded(recorder: ArchiveWriter, controller: ScanController) -> dict[str, Any]:
    lost = sum(box.dropped for box in controller.last_stats.channels if box.name == "record")
    return {"folder": str(recorder.folder), "frames": recorder.frame_count, "dropped": lost}


def _write_preview(
    surface: Mesh | TexturedMesh, pipeline: ScanPipeline | OfflineScan, path: Path
) -> None:
    picture = preview(surface, pipeline.sights())
    good, data = cv2.imencode(".png", picture[..., ::-1])
    if not good:
        raise BadInput("The preview could not be encoded.")
    path.write_bytes(data.tobytes())


def _metrics(
    source: FrameSource,
    surface: Mesh | TexturedMesh,
    settings: Settings,
    withheld: Sequence[Photo],
) -> dict[str, Any]:
    """Return scores where something true is known: a synthetic world, or pictures held out.

    A surface that cannot be scored, since it lies where no camera looked, is kept all the same.
    """
    try:
        if isinstance(source, SyntheticSource):
            return synthetic_scores(surface, source, max_m=settings.depth.max_m).as_json()
        return compare_renders(surface, withheld).as_json() if withheld else {}
    except BadInput as fault:
        return {"not_scored": fault.says}


def _source_row(
    info: SourceInfo, source: FrameSource, drive: _Drive, depth: DepthName
) -> dict[str, Any]:
    skipped, warnings, notes = dict(source.skipped), list(info.warnings), list(info.notes)
    if depth != "sensor":
        notes.append(f"Depth was estimated from the photographs ({depth}).")
    complaints = list(drive.complaints)
    if drive.not_fused:
        skipped["could not be fused"] = drive.not_fused
        reason = complaints.pop(0) if complaints else ""
        warnings.append(f"{drive.not_fused} frames could not be fused. {reason}".strip())
    warnings += complaints
    return {
        "name": info.name,
        "layout": info.layout,
        "convention": info.convention,
        "notes": notes,
        "warnings": warnings,
        "skipped": skipped,
        "broke_off": drive.broke_off,
    }
