"""What the user chose, kept on disk, as settings and as a form."""

import logging
import os
import threading
from dataclasses import replace
from typing import get_args

import psutil
import torch

from app.forms import Chosen, Machine, changed, differing, form
from app.method import Method
from app.preferences import Preferences, PreferencesFile
from engine.core.faults import BadInput
from engine.core.settings import Detail, Settings, preset
from ui.ports import SettingForm, Value

# What the window itself asks for and changes.
WINDOW_NAMES = ("theme", "text_scale", "sound", "last_folder")

log = logging.getLogger(__name__)


class Choices:
    """Settings and method of the next scan; any thread may ask and change."""

    def __init__(self, file: PreferencesFile, usual: Settings) -> None:
        """Use what the file says; `usual` are the settings of those who took no preset."""
        self._file = file
        self._usual = usual
        self._lock = threading.Lock()

    @property
    def preferences(self) -> Preferences:
        """How the program behaves."""
        return self._file.now

    def now(self) -> Chosen:
        """Return what is chosen; kept values that no longer fit are left out and logged."""
        kept = self._file.now
        chosen = self._from_preset(kept)
        for path, value in kept.values.items():
            try:
                chosen = changed(chosen, {path: value})
            except BadInput as fault:
                log.warning("A kept setting is not used: %s", fault.says)
        return chosen

    def form(self) -> SettingForm:
        """Return everything that can be chosen."""
        usual = replace(self._from_preset(self._file.now), preferences=Preferences())
        return form(self.now(), usual, machine())

    def change(self, values: dict[str, Value]) -> SettingForm:
        """Change settings by path, all or none, and keep them.

        Raises:
            BadInput: no such setting, or a value that is not allowed.
            CannotWrite: they cannot be kept.
        """
        with self._lock:
            now = changed(self.now(), values)
            differs = differing(now, self._from_preset(self._file.now))
            self._file.change(**now.preferences.model_dump() | {"values": differs})
        return self.form()

    def use_preset(self, name: str) -> SettingForm:
        """Take over a preset and keep it; the method stays as it is.

        Raises:
            BadInput: no such preset.
            CannotWrite: it cannot be kept.
        """
        if name not in get_args(Detail):
            raise BadInput(f"There is no preset {name!r}.", f"Use {', '.join(get_args(Detail))}.")
        with self._lock:
            values = self._file.now.values
            kept = {path: v for path, v in values.items() if path.startswith("method.")}
            self._file.change(preset=name, values=kept)
        return self.form()

    def window(self) -> dict[str, Value]:
        """Return what the window itself has to know."""
        kept = self._file.now
        return {name: getattr(kept, name) for name in WINDOW_NAMES}

    def set_window(self, name: str, value: Value) -> None:
        """Keep something that the window itself has to know.

        Raises:
            BadInput: no such name, or a value that is not allowed.
            CannotWrite: it cannot be kept.
        """
        if name not in WINDOW_NAMES:
            known = ", ".join(WINDOW_NAMES)
            raise BadInput(f"There is no preference {name!r}.", f"There are {known}.")
        self._file.change(**{name: value})

    def _from_preset(self, kept: Preferences) -> Chosen:
        settings = self._usual if kept.preset is None else preset(kept.preset)
        return Chosen(settings, Method(), kept)


def machine() -> Machine:
    """Return what this computer has."""
    gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else None
    return Machine(os.cpu_count() or 1, psutil.virtual_memory().total, gpu)
