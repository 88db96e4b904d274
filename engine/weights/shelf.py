"""Where weights lie on disk: one folder for each name."""

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from engine.core.faults import BadInput, CannotWrite
from engine.core.news import Job, Progress

WEIGHTS = "weights.safetensors"
RECORD = "record.json"
PIECE_BYTES = 4 * 2**20


class Record(BaseModel):
    """What is known of installed weights.

    Attributes:
        network: the network class.
        sha256: of the installed file.
        bytes: size of the installed file.
        source: file or address it was made from.
        source_sha256: of that file.
        licence: name of the licence, "" when not known.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    network: str
    sha256: str
    bytes: int
    source: str
    source_sha256: str
    licence: str = ""


@dataclass(frozen=True, slots=True)
class Shelf:
    """The folder of installed weights: `NAME/weights.safetensors` and `NAME/record.json`."""

    folder: Path

    def weights(self, name: str) -> Path:
        """Return where the weights of that name lie or would lie."""
        return self.folder / name / WEIGHTS

    def download(self, name: str, file_name: str) -> Path:
        """Return where the original of that name is kept while it is fetched."""
        return self.folder / name / file_name

    def names(self) -> list[str]:
        """Return the names that have a record, in order."""
        if not self.folder.is_dir():
            return []
        return sorted(path.parent.name for path in self.folder.glob(f"*/{RECORD}"))

    def record(self, name: str) -> Record | None:
        """Return what is known of installed weights, None when they are not installed.

        Raises:
            BadInput: the record cannot be read.
        """
        path = self.folder / name / RECORD
        if not path.exists():
            return None
        try:
            return Record.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            raise BadInput(
                f"The record of the weights {name} ({path}) is damaged.", "Import them again."
            ) from error

    def write_record(self, name: str, record: Record) -> None:
        """Keep the record, whole or not at all.

        Raises:
            CannotWrite: no room or no permission.
        """
        path = self.folder / name / RECORD
        draft = path.with_suffix(".draft")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            draft.write_text(record.model_dump_json(indent=2) + "\n", encoding="utf-8")
            draft.replace(path)
        except OSError as error:
            raise CannotWrite(f"Nothing can be written to {path} ({error.strerror}).") from error


def need_space(folder: Path, needed_bytes: int) -> None:
    """Check that the disk of a folder, which need not exist yet, has room.

    Raises:
        CannotWrite: it has not.
    """
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if free < needed_bytes:
        raise CannotWrite(
            f"The disk of {folder} has {free / 2**20:.0f} MB free; "
            f"{needed_bytes / 2**20:.0f} MB are needed.",
            "Make room, or set FINESCAN_WEIGHTS to a folder on another disk.",
        )


def sha256_of(path: Path, stage: str) -> Job[str]:
    """Return the SHA-256 of a file in hexadecimal, telling how many megabytes are done.

    Raises:
        BadInput: it cannot be read.
    """
    digest = hashlib.sha256()
    total = 0
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            while piece := file.read(PIECE_BYTES):
                digest.update(piece)
                total += len(piece)
                yield Progress(stage, total >> 20, size >> 20)
    except OSError as error:
        raise BadInput(f"The file {path} cannot be read ({error.strerror}).") from error
    return digest.hexdigest()
