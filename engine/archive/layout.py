"""What lies in the folder of a scan, and in each line of its journal.

    manifest.json      what the scan is, and how its pictures are written; replaced atomically
    journal.jsonl      one line a frame, in the order they came, and one for each time that poses
                       were corrected; only ever appended to
    color/000000.jpg   or .png
    depth/000000.png   16-bit grey, `depth_unit_m` a step, 0 unknown
    confidence/...png  8-bit grey, 255 is certain

Poses are camera-to-world, OpenCV axes, metres, +Z up, as everywhere in the program.
"""

import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from engine.core.camera import Intrinsics
from engine.core.faults import BadInput

FORMAT: Literal["finescan-scan"] = "finescan-scan"
# 2 added lines that correct poses; a scan without such lines is still written as 1.
VERSION = 2
MANIFEST = "manifest.json"
JOURNAL = "journal.jsonl"
COLOR_DIR = "color"
DEPTH_DIR = "depth"
CONFIDENCE_DIR = "confidence"

Matrix = Annotated[tuple[float, ...], Field(min_length=16, max_length=16)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Manifest(_Strict):
    """What a scan is. `frame_count` is known once the scan was closed in order.

    `version` is the oldest that can hold what the journal says, so that older programs read what
    they can understand and refuse the rest.
    """

    format: Literal["finescan-scan"] = FORMAT
    version: int = 1
    name: str
    created: str
    depth_unit_m: float = Field(ge=0.0001, le=0.001)
    color_suffix: Literal[".jpg", ".png"]
    is_metric: bool = True
    frame_count: int | None = None


class Camera(_Strict):
    """An ideal camera, pixel centres at one half."""

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float

    @staticmethod
    def of(intrinsics: Intrinsics) -> "Camera":
        """Return the record of an undistorted camera."""
        i = intrinsics
        return Camera(width=i.width, height=i.height, fx=i.fx, fy=i.fy, cx=i.cx, cy=i.cy)

    def intrinsics(self) -> Intrinsics:
        """Return the camera recorded."""
        return Intrinsics(self.width, self.height, self.fx, self.fy, self.cx, self.cy)


class Entry(_Strict):
    """One frame: file names within the folder, cameras, and poses as 16 numbers row by row."""

    index: int
    t_ns: int
    segment: int = 0
    color: str | None = None
    color_camera: Camera | None = None
    depth: str | None = None
    depth_camera: Camera | None = None
    confidence: str | None = None
    T_world_cam: Matrix | None = None
    T_cam_depth: Matrix | None = None


class Moved(_Strict):
    """Poses that earlier lines gave wrongly, by frame index; null takes a frame out of the scan."""

    moved: dict[int, Matrix | None]
    reason: str = ""


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Replace the manifest in one step, so that a reader sees the old one or the new one.

    Raises:
        OSError: it could not be written; the old one is untouched.
    """
    draft = folder / f"{MANIFEST}.part"
    draft.write_text(manifest.model_dump_json(indent=1), encoding="utf-8")
    draft.replace(folder / MANIFEST)


def read_manifest(folder: Path) -> Manifest:
    """Return a scan's manifest.

    Raises:
        BadInput: missing, damaged, or of a version this program does not know.
    """
    try:
        text = (folder / MANIFEST).read_text(encoding="utf-8")
        version = json.loads(text).get("version", 0)
    except FileNotFoundError:
        raise BadInput(f"The folder {folder.name} has no {MANIFEST}, so it is no scan.") from None
    except (OSError, ValueError, AttributeError) as error:
        raise BadInput(f"The {MANIFEST} of {folder.name} is damaged.") from error
    if version not in range(1, VERSION + 1):
        raise BadInput(
            f"The scan {folder.name} is of format version {version}; this program reads 1 to "
            f"{VERSION}.",
            "Open it with the version of the program that wrote it.",
        )
    try:
        return Manifest.model_validate_json(text)
    except ValidationError as error:
        raise BadInput(f"The {MANIFEST} of {folder.name} is damaged.") from error


def looks_like_scan(folder: Path) -> bool:
    """Return whether a folder has a manifest of ours, whatever its version."""
    try:
        return f'"{FORMAT}"' in (folder / MANIFEST).read_text(encoding="utf-8")[:200]
    except (OSError, UnicodeDecodeError):
        return False
