"""Recordings whose poses jump: one track is scanned, the others are counted."""

from dataclasses import replace

import numpy as np
import pytest

from app.tracks import chosen_track
from engine.core.faults import BadFrame, BadInput
from engine.core.poses import Pose
from engine.sources.recording import Recording
from engine.sources.write.recording import write_recording
from tests.sources.boxroom import BoxRoom, finish
from tests.sources.walk import recording, walk

ASIDE = Pose.from_parts(np.eye(3), [30.0, 0.0, 0.0])


def jumping(first: int, second: int) -> Recording:
    """Return a walk that goes on thirty metres away after its first frames."""
    poses = walk(first + second)
    raw = recording(poses)
    frames = list(raw.frames)
    for at in range(first, first + second):
        frames[at] = replace(frames[at], pose=ASIDE.matrix @ frames[at].pose)
    return Recording(replace(raw, frames=tuple(frames)))


@pytest.mark.parametrize(("first", "second", "kept"), [(8, 5, range(8)), (4, 7, range(4, 11))])
def test_the_longest_track_is_chosen_and_the_rest_counted(first, second, kept):
    source = chosen_track(jumping(first, second))
    info = source.describe()
    assert info.frame_count == len(kept)
    left = first + second - len(kept)
    assert any(f"{left} of {first + second} frames belong to other tracks" in n for n in info.notes)
    assert [frame.index for frame in source.frames()] == list(kept)
    assert source.skipped == {"on another track": left}


def test_a_track_is_chosen_by_number_and_all_keeps_all():
    assert [f.segment for f in chosen_track(jumping(8, 5), "2").frames()] == [1] * 5
    every = chosen_track(jumping(8, 5), "all")
    assert len(list(every.frames())) == 13
    assert not every.skipped


@pytest.mark.parametrize("wanted", ["0", "3", "-1", "first", "²", ""])
def test_a_track_that_is_not_there_is_refused(wanted):
    with pytest.raises(BadInput, match="has 2 tracks"):
        chosen_track(jumping(8, 5), wanted)


def test_one_track_passes_through(tmp_path):
    source = Recording(recording())
    assert chosen_track(source) is source
    assert chosen_track(source, "1") is source
    with pytest.raises(BadInput, match="has one track"):
        chosen_track(source, "2")
    # Sources that cannot jump say nothing about tracks.
    finish(write_recording(chosen_track(BoxRoom(count=3)), tmp_path / "room", "archive"))


def test_frames_that_cannot_be_read_stay_counted():
    source = jumping(8, 5)
    raw = source._raw
    frames = list(raw.frames)
    frames[2] = replace(frames[2], color=broken)
    chosen = chosen_track(Recording(replace(raw, frames=tuple(frames))))
    assert len(list(chosen.frames())) == 7
    assert chosen.skipped == {"picture not usable": 1, "on another track": 5}


def broken():
    raise BadFrame("The picture is torn.")
