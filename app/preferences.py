"""What the user chose, on disk: settings, look, where scans go."""

import json
import logging
import os
import threading
from pathlib import Path
from typing import Any, Literal

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.files import write_whole
from app.options import checked
from engine.core.settings import Detail
from ui.ports import Value

HOME_VARIABLE = "FINESCAN_HOME"
FILE_NAME = "preferences.json"
VERSION = 1

log = logging.getLogger(__name__)


class Preferences(BaseModel):
    """How the program itself looks and behaves, for one user.

    Attributes:
        version: of the file.
        preset: name of the preset the settings started from, None for the usual one.
        values: settings that differ from that preset, by path such as "volume.voxel_m".
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    version: Literal[1] = 1
    preset: Detail | None = None
    values: dict[str, Value] = {}
    theme: Literal["system", "dark", "light"] = Field(
        "system",
        title="Colours",
        description="Dark, light, or whichever the rest of the computer uses.",
        json_schema_extra={"is_plain": True, "choices": {"system": "As the computer"}},
    )
    text_scale: float = Field(
        1.0,
        ge=1.0,
        le=2.0,
        title="Size of text",
        description="1 is as large as the rest of the computer has it, 2 twice that.",
        json_schema_extra={"is_plain": True},
    )
    sound: bool = Field(
        False,
        title="Sound when tracking is lost",
        description="While walking, the eyes are on the camera and not on the screen.",
        json_schema_extra={"is_plain": True},
    )
    scans_folder: str = Field(
        "",
        title="Folder for scans",
        description="Empty for the folder Finescan in your home folder. Scans that lie elsewhere "
        "are not moved.",
        json_schema_extra={"is_plain": True},
    )
    last_folder: str = ""


class PreferencesFile:
    """The preferences in a folder; any thread may read and change them.

    A file that is broken, or of a newer program, counts as if it were not there; it is kept aside
    and `note` says so.
    """

    def __init__(self, folder: Path) -> None:
        """Read what is there; nothing is written."""
        self.path = folder / FILE_NAME
        self.note = ""
        self._lock = threading.Lock()
        self._now = self._read()

    @property
    def now(self) -> Preferences:
        """What holds now."""
        return self._now

    def change(self, **changes: Any) -> Preferences:
        """Keep some changes on disk and return what holds now.

        Raises:
            BadInput: an unknown name or a value that is not allowed; nothing changes.
            CannotWrite: disk full or no permission; nothing changes.
        """
        with self._lock:
            changed = checked(Preferences, self._now.model_dump() | changes)
            write_whole(self.path, changed.model_dump_json(indent=1).encode())
            self._now = changed
            return changed

    def _read(self) -> Preferences:
        try:
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return Preferences()
        except (OSError, UnicodeDecodeError) as error:
            return self._set_aside(f"it cannot be read ({error})")
        try:
            version = json.loads(text).get("version")
        except (ValueError, AttributeError, RecursionError):
            return self._set_aside("it is damaged")
        if version != VERSION:
            return self._set_aside(f"it is of version {version!r} and this program knows {VERSION}")
        try:
            return Preferences.model_validate_json(text)
        except ValidationError as error:
            where = ".".join(str(part) for part in error.errors()[0]["loc"])
            return self._set_aside(f"its entry {where} cannot be used")

    def _set_aside(self, reason: str) -> Preferences:
        self.note = f"The preferences in {self.path} were not used, since {reason}."
        number = 1
        while (aside := self.path.with_name(f"{FILE_NAME}.kept-{number}")).exists():
            number += 1
        try:
            self.path.replace(aside)
            self.note += f" The file is kept as {aside.name}."
        except OSError as error:
            self.note += f" It could not be set aside ({error.strerror})."
        log.warning(self.note)
        return Preferences()


def config_folder() -> Path:
    """Return where preferences lie: FINESCAN_HOME, or where the system keeps such files."""
    return _home() or platformdirs.user_config_path("finescan", appauthor=False)


def scans_folder(preferences: Preferences) -> Path:
    """Return where scans go: the folder chosen, or `scans` in FINESCAN_HOME, or ~/Finescan."""
    if preferences.scans_folder:
        return Path(preferences.scans_folder).expanduser().absolute()
    home = _home()
    return Path.home() / "Finescan" if home is None else home / "scans"


def _home() -> Path | None:
    chosen = os.environ.get(HOME_VARIABLE)
    return Path(chosen).expanduser().absolute() if chosen else None
