"""Everything that crosses between the two processes arrives as it left."""

import logging
import socket
import threading
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.host import words as host_words
from app.host.wire import LARGE_BYTES, Gone, receive, send
from engine.core import edits, news, surface
from engine.core.poses import Pose
from tests.app.fakes import patch_at
from tests.app.host_fakes import big_result
from ui import ports

POSE = Pose.from_parts(np.eye(3), [1, 2, 3])
PATCH = patch_at(1, 2, 3)
TEXTURED = big_result(60_000, 512)
COUNTS = edits.Counts(4, 5, 1, 2, 3.5, (1.0, 2.0, 3.0))
PREVIEW = np.arange(30, dtype=np.uint8).reshape(2, 5, 3)
HEALTH = news.TrackHealth(news.Tracking.WEAK, (news.Cause.BLURRED,), 0.5, 20.0, 1.2, 0.7, 0.4)
TRACK = news.TrackView(3, 99, POSE, PREVIEW, HEALTH)
CHANNEL = news.ChannelNews("frames", 1, 8, 20, 2, 0, 64)
STAGE = news.StageNews("fuse", 10, 4.5, 9.0)
STATS = news.ScanStats(frames_read=20, channels=(CHANNEL,), stages=(STAGE,))
FAULT = news.FaultNews("It is torn.", "Finish.", "pause")
STEP = news.Progress("weld", 1, 3)
NEWS = news.ScanNews(news.ScanState.PAUSED, TRACK, (PATCH,), STATS, (FAULT,), STEP)
RUNG = edits.Rung("preview", "Preview", 100, 512, {"glb": 0.5})
EDIT = edits.EditPreview(COUNTS, COUNTS, TEXTURED)
SCAN_CARD = ports.ScanCard(Path("scans/a"), "A", 1e9, "finished", 12.5, "", PREVIEW)
CHOICE = ports.Choice("glb", "glTF", "Everything.")
FIELD = ports.SettingField(
    "volume.voxel_m", "Voxel", "How fine.", "number", 0.02, 0.02, "m", 0.005, 0.1, ((1, "one"),)
)
GROUP = ports.SettingGroup("Volume", "What is kept.", (FIELD,))
TASK = ports.TaskNews(True, STEP, EDIT, FAULT)
VIEW = host_words.ModelView("A", TEXTURED, COUNTS, ("draft",), ("Cropped.",), (), "", True)
HANDLE = host_words.ModelHandle(4, VIEW)

EXAMPLES = [
    POSE, PATCH, TEXTURED, TEXTURED.mesh, COUNTS, HEALTH, TRACK, CHANNEL, STAGE, STATS, FAULT, STEP,
    NEWS, RUNG, EDIT, SCAN_CARD, CHOICE, FIELD, GROUP, TASK, VIEW, HANDLE,
    *surface.Grade, *news.Tracking, *news.Cause, *news.ScanState,
    edits.Crop(POSE, (1.0, 2.0, 3.0)), edits.Level((0.0, 0.0, 1.0), None),
    edits.RemoveIslands(50), edits.FillHoles(20), edits.Simplify(1000),
    ports.CameraCard("realsense", "RealSense", False, "Not plugged in."),
    ports.WeightsCard("mvs", "MVS", "Depth", "MIT", "https://a.b", False, 9.5, "missing", True),
    ports.SettingForm((GROUP,), (CHOICE,), "medium", "low", "Two cores."),
    host_words.Call(1, "open", (Path("a"), {"volume.voxel_m": 0.01}), None),
    host_words.Cancel(1), host_words.Order(2, "undo", (5.0,)), host_words.Taken(2, 1 << 40),
    host_words.Abort(2), host_words.LetGo(3), host_words.Bye(), host_words.Ready(),
    host_words.ScanHandle(2, "A", ("Look.",), news.ScanState.READY, False),
    host_words.TaskTold(1, TASK, HANDLE),
    host_words.ScanTold(2, NEWS, True, 3, TEXTURED, HANDLE),
    host_words.Logged(logging.makeLogRecord({"msg": "A line.", "levelno": 20})),
]  # fmt: skip


@pytest.fixture
def ends():
    here, there = socket.socketpair()
    with here, there:
        yield here, there


def crossed(ends, message):
    sender = threading.Thread(target=send, args=(ends[0], message))
    sender.start()
    arrived = receive(ends[1])
    sender.join()
    return arrived


def same(a, b):
    """Compare deeply; arrays with type and shape."""
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and bool((a == b).all())
    if isinstance(a, Pose):
        return same(a.matrix, b.matrix)
    if isinstance(a, logging.LogRecord):
        return a.__dict__ == b.__dict__
    if is_dataclass(a):
        return all(same(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


@pytest.mark.parametrize("message", EXAMPLES, ids=lambda message: type(message).__name__)
def test_everything_crosses_unchanged(ends, message):
    assert same(crossed(ends, message), message)


@pytest.mark.parametrize("module", [edits, news, surface, ports, host_words])
def test_no_type_that_may_cross_was_forgotten(module):
    tried = {type(message) for message in EXAMPLES}
    for name, kind in vars(module).items():
        if isinstance(kind, type) and kind.__module__ == module.__name__:
            assert not (is_dataclass(kind) or issubclass(kind, Enum)) or kind in tried, name


def test_what_two_parts_of_a_message_share_they_still_share(ends):
    arrived = crossed(ends, host_words.ScanTold(1, NEWS, False, 0, TEXTURED, HANDLE))
    assert arrived.result is arrived.model.view.surface


def test_large_arrays_arrive_in_memory_of_their_own(ends):
    vertices = crossed(ends, TEXTURED).mesh.vertices
    assert vertices.nbytes >= LARGE_BYTES
    assert vertices.flags.writeable
    owner = vertices.base
    while isinstance(owner, np.ndarray | memoryview):
        assert memoryview(owner).nbytes == vertices.nbytes
        owner = owner.obj if isinstance(owner, memoryview) else owner.base


@settings(max_examples=30)
@given(st.lists(st.sampled_from([0, 1, 7, LARGE_BYTES - 1, LARGE_BYTES, LARGE_BYTES + 3])))
def test_messages_keep_their_order_and_limits(sizes):
    here, there = socket.socketpair()
    with here, there:
        for number, size in enumerate(sizes):
            array = np.full(size, number, np.uint8)
            arrived = crossed((here, there), (number, array, array[::2], "end"))
            assert same(arrived, (number, array, array[::2], "end"))


def test_an_end_that_is_gone_is_told_to_both(ends):
    here, there = ends
    send(here, "last words")
    here.close()
    assert receive(there) == "last words"
    with pytest.raises(Gone):
        receive(there)
    with pytest.raises(Gone):
        send(there, "anybody?")
