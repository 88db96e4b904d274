"""Folders of `images/`, `depth/`, `K.txt` and `poses.txt`: line i belongs to picture i by name."""

from functools import partial
from pathlib import Path

from engine.core.faults import BadInput
from engine.sources import images, numbers
from engine.sources.raw import Convention, RawFrame, RawRecording

_UNIT_M = 0.001


def sniff(path: Path) -> bool:
    """Return whether a folder has pictures, depth, one camera matrix and one table of poses."""
    return (
        (path / "images").is_dir() and (path / "K.txt").is_file() and (path / "poses.txt").is_file()
    )


def read(path: Path) -> RawRecording:
    """Return the recording of such a folder; colour and depth are registered, world y up.

    Raises:
        BadInput: no picture, or another number of poses than of pictures.
    """
    pictures = numbers.pictures_in(path / "images", ".png", ".jpg", ".jpeg")
    if not pictures:
        raise BadInput(
            f"The folder {path / 'images'} holds no picture.", "Copy the whole recording."
        )
    rows = numbers.read_table(path / "poses.txt")
    if rows.shape != (len(pictures), 16):
        raise BadInput(
            f"The file poses.txt holds {len(rows)} rows of {rows.shape[1]} numbers for "
            f"{len(pictures)} pictures.",
            "It needs one row of 16 numbers a picture.",
        )
    camera = numbers.read_camera(path / "K.txt", images.first_size(pictures))
    frames = []
    for order, (picture, row) in enumerate(zip(pictures, rows, strict=True)):
        depth = path / "depth" / f"{picture.stem}.png"
        number = numbers.number_in(picture.stem)
        frames.append(
            RawFrame(
                t_ns=order if number is None else number,
                name=picture.stem,
                pose=row.reshape(4, 4),
                color=partial(images.read_color, picture),
                depth=partial(images.read_depth_png, depth, _UNIT_M) if depth.is_file() else None,
                color_camera=camera,
            )
        )
    return RawRecording(
        name=path.resolve().name,
        layout="hololens",
        frames=tuple(frames),
        declared=Convention("c2w", "cv"),
        up_source=(0.0, 1.0, 0.0),
    )
