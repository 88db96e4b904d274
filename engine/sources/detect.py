"""Names the format of a path and opens it.

Readers are imported only when asked, so that one missing library never breaks the others.
"""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from engine.core.faults import BadInput, MissingPart
from engine.sources.base import FrameSource
from engine.sources.recording import Recording

SYNTHETIC = "synthetic"
_WRAPPINGS = 3


class Layout(NamedTuple):
    """A format: its name, the module that sniffs and reads it, and what it is known by."""

    name: str
    module: str
    looks_like: str


# The most telling first: a folder may look like a general layout and be a special one.
LAYOUTS = (
    Layout("finescan", "replay", "manifest.json of our own scans"),
    Layout("record3d", "record3d", "a .r3d file, or metadata.json beside EXR_RGBD/ or rgbd/"),
    Layout("stray-scanner", "stray", "odometry.csv and rgb.mp4"),
    Layout("ios-logger", "ios_logger", "ARposes.txt, Frames.txt and Frames.m4v"),
    Layout("polycam", "polycam", "keyframes/cameras/ or keyframes/corrected_cameras/"),
    Layout("arkitscenes", "arkitscenes", "lowres_wide/ and lowres_wide.traj"),
    Layout("7-scenes", "seven_scenes", "frame-000000.pose.txt and its pictures"),
    Layout("tum", "tum", "rgb.txt, depth.txt and groundtruth.txt"),
    Layout("open3d", "open3d_folder", "color/, depth/ and camera_intrinsic.json"),
    Layout("scannet", "scannet", "color/, depth/, pose/ and intrinsic/"),
    Layout("hololens", "hololens", "images/, depth/, K.txt and poses.txt"),
    Layout("nerfstudio", "nerfstudio", "transforms.json"),
)


def detect(spec: str) -> str:
    """Return the name of the format a path or `synthetic:` specification has.

    Raises:
        BadInput: nothing there, an empty folder, or no known format.
    """
    return SYNTHETIC if _is_synthetic(spec) else _find(_existing(spec))[0].name


def open_source(spec: str) -> FrameSource:
    """Return an opened source of frames; close it, or use it as a context manager.

    Raises:
        BadInput: nothing there, no known format, or a recording that cannot be used.
        MissingPart: the format needs a library that is not installed.
    """
    if _is_synthetic(spec):
        made_up = _load(SYNTHETIC)
        source: FrameSource = made_up.SyntheticSource(spec)
        if made_up.parse_spec(spec).is_live:
            source = _load("synthetic_live").LiveSynthetic(source)
        return source
    layout, path = _find(_existing(spec))
    return Recording(_load(layout.module).read(path))


def _is_synthetic(spec: str) -> bool:
    return spec.startswith(f"{SYNTHETIC}:")


def _existing(spec: str) -> Path:
    if not spec.strip():
        raise BadInput("No recording is named.", "Name a folder, an archive or synthetic:room.")
    try:
        path = Path(spec).expanduser()
        if not path.exists():
            raise BadInput(f"There is nothing at {spec}.", "Check the path for typing errors.")
        if path.is_dir() and not any(path.iterdir()):
            raise BadInput(f"The folder {spec} is empty.", "Choose the folder of a recording.")
    except (OSError, RuntimeError) as error:
        # A name too long, no permission, the home of an unknown user.
        reason = str(getattr(error, "strerror", None) or error).rstrip(".")
        raise BadInput(f"{spec[:200]} cannot be opened: {reason}.", "Check the path.") from error
    return path


def _find(path: Path) -> tuple[Layout, Path]:
    """Return the layout, and the path that has it: downloads often wrap a folder in a folder."""
    missing: list[str] = []
    for inner in _unwrapped(path):
        for layout in LAYOUTS:
            try:
                reader = _load(layout.module)
            except MissingPart as fault:
                missing.append(fault.says)
                continue
            if reader.sniff(inner):
                return layout, inner
    wanted = "; ".join(f"{layout.name} ({layout.looks_like})" for layout in LAYOUTS)
    raise BadInput(
        f"The recording format of {path} is not known.",
        " ".join([f"Looked for: {wanted}.", *dict.fromkeys(missing)]),
    )


def _unwrapped(path: Path) -> Iterator[Path]:
    """Yield a path, then what a folder holds as its only content, a few levels down."""
    for _ in range(_WRAPPINGS):
        yield path
        if not path.is_dir():
            return
        inside = [child for child in path.iterdir() if not child.name.startswith(".")]
        if len(inside) != 1:
            return
        path = inside[0]


def _load(module: str) -> Any:
    try:
        return import_module(f"engine.sources.{module}")
    except ImportError as error:
        raise MissingPart(
            f"The reader '{module}' needs a library that is not installed ({error.name})."
        ) from error
