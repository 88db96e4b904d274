"""What all parts of the live suite share: tapes, settings, and how a live scan is made."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from app.bench.live_drive import MakeFuser
from app.bench.live_sets import RATE_HZ, Plan
from app.bench.live_tape import Play, Tape, TapeSource
from app.build import make_fuser
from app.method import DepthName, Method
from app.options import checked
from engine.core.frames import Frame
from engine.core.news import Progress
from engine.core.settings import Settings

Report = Callable[[Progress], object]
Figures = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Kit:
    """Tapes by name and the choices of a scan; small enough to be sent to another process."""

    plan: Plan
    tapes: Mapping[str, Tape]
    method: Method

    @property
    def settings(self) -> Settings:
        """Those of every scan, unless a part needs others."""
        return self.plan.settings

    def source(self, name: str, **play: Any) -> TapeSource:
        """Return a tape as a source, enlarged to the size of timed runs unless told otherwise."""
        wanted = {"size": self.plan.size if name not in RECORDED else None, **play}
        return TapeSource(self.tapes[name], Play(**wanted))

    def camera(self, name: str, **play: Any) -> TapeSource:
        """Return a tape as a camera of 30 Hz."""
        return self.source(name, rate_hz=RATE_HZ, **play)

    def frames(self, name: str, **play: Any) -> list[Frame]:
        """Return all frames of a tape."""
        return list(self.source(name, **play).frames())

    def maker(self, depth: DepthName, settings: Settings | None = None) -> MakeFuser:
        """Return what makes a live scan's fuser, with depth from there."""
        method = self.method.model_copy(update={"depth": depth})
        return lambda info: make_fuser(settings or self.settings, info, False, method=method)

    def with_settings(self, **changes: Mapping[str, Any]) -> Settings:
        """Return the settings with parts of some branches changed."""
        tree = self.settings.model_dump()
        for branch, values in changes.items():
            tree[branch].update(values)
        return checked(Settings, tree)


# Recordings are played in the size they have.
RECORDED = ("kitchen", "hololens")
