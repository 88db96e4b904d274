"""The engine in a process of its own, for the window; this file and `app.gui` know the difference.

Engine libraries hold the interpreter lock for moments and longer, and compiling kernels does for
most of a minute. In the window's own process that would stop the window.
"""

from pathlib import Path
from typing import Any

from app import offers
from app.host.link import Link
from app.host.proxies import ModelProxy, TaskProxy
from app.host.scan import ScanProxy
from ui.ports import CameraCard, Choice, ScanCard, SettingForm, Value, WeightsCard

ENGINE = "app.host.engine:make_studio"


class HostedStudio:
    """A `StudioPort` whose studio lives in another process.

    Nothing here waits, except `close`. An engine that died is started anew by whatever is asked
    for next.
    """

    def __init__(self, factory: str = ENGINE) -> None:
        """Have the engine started; what makes its studio is named "module:callable"."""
        self._factory = factory
        self.link = Link(factory)

    @property
    def demo(self) -> str:
        """The name under which `open` finds the demo room."""
        return offers.DEMO

    @property
    def formats(self) -> tuple[Choice, ...]:
        """File formats to export to."""
        return offers.formats()

    @property
    def targets(self) -> tuple[Choice, ...]:
        """What an exported file may be meant for."""
        return offers.targets()

    def open(self, spec: str) -> TaskProxy[ScanProxy]:
        """Open a recording, device or world."""
        return self._call("open", spec)

    def scans(self) -> TaskProxy[tuple[ScanCard, ...]]:
        """Look through the scans on disk, newest first."""
        return self._call("scans")

    def cameras(self) -> TaskProxy[tuple[CameraCard, ...]]:
        """Look for cameras."""
        return self._call("cameras")

    def open_model(self, path: Path) -> TaskProxy[ModelProxy]:
        """Open the mesh of a finished scan."""
        return self._call("open_model", path)

    def delete_scan(self, path: Path) -> TaskProxy[None]:
        """Delete a scan from disk for good."""
        return self._call("delete_scan", path)

    def settings(self) -> TaskProxy[SettingForm]:
        """Return all settings as they are."""
        return self._call("settings")

    def change_settings(self, values: dict[str, Value]) -> TaskProxy[SettingForm]:
        """Change some settings by path, keep them, and return all."""
        return self._call("change_settings", values)

    def use_preset(self, name: str) -> TaskProxy[SettingForm]:
        """Take over a preset, keep it, and return all settings."""
        return self._call("use_preset", name)

    def preferences(self) -> TaskProxy[dict[str, Value]]:
        """Return what the user chose about the window itself."""
        return self._call("preferences")

    def set_preference(self, name: str, value: Value) -> TaskProxy[None]:
        """Keep one of these."""
        return self._call("set_preference", name, value)

    def weights(self) -> TaskProxy[tuple[WeightsCard, ...]]:
        """Look which weights are there."""
        return self._call("weights")

    def download(self, name: str) -> TaskProxy[str]:
        """Download weights and check them."""
        return self._call("download", name)

    def close(self) -> None:
        """Stop everything and wait for the engine to end."""
        self.link.close()

    def _call(self, method: str, *given: Any) -> TaskProxy[Any]:
        if self.link.has_ended:
            self.link = Link(self._factory)
        return self.link.call(method, *given)
