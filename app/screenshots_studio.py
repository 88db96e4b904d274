"""The studio behind the program's pictures: a demo room in which things go wrong on the way."""

import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

import numpy as np

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

TROUBLE = "trouble"
# From these frames on it is too dark, then nobody knows where the camera is, then all is well.
DARK_FROM, LOST_FROM, WELL_FROM = 110, 150, 190
DARK_SHARE = 0.06
# Slow enough there to take a picture.
TROUBLE_S = 0.12
CUT_SHORT, CUT_SHORT_FRAMES = "Scan of the hallway", 48


class Trouble:
    """A `FrameSource` that gives the frames of another, some of them spoilt."""

    def __init__(self, source: FrameSource) -> None:
        """Take over the source."""
        self._source = source
        self.skipped = source.skipped

    def describe(self) -> SourceInfo:
        """Return what the other says of itself."""
        return self._source.describe()

    def frames(self) -> Iterator[Frame]:
        """Yield the frames."""
        for frame in self._source.frames():
            if not DARK_FROM <= frame.index < WELL_FROM:
                yield frame
                continue
            time.sleep(TROUBLE_S)
            if frame.index < LOST_FROM and frame.color is not None:
                yield replace(frame, color=(frame.color * DARK_SHARE).astype(np.uint8))
            else:
                yield replace(frame, T_world_cam=None)

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
    return Trouble(open_source(DEMO)) if spec == TROUBLE else open_source(spec)
