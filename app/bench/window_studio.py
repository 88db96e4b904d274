"""A program for the window whose only camera plays a room drawn beforehand; runs in the engine."""

import tempfile
from pathlib import Path

from app.bench.live_sets import NORMAL, QUICK, RATE_HZ, draw
from app.bench.live_tape import Play, TapeSource
from app.build import make_fuser
from app.studio import Studio
from engine.core.settings import Settings

ROOM = "walk40"
# So many rooms stand beside each other; then the camera is in the first one again.
APART_M, PLACES = 9.0, 3


def make_studio() -> Studio:
    """Return a studio that opens "normal SECONDS" or "quick SECONDS"."""
    return Studio(Settings(), _camera, make_fuser)


def _camera(wanted: str) -> TapeSource:
    """Return a camera of 30 Hz that walks through rooms for so many seconds; draws them first."""
    name, lasts_s = wanted.split()
    plan = QUICK if name == "quick" else NORMAL
    # Gone with the process that made it.
    folder = tempfile.mkdtemp(prefix="finescan-bench-")
    tape = draw(plan.stretches[ROOM], Path(folder) / ROOM)
    rounds = int(float(lasts_s) * RATE_HZ / len(tape.kept)) + 1
    play = Play(RATE_HZ, plan.size, rounds=rounds, apart_m=APART_M, places=PLACES)
    return TapeSource(tape, play)
