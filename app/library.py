"""The folder of the user's scans: what is in it, what goes into it, what leaves it.

One folder a scan, directly inside:

    scan.json        what it is called, what it was made from and how
    mesh.glb         the finished surface; missing while there is none
    thumbnail.png    a small picture of it
    manifest.json, journal.jsonl, ...    frames, when it came from a camera (engine/archive)
"""

import datetime
import shutil
import tempfile
from collections.abc import Collection
from pathlib import Path

import cv2

from app.diagnostics import VERSION
from app.files import write_whole
from app.in_use import is_held_elsewhere
from app.library_card import card_of
from app.library_note import MESH, NOTE, THUMBNAIL, ScanNote, is_scan
from engine.core.faults import BadInput, CannotWrite
from engine.core.news import Job, Progress
from engine.core.surface import Mesh, TexturedMesh
from engine.evaluation.preview import overview
from engine.export.write import export
from ui.ports import ScanCard

THUMBNAIL_PX = (320, 200)
# A mesh with its texture takes tens of megabytes, a minute of recorded frames hundreds.
NEEDED_MB = 200
LONGEST_NAME = 40
GOING = ".deleted-"
STEPS = 3


class Library:
    """The scans of one folder, which need not exist yet."""

    def __init__(self, root: Path) -> None:
        """Look at nothing yet."""
        self.root = root

    def new_folder(self, title: str) -> Path:
        """Return a new empty folder for a scan, named after the day and the title.

        Raises:
            CannotWrite: no permission, or too little room for a scan.
        """
        letters = "".join(c if c.isalnum() else " " for c in title)
        slug = "-".join(letters.split())[:LONGEST_NAME].strip("-")
        name = f"{datetime.date.today().isoformat()}-{slug or 'scan'}"
        number = 1
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            self.need_room()
            while True:
                folder = self.root / (name if number == 1 else f"{name}-{number}")
                try:
                    folder.mkdir()
                except FileExistsError:
                    number += 1
                else:
                    return folder
        except OSError as error:
            raise CannotWrite(
                f"No scan can be kept in {self.root} ({error.strerror or error}).",
                "Choose another folder for scans in the settings.",
            ) from error

    def need_room(self) -> None:
        """Check that the disk has room for a scan; the folder need not exist yet.

        Raises:
            CannotWrite: it has not.
        """
        place = self.root
        while not place.exists():
            place = place.parent
        free_mb = shutil.disk_usage(place).free / 2**20
        if free_mb < NEEDED_MB:
            raise CannotWrite(
                f"Only {free_mb:.0f} MB are free in {self.root}; a scan needs {NEEDED_MB}.",
                "Make room, or choose another folder for scans in the settings.",
            )

    def begin(self, folder: Path, note: ScanNote) -> None:
        """Write down what the frames that are coming belong to.

        Raises:
            CannotWrite: disk full or no permission.
        """
        write_whole(folder / NOTE, note.model_dump_json(indent=1).encode())

    def keep(self, folder: Path, surface: Mesh | TexturedMesh, note: ScanNote) -> Job[None]:
        """Put the surface, its picture and its description into a scan's folder.

        They replace older ones together, once all of them are written and the mesh was read back;
        after a failure the older ones are as they were.

        Raises:
            BadInput: the surface is empty.
            CannotWrite: disk full or no permission.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder, prefix=".finescan-") as place:
                draft = Path(place)
                yield Progress("save", 0, STEPS)
                # Its own steps would make the bar start over.
                for _ in export(surface, draft / MESH):
                    yield Progress("save", 0, STEPS)
                yield Progress("save", 1, STEPS)
                _write_thumbnail(surface, draft / THUMBNAIL)
                yield Progress("save", 2, STEPS)
                told = note.finished(surface, VERSION)
                (draft / NOTE).write_text(told.model_dump_json(indent=1), encoding="utf-8")
                for name in (THUMBNAIL, NOTE, MESH):
                    (draft / name).replace(folder / name)
        except OSError as error:
            raise CannotWrite(
                f"The scan cannot be saved to {folder} ({error.strerror or error}).",
                "Make room, or export it to another place; it is still open.",
            ) from error
        yield Progress("save", STEPS, STEPS)

    def cards(self, busy: Collection[Path] = ()) -> Job[tuple[ScanCard, ...]]:
        """Return what is in the folder, newest first, without the scans that are being made.

        Those are the `busy` ones, and what another process works on.

        Folders that are no scans of ours are passed over.

        Raises:
            BadInput: the folder cannot be read.
        """
        try:
            folders = [f for f in self.root.iterdir() if is_scan(f)] if self.root.is_dir() else []
        except OSError as error:
            raise BadInput(
                f"The folder of scans {self.root} cannot be read ({error.strerror}).",
                "Choose another in the settings.",
            ) from error
        cards = []
        for number, folder in enumerate(folders):
            yield Progress("Looking through your scans", number, len(folders))
            if folder not in busy:
                card = card_of(folder)
                if card.state == "finished" or not is_held_elsewhere(folder):
                    cards.append(card)
        return tuple(sorted(cards, key=lambda card: card.changed_s, reverse=True))

    def scan_at(self, spec: str) -> Path | None:
        """Return the folder if this text names a scan of this library, else None."""
        try:
            path = Path(spec).expanduser()
            return self.root / path.name if self._holds(path) else None
        except (OSError, RuntimeError, ValueError):
            # No path at all, such as the name of a camera.
            return None

    def delete(self, path: Path, busy: Collection[Path] = ()) -> None:
        """Delete a scan for good; links in it are removed, what they lead to stays.

        Raises:
            BadInput: not a scan of this library, or one that is open.
            CannotWrite: no permission.
        """
        if not self._holds(path):
            raise BadInput(
                f"{path} is not a scan in {self.root}, so it was not deleted.",
                "Delete it with your file manager.",
            )
        if self.root / path.name in busy:
            raise BadInput(
                f"The scan {path.name} is open, so it was not deleted.", "Close it first."
            )
        if is_held_elsewhere(self.root / path.name):
            raise BadInput(
                f"Another window of Finescan works on {path.name}, so it was not deleted.",
                "Close that window first.",
            )
        try:
            # Gone at once, even when removing the files is cut short; the next deletion ends that.
            path.rename(self._free(path.name))
            for going in self.root.glob(f"{GOING}*"):
                shutil.rmtree(going)
        except OSError as error:
            raise CannotWrite(
                f"The scan {path.name} cannot be deleted ({error.strerror or error}).",
                "Check whether another program has it open.",
            ) from error

    def _holds(self, path: Path) -> bool:
        is_inside = path.absolute().parent.resolve() == self.root.resolve()
        return is_inside and path.name not in ("", "..") and is_scan(path)

    def _free(self, name: str) -> Path:
        number = 1
        while (place := self.root / f"{GOING}{name}-{number}").exists():
            number += 1
        return place


def _write_thumbnail(surface: Mesh | TexturedMesh, path: Path) -> None:
    picture = overview(surface, *THUMBNAIL_PX)
    encoded = cv2.imencode(".png", picture[..., ::-1])[1]
    path.write_bytes(encoded.tobytes())
