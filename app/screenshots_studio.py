"""The studio behind the program's pictures: a demo room in which things go wrong on the way."""

import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

from app.build import make_fuser
from app.library import Library
from app.library_note import ScanNote
from app.method import Method
from app.offers import DEMO
from app.preferences import Preferences, scans_folder
from app.scan_place import ScanPlace
from app.studio import Studio
from engine.core.frames import Frame
from engine.core.settings import preset
from engine.sources.base import FrameSource, SourceInfo
from engine.sources.detect import open_source

# From these frames on the camera hurries, then nobody knows where it is, then all is well.
FAST_FROM, LOST_FROM, WELL_FROM = 110, 150, 190
HURRY = 6
# Slow enough there to take a picture.
TROUBLE_S = 0.12
CUT_SHORT, CUT_SHORT_FRAMES = "Scan of the hallway", 48


class Trouble:
    """A `FrameSource` that gives the frames of another, as if the camera were held badly."""

    def __init__(self, source: FrameSource) -> None:
        """Take over the source."""
        self._source = source
        self.skipped = source.skipped

    def describe(self) -> SourceInfo:
        """Return what the other says of itself."""
        return self._source.describe()

    def frames(self) -> Iterator[Frame]:
        """Yield the frames."""
        t_ns, last_ns = 0, 0
        for frame in self._source.frames():
            step_ns, last_ns = frame.t_ns - last_ns, frame.t_ns
            in_trouble = FAST_FROM <= frame.index < WELL_FROM
            # The same way in less time is as good as a longer one.
            t_ns += step_ns // HURRY if in_trouble else step_ns
            is_lost = in_trouble and frame.index >= LOST_FROM
            if in_trouble:
                time.sleep(TROUBLE_S)
            pose = None if is_lost else frame.T_world_cam
            yield replace(frame, t_ns=t_ns, T_world_cam=pose)

    def close(self) -> None:
        """Close the other."""
        self._source.close()

    def __enter__(self) -> "Trouble":
        """Return self."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Close."""
        self.close()


def make_studio() -> Studio:
    """Return the studio; one scan in its library was cut short."""
    settings = preset("medium")
    note = ScanNote.of(CUT_SHORT, DEMO, settings, Method())
    # What a power failure leaves: frames that were written, and no end.
    writer = ScanPlace(Library(scans_folder(Preferences())), note).begin(CUT_SHORT, True)
    with open_source(DEMO) as source:
        for frame in islice(source.frames(), CUT_SHORT_FRAMES):
            writer.add(frame)
    return Studio(settings, _opened, make_fuser)


def _opened(spec: str) -> FrameSource:
    return Trouble(open_source(spec)) if spec == DEMO else open_source(spec)
