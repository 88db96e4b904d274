"""Small files, whole or not at all."""

import tempfile
from pathlib import Path

from engine.core.faults import CannotWrite


def write_whole(path: Path, content: bytes) -> None:
    """Put a file in place in one step; missing folders are made, a failure leaves the old one.

    Raises:
        CannotWrite: disk full, no permission, or something in the way.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".finescan-") as folder:
            draft = Path(folder) / "draft"
            draft.write_bytes(content)
            draft.replace(path)
    except OSError as error:
        raise CannotWrite(
            f"{path} cannot be written ({error.strerror or error}).", "Name another place."
        ) from error
