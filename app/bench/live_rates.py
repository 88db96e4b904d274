"""How soon and how often: every set by the clock of a camera and as fast as it is taken."""

from functools import partial

from app.bench.live_drive import Run, driven
from app.bench.live_kit import Figures, Kit, Report
from app.method import DepthName
from app.scan import ScanController
from engine.core.news import Progress

WARM_UP_FRAMES = 12
# After the last frame the camera stands still until so many chunks were refined in all.
CHUNKS, REST_S = 6, 20.0
MAIN = "walk40"


def rates(kit: Kit, names: list[str], on_progress: Report) -> Figures:
    """Return figures by set and mode.

    `real_time`: frames of 30 Hz that wait for nobody, refinement in the background; `fast`: every
    frame waits until it is taken, drafts alone. `learned`, on one set: colour alone, likewise.
    """
    warm_up(kit, names[0])
    row: Figures = {"sets": {}}
    for name in names:
        row["sets"][name] = _both(kit, name, "sensor", on_progress)
    row["learned"] = _both(kit, MAIN, "learned", on_progress)
    return row


def warm_up(kit: Kit, name: str) -> None:
    """Have every kernel compiled and every network run: that belongs to nobody's frame."""
    depths: tuple[DepthName, ...] = ("sensor", "learned")
    for depth in depths:
        play = {"stop": WARM_UP_FRAMES, "with_depth": depth == "sensor"}
        with driven(kit.source(name, **play), kit.maker(depth)):
            pass


def _both(kit: Kit, name: str, depth: DepthName, on_progress: Report) -> Figures:
    play = {"with_depth": depth == "sensor"}
    sources = {
        "real_time": kit.camera(name, rest_s=REST_S, **play),
        "fast": kit.source(name, **play),
    }
    row: Figures = {}
    for mode, source in sources.items():
        show = partial(_show, on_progress, f"{name} {depth} {mode.replace('_', ' ')}", len(source))
        refines = mode == "real_time"
        with driven(source, kit.maker(depth), refines=refines, on_frame=show, act=_leave) as run:
            row[mode] = run.figures()
    return row


def _leave(controller: ScanController, run: Run) -> None:
    if len(run.log.chunk_ms) >= CHUNKS:
        run.source.leave()


def _show(on_progress: Report, stage: str, total: int, done: int) -> None:
    on_progress(Progress(stage, done, total))
