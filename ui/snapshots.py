"""Pictures of the screen on disk."""

from datetime import datetime
from pathlib import Path

from PySide6.QtGui import QImage


def save_picture(picture: QImage, name: str, folder: Path) -> Path:
    """Write a PNG named after the moment, never over another, and return where it is.

    Raises:
        OSError: the folder cannot be made, or the picture not be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    moment = datetime.now().astimezone().strftime("%Y-%m-%d-%H%M%S")
    path, number = folder / f"{name}-{moment}.png", 1
    while path.exists():
        number += 1
        path = folder / f"{name}-{moment}-{number}.png"
    if not picture.save(str(path)):
        raise OSError(f"{path} was not written")
    return path
