import threading
import time

import pytest

from engine.runtime.bell import Bell
from engine.runtime.channels import Bounded, KeyedLatest, Latest

WAIT_S = 5.0
CHANNELS = [
    (Latest(), lambda channel: channel.put(1)),
    (Bounded(2), lambda channel: channel.put(1)),
    (KeyedLatest(9, lambda item: 1), lambda channel: channel.put(1, 1)),
]


@pytest.mark.parametrize(("channel", "put"), CHANNELS)
def test_what_comes_in_and_closing_ring(channel, put):
    bell = Bell()
    channel.ring(bell)
    assert not bell.wait(0)
    put(channel)
    assert bell.wait(0)
    # Heard once, and taking out is nothing to be told of.
    channel.take()
    assert not bell.wait(0)
    channel.close()
    assert bell.wait(0)


def test_one_waits_for_several_channels():
    bell, one, other = Bell(), Bounded(1), Latest()
    one.ring(bell)
    other.ring(bell)
    heard = []

    def listen():
        while len(heard) < 2 and bell.wait(WAIT_S):
            heard.extend(one.take() + other.take())

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    one.put("one")
    time.sleep(0.02)
    other.put("other")
    thread.join(WAIT_S)
    assert heard == ["one", "other"]


def test_a_ring_before_anyone_waits_is_not_lost():
    bell = Bell()
    bell.ring()
    start_s = time.monotonic()
    assert bell.wait(WAIT_S)
    assert time.monotonic() - start_s < WAIT_S / 2
