"""A whole scan without a window: what `scan` and `make demo` do."""

import json
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from app.build import make_fuser
from app.diagnostics import peak_rss_mb, version
from app.pipeline import ScanPipeline
from app.scan import ScanController
from engine.core.faults import BadInput, CannotWrite, Fault
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
) -> Outcome:
    """Scan a source to its end and write mesh.glb, preview.png and report.json into a folder.

    When `is_stopped` turns true, no more frames are read and what was read is finished. With
    `hold_out`, every so many frames one is left out of the scan and compared with a render of it.

    Raises:
        BadInput: the source cannot be fused, or nothing came of it.
        CannotWrite: the folder cannot hold the result.
    """
    _prepare(out)
    started = time.perf_counter()
    info = source.describe()
    pipeline = make_fuser(settings, info, with_texture, hold_out)
    controller = ScanController(source, lambda _: pipeline)
    try:
        frames_read, fused_s = _drive(controller, info, on_progress, is_stopped)
        surface = controller.result
        assert surface is not None
        mesh = surface.mesh if isinstance(surface, TexturedMesh) else surface
        seconds = {name: round(t.total_s, 3) for name, t in pipeline.meters.timings().items()}
        with _timed(seconds, "export"):
            run_job(export(surface, out / "mesh.glb"), on_progress, lambda: False)
        on_progress(Progress("preview", 0, 1))
        with _timed(seconds, "preview"):
            _write_preview(surface, pipeline, out / "preview.png")
        on_progress(Progress("metrics", 0, 1))
        with _timed(seconds, "metrics"):
            metrics = _metrics(source, surface, settings, pipeline.withheld)
        seconds["total"] = round(time.perf_counter() - started, 3)
        report: dict[str, Any] = {
            "source": _source_row(info, source, controller.failure),
            "frames_read": frames_read,
            "frames_used": pipeline.frames_used,
            "keyframes": len(pipeline.album.photos()),
            "surface_m2": round(mesh.area_m2(), 3),
            "faces": len(mesh.faces),
            "size_m": [round(float(e), 3) for e in np.ptp(mesh.vertices, axis=0)],
            "seconds": seconds,
            "frames_per_second": round(frames_read / max(fused_s, 1e-9), 2),
            "peak_rss_mb": round(peak_rss_mb(), 1),
            "volume": {
                "bricks": pipeline.volume.pool.resident,
                "bricks_on_disk": pipeline.volume.pool.spilled,
                "memory_mb": round(pipeline.volume.used_mb, 1),
            },
            "metrics": metrics,
            "settings": settings.model_dump(),
            "version": version(),
        }
        (out / "report.json").write_text(json.dumps(report, indent=2) + "\n")
        return Outcome(surface, report, out)
    finally:
        controller.abort()
        pipeline.close()


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
        out.mkdir(parents=True, exist_ok=True)
        (out / ".finescan").touch()
        (out / ".finescan").unlink()
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


def _drive(
    controller: ScanController,
    info: SourceInfo,
    on_progress: Callable[[Progress], object],
    is_stopped: Callable[[], bool],
) -> tuple[int, float]:
    """Run the scan to its end; return the frames read, and the seconds reading and fusing took."""
    started = time.perf_counter()
    frames_read, fused_s = 0, 0.0
    controller.start()
    while True:
        news = controller.poll()
        if news.stats is not None:
            frames_read, fused_s = news.stats.frames_read, time.perf_counter() - started
            on_progress(Progress("scan", frames_read, info.frame_count or 0))
        if news.progress is not None:
            on_progress(news.progress)
        if news.state is ScanState.DONE:
            return frames_read, fused_s
        if news.state is ScanState.FAILED and controller.failure is not None:
            raise controller.failure
        if news.state is ScanState.PAUSED:
            # The source broke off. What it gave is kept and finished; the report says so.
            on_progress(Progress("source failed", frames_read, info.frame_count or 0))
            if frames_read == 0 and controller.failure is not None:
                raise controller.failure
            controller.finish()
        if is_stopped() and news.state is ScanState.SCANNING:
            controller.finish()
        time.sleep(POLL_S)


def _write_preview(surface: Mesh | TexturedMesh, pipeline: ScanPipeline, path: Path) -> None:

    picture = preview(surface, pipeline.album.photos())
    good, data = cv2.imencode(".png", picture[..., ::-1])
    if not good:
        raise BadInput("The preview could not be encoded.")
    try:
        path.write_bytes(data.tobytes())
    except OSError as error:
        raise CannotWrite(f"The preview could not be written ({error.strerror}).") from error


def _metrics(
    source: FrameSource,
    surface: Mesh | TexturedMesh,
    settings: Settings,
    withheld: Sequence[Photo],
) -> dict[str, Any]:
    """Return scores where something true is known: a synthetic world, or pictures held out."""
    if isinstance(source, SyntheticSource):
        return synthetic_scores(surface, source, max_m=settings.depth.max_m).as_json()
    return compare_renders(surface, withheld).as_json() if withheld else {}


def _source_row(info: SourceInfo, source: FrameSource, failure: Fault | None) -> dict[str, Any]:
    return {
        "name": info.name,
        "layout": info.layout,
        "convention": info.convention,
        "notes": list(info.notes),
        "warnings": list(info.warnings),
        "skipped": dict(source.skipped),
        "broke_off": None if failure is None else str(failure),
    }
