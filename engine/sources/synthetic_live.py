"""A synthetic room as a live camera: time runs by itself, whether anyone keeps up or not."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from engine.core.faults import BadInput, Fault
from engine.core.frames import Frame
from engine.runtime.priority import give_way
from engine.runtime.worker import Crew, FaultPolicy, StopToken
from engine.sources.base import SourceInfo
from engine.sources.synthetic import LIVE_HZ, SyntheticSource

# Pictures drawn once are kept. Those of 360 frames at 240x180 take 109 MB.
KEPT_LIMIT_BYTES = 256 << 20
BYTES_A_PIXEL = 3 + 4
WAIT_S = 0.02
JOIN_S = 10.0
NOT_DRAWN = "not drawn in time"


class LiveSynthetic:
    """A camera that walks to and fro in a made-up room, 30 pictures a second, until it is closed.

    A thread draws the pictures that are due next and keeps them. Where drawing is slower than the
    clock, the camera walks on meanwhile: pictures that are not drawn when their moment comes are
    counted in `skipped` and missing from the stream, as a slow camera would leave them out. Every
    picture is drawn once, so the rate rises with each way and reaches 30 when all are drawn.

    A frame's index counts the ticks of the clock; of its time stamp the same holds.
    """

    def __init__(
        self,
        world: SyntheticSource,
        now_s: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        """Walk through a world; nothing is drawn before frames are asked for.

        Raises:
            BadInput: a walk whose pictures would take too much memory.
        """
        spec = world.spec
        most = KEPT_LIMIT_BYTES // (spec.width * spec.height * BYTES_A_PIXEL)
        if spec.frames > most:
            raise BadInput(
                f"A live camera keeps its pictures, and {spec.frames} of them are too many.",
                f"Use frames={most} or fewer, or a smaller size.",
            )
        self.skipped: dict[str, int] = {}
        self._world = world
        self._now_s, self._sleep = now_s, sleep
        self._drawn: dict[int, Frame] = {}
        self._due = 0
        self._is_drawing = False
        self._failure: Fault | None = None
        self._crew = Crew(self._failed)

    def describe(self) -> SourceInfo:
        """Return what is known before reading."""
        return replace(
            self._world.describe(), name="Practice camera", frame_count=None, is_live=True
        )

    def frames(self) -> Iterator[Frame]:
        """Yield the frames at their moments until the source is closed."""
        self._begin()
        start_s, tick = self._now_s(), 0
        while not self._crew.stop.is_set:
            self._due = tick
            late_s = self._now_s() - start_s - tick / LIVE_HZ
            if late_s < 0:
                self._sleep(min(-late_s, WAIT_S))
                continue
            if self._failure is not None:
                raise self._failure
            frame = self._drawn.get(self.place(tick))
            if frame is None:
                self.skipped[NOT_DRAWN] = self.skipped.get(NOT_DRAWN, 0) + 1
            else:
                yield replace(frame, index=tick, t_ns=round(tick / LIVE_HZ * 1e9))
            # Whoever took long finds the newest picture next, not all that piled up.
            tick = max(tick + 1, int((self._now_s() - start_s) * LIVE_HZ))

    def place(self, tick: int) -> int:
        """Return which picture of the walk is due at a tick: there, and back the same way."""
        frames = self._world.spec.frames
        turn = max(2 * (frames - 1), 1)
        return min(tick % turn, turn - tick % turn)

    def close(self) -> None:
        """Stop the clock and the drawing, and forget the pictures; harmless to repeat."""
        self._crew.stop.set()
        self._crew.join(JOIN_S)
        self._drawn.clear()
        self._world.close()

    def __enter__(self) -> "LiveSynthetic":
        """Return self."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Close."""
        self.close()

    def _begin(self) -> None:
        if self._is_drawing or self._crew.stop.is_set:
            return
        # The first picture is worth waiting for: until then there is nothing to see.
        self._drawn[0] = self._world.frame(0)
        self._is_drawing = True
        self._crew.spawn("draw", self._draw, FaultPolicy.ALONE)

    def _draw(self, stop: StopToken) -> None:
        """Draw what is due next and not drawn yet, until everything is."""
        # Scanning goes first; the camera then gives fewer pictures.
        give_way()
        lead, frames = 1, self._world.spec.frames
        while not stop.is_set and len(self._drawn) < frames:
            started_s, due = self._now_s(), self._due
            ticks = range(due + lead, due + lead + 2 * frames)
            place = next(p for p in map(self.place, ticks) if p not in self._drawn)
            self._drawn[place] = self._world.frame(place)
            # What would be due before it is drawn is left for the way back.
            lead = 1 + round((self._now_s() - started_s) * LIVE_HZ)

    def _failed(self, worker: str, fault: Fault) -> None:
        self._failure = fault
