"""One track of a recording whose poses jump: frames of different tracks do not fit each other."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from engine.core.faults import BadInput
from engine.core.frames import Frame
from engine.sources.base import FrameSource, SourceInfo

ALL = "all"
LONGEST = "longest"
_ELSEWHERE = "on another track"


def chosen_track(source: FrameSource, wanted: str = LONGEST) -> FrameSource:
    """Return the source, narrowed to one track: `longest`, a number counted from 1, or `all`.

    Raises:
        BadInput: not such a word, or no track of this number.
    """
    counts = source.describe().details.get("track_frames", [])
    if wanted == LONGEST:
        number = max(range(len(counts)), key=counts.__getitem__, default=0)
    elif wanted == ALL:
        return source
    else:
        number = _index(wanted, max(len(counts), 1))
    return source if len(counts) < 2 else OneTrack(source, number, counts)


def _index(wanted: str, count: int) -> int:
    if wanted.isdecimal() and 1 <= int(wanted) <= count:
        return int(wanted) - 1
    held = "one track" if count == 1 else f"{count} tracks"
    raise BadInput(
        f"There is no track '{wanted}': this recording has {held}.",
        f"Use a number from 1, '{LONGEST}' or '{ALL}'.",
    )


class OneTrack:
    """The frames of one track of a source; a `FrameSource` that counts the others as skipped."""

    def __init__(self, source: FrameSource, track: int, counts: Sequence[int]) -> None:
        """Keep the track numbered from 0; `counts` says how many frames each track has."""
        self._source = source
        self._track = track
        self.skipped: dict[str, int] = dict(source.skipped)
        info = source.describe()
        kept, total = counts[track], sum(counts)
        note = (
            f"{total - kept} of {total} frames belong to other tracks and were left out; this is "
            f"track {track + 1} of {len(counts)}, and --track chooses another."
        )
        self._info = replace(info, frame_count=kept, notes=(*info.notes, note))

    def describe(self) -> SourceInfo:
        """Return what is known of the source, with the frames of this track alone."""
        return self._info

    def frames(self) -> Iterator[Frame]:
        """Yield the frames of this track in order of time."""
        elsewhere = 0
        for frame in self._source.frames():
            elsewhere += frame.segment != self._track
            self.skipped = dict(self._source.skipped)
            if elsewhere:
                self.skipped[_ELSEWHERE] = elsewhere
            if frame.segment == self._track:
                yield frame

    def close(self) -> None:
        """Close the source."""
        self._source.close()

    def __enter__(self) -> "OneTrack":
        """Return self."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Close."""
        self.close()
