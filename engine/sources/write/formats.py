"""The layouts a recording can be written in."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

from engine.core.faults import BadInput
from engine.sources.write.datasets import Open3D, ScanNet, SevenScenes, Tum
from engine.sources.write.phones import ArkitScenes, IosLogger, Polycam, Stray
from engine.sources.write.record3d import ARCHIVE_NAME, Record3DArchive, Record3DExport
from engine.sources.write.scan import Scan
from engine.sources.write.transforms import NerfCapture, Nerfstudio
from engine.sources.write.writer import Writer

Need = Literal["colour", "poses", "depth", "metres"]


class Format(NamedTuple):
    """A layout a recording can be written in.

    Attributes:
        name: as people call it on the command line.
        writer: starts writing into an empty folder.
        needs: what a source must have for the layout to make sense.
        opens: the file inside the folder that is the recording, when the folder itself is not.
    """

    name: str
    writer: Callable[[Path], Writer]
    needs: tuple[Need, ...] = ("colour", "poses", "depth", "metres")
    opens: str = ""


FORMATS = (
    Format("archive", Scan, needs=()),
    Format("7-scenes", SevenScenes),
    Format("tum", Tum),
    Format("scannet", ScanNet),
    Format("open3d", Open3D),
    Format("stray-scanner", Stray),
    Format("record3d", Record3DExport),
    Format("record3d-r3d", Record3DArchive, opens=ARCHIVE_NAME),
    Format("ios-logger", IosLogger, needs=("colour", "poses", "metres")),
    Format("polycam", Polycam),
    Format("nerfcapture", NerfCapture),
    Format("nerfstudio", Nerfstudio, needs=("colour", "poses")),
    Format("arkitscenes", ArkitScenes),
)


def format_named(name: str) -> Format:
    """Return the layout of that name.

    Raises:
        BadInput: there is none.
    """
    for known in FORMATS:
        if known.name == name:
            return known
    raise BadInput(
        f"There is no recording format '{name}'.",
        f"Choose one of {', '.join(known.name for known in FORMATS)}.",
    )
