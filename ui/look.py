"""What the user chose about the window itself, remembered from start to start."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QApplication

from engine.core.news import FaultNews
from ui import theme
from ui.ports import StudioPort, Value
from ui.widgets.errand import Errand

THEMES = {"system": "As the &desktop", "dark": "&Dark", "light": "&Light"}
TEXT_SCALES = (1.0, 1.25, 1.5, 1.75, 2.0)
THEME, TEXT_SCALE, SOUND, LAST_FOLDER = "theme", "text_scale", "sound", "last_folder"


class Look(QObject):
    """Dresses the application as the user chose, and keeps what is chosen.

    `changed` tells that something else is chosen now.
    """

    changed = Signal()

    def __init__(
        self, studio: StudioPort, fails: Callable[[FaultNews], object], parent: QObject
    ) -> None:
        """Follow the desktop until `refresh` has heard what the user wants."""
        super().__init__(parent)
        self._studio = studio
        self._fails = fails
        self._chosen: dict[str, Any] = {
            THEME: theme.SYSTEM,
            TEXT_SCALE: 1.0,
            SOUND: False,
            LAST_FOLDER: "",
        }
        self._asked: list[set[str]] = []
        self._keeping: set[str] = set()
        hints = QApplication.styleHints()
        hints.colorSchemeChanged.connect(self._desktop_changed)

    @property
    def theme_name(self) -> str:
        """What was chosen: "system", "dark" or "light"."""
        return str(self._chosen[THEME])

    @property
    def text_scale(self) -> float:
        """How much larger than usual text is, beside what the desktop wants."""
        return float(self._chosen[TEXT_SCALE])

    @property
    def sound(self) -> bool:
        """Whether the user wants to hear when tracking is lost."""
        return bool(self._chosen[SOUND])

    def refresh(self) -> None:
        """Ask what the user chose, in earlier sessions or on the settings page, and do so."""
        # What is chosen while the answer is on its way is newer than the answer.
        newer: set[str] = set()
        self._asked.append(newer)

        def take(kept: dict[str, Value] | None) -> None:
            self._asked[:] = [other for other in self._asked if other is not newer]
            held = newer | self._keeping
            self._take({name: v for name, v in (kept or {}).items() if name not in held})

        errand = Errand(self._studio.preferences(), self)
        errand.done.connect(take)
        errand.failed.connect(self._fails)

    def choose_theme(self, name: str) -> None:
        """Show these colours from now on."""
        self._choose(THEME, name)

    def step_text(self, by: int) -> None:
        """Make text larger or smaller by so many steps; 0 makes it as usual."""
        at = min(range(len(TEXT_SCALES)), key=lambda i: abs(TEXT_SCALES[i] - self.text_scale))
        to = max(0, min(at + by, len(TEXT_SCALES) - 1)) if by else 0
        self._choose(TEXT_SCALE, TEXT_SCALES[to])

    def choose_sound(self, wanted: bool) -> None:
        """Make a sound from the next scan on, or none."""
        self._choose(SOUND, wanted)

    @property
    def last_folder(self) -> Path:
        """Where a recording was opened last; the home folder if that is not known or gone."""
        kept = Path(self._chosen[LAST_FOLDER] or Path.home())
        return kept if kept.is_dir() else Path.home()

    def choose_folder(self, folder: Path) -> None:
        """Begin to look for recordings here from now on."""
        self._choose(LAST_FOLDER, str(folder))

    def _choose(self, name: str, value: Value) -> None:
        if self._chosen[name] == value:
            return
        for newer in self._asked:
            newer.add(name)
        self._keeping.add(name)
        errand = Errand(self._studio.set_preference(name, value), self)
        errand.done.connect(lambda _: self._keeping.discard(name))
        errand.failed.connect(lambda _: self._keeping.discard(name))
        errand.failed.connect(self._fails)
        self._take({name: value})

    def _take(self, preferences: dict[str, Value]) -> None:
        known = {name: value for name, value in preferences.items() if name in self._chosen}
        changed = {name for name, value in known.items() if self._chosen[name] != value}
        self._chosen |= known
        if changed & {THEME, TEXT_SCALE}:
            self._dress()
        if changed:
            self.changed.emit()

    def _desktop_changed(self) -> None:
        if self.theme_name == theme.SYSTEM:
            self._dress()

    def _dress(self) -> None:
        application = QApplication.instance()
        assert isinstance(application, QApplication)
        theme.apply(application, self.theme_name, self.text_scale)
