import dataclasses
import pickle

import numpy as np
import pytest

from engine.core.news import FaultNews, Progress, ScanNews, ScanState, ScanStats, TrackView
from engine.core.poses import Pose
from engine.core.surface import MeshPatch


def everything():
    patch = MeshPatch(
        5, 2, np.eye(3, dtype=np.float32), np.array([[0, 1, 2]], np.int32),
        np.full((3, 3), 9, np.uint8), np.arange(3),
    )  # fmt: skip
    return ScanNews(
        ScanState.SCANNING,
        TrackView(3, 100, Pose.exp([0, 0, 1, 1, 2, 3]), np.full((2, 2, 3), 7, np.uint8)),
        (patch,),
        ScanStats(frames_read=3, frames_used=2, faces=1),
        (FaultNews("It broke.", "Mend it.", "ignore"),),
        Progress("weld", 1, 2),
    )


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_all_news_crosses_a_process_border_unchanged(protocol):
    news = everything()
    there = pickle.loads(pickle.dumps(news, protocol))
    assert there.state is news.state
    assert (there.stats, there.faults, there.progress) == (news.stats, news.faults, news.progress)
    assert (there.track.index, there.track.T_world_cam) == (3, news.track.T_world_cam)
    assert np.array_equal(there.track.preview, news.track.preview)
    for name in ("vertices", "faces", "colors", "vertex_keys"):
        ours, theirs = getattr(news.patches[0], name), getattr(there.patches[0], name)
        assert ours.dtype == theirs.dtype
        assert np.array_equal(ours, theirs)
    assert (there.patches[0].key, there.patches[0].revision) == (5, 2)


def test_news_cannot_be_changed_on_the_way():
    news = everything()
    for record in (news, news.track, news.stats, news.faults[0], news.progress, news.patches[0]):
        for field in dataclasses.fields(record):
            with pytest.raises(dataclasses.FrozenInstanceError):
                setattr(record, field.name, None)


def test_nothing_new_is_empty():
    quiet = ScanNews(ScanState.READY)
    assert (quiet.track, quiet.patches, quiet.stats) == (None, (), None)
    assert (quiet.faults, quiet.progress) == ((), None)
