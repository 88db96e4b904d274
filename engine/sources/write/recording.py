"""Any source of frames to disk, in any layout."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path

from av.error import FFmpegError

from engine.core.faults import BadInput, CannotWrite
from engine.core.frames import Frame
from engine.core.news import Job, Progress
from engine.sources.base import FrameSource, SourceInfo
from engine.sources.write.formats import Format, format_named

# Below a microsecond a frame, time stamps are frame numbers; files then get a usual rate.
_CLOCK_NS = 1000
_FRAME_NS = 33_333_333


def write_recording(source: FrameSource, folder: Path, layout: str) -> Job[Path]:
    """Write a source's frames into a new folder, and return the path to open.

    The folder appears when it is complete; stopped or failed, nothing is left. Frames that lack
    what the layout needs are left out. Depth is registered to colour but in archives, and shrunk
    for phone layouts.

    Raises:
        BadInput: an unknown layout, a folder that is not empty, or a source that lacks what the
            layout needs.
        CannotWrite: no room or no permission.
    """
    known = format_named(layout)
    _check_fit(source.describe(), known)
    folder = folder.expanduser().absolute()
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise BadInput(f"{folder} exists already.", "Name a new or an empty folder.")
    draft = folder.with_name(f".{folder.name}.part")
    try:
        shutil.rmtree(draft, ignore_errors=True)
        # Inside, it has its final name already: some layouts write that down.
        (draft / folder.name).mkdir(parents=True)
        yield from _write(source, draft / folder.name, known)
        if folder.is_dir():
            folder.rmdir()
        (draft / folder.name).rename(folder)
    except (OSError, FFmpegError, CannotWrite) as error:
        # A journal that fails says what is safe in it; here the draft goes as a whole.
        cause = error.__cause__ if isinstance(error, CannotWrite) else error
        raise CannotWrite(
            f"The recording could not be written to {folder} "
            f"({getattr(cause, 'strerror', None) or error}).",
            "Make room or choose another folder.",
        ) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return folder / known.opens


def _write(source: FrameSource, folder: Path, known: Format) -> Job[None]:
    info = source.describe()
    total = info.frame_count or 0
    written = 0
    writer = known.writer(folder)
    try:
        writer.begin(info)
        for read, frame in enumerate(with_clock(source.frames())):
            yield Progress("writing", read, total)
            if "colour" in known.needs and frame.color is None:
                continue
            if "poses" in known.needs and frame.T_world_cam is None:
                continue
            writer.add(written, frame)
            written += 1
        if not written:
            raise BadInput(f"{info.name} has no frame that {known.name} can hold.")
        writer.finish()
    finally:
        writer.close()
    yield Progress("writing", total or written, total)


def _check_fit(info: SourceInfo, known: Format) -> None:
    has = {
        "colour": info.has_color,
        "poses": info.has_poses,
        "depth": info.has_depth,
        "metres": info.is_metric,
    }
    for need in known.needs:
        if not has[need]:
            raise BadInput(
                f"{info.name} has no {need}, which {known.name} needs.",
                "Choose another format; nerfstudio and archive need the least.",
            )


def with_clock(frames: Iterator[Frame]) -> Iterator[Frame]:
    """Yield frames with times in seconds even where the source only counts."""
    first = list(islice(frames, 2))
    counts = len(first) == 2 and first[1].t_ns - first[0].t_ns < _CLOCK_NS
    for frame in chain(first, frames):
        yield replace(frame, t_ns=frame.t_ns * _FRAME_NS) if counts else frame
