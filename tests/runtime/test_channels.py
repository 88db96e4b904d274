import threading
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.runtime.channels import Bounded, Closed, KeyedLatest, Latest, Overflow

WAIT_S = 5.0


def in_thread(action):
    thread = threading.Thread(target=action, daemon=True)
    thread.start()
    return thread


@given(st.integers(1, 5), st.lists(st.one_of(st.integers(), st.just("take"))))
def test_latest_keeps_the_newest_and_counts_the_rest(limit, moves):
    channel = Latest(limit)
    model: deque = deque(maxlen=limit)
    put = taken = 0
    for move in moves:
        if move == "take":
            got = channel.take()
            assert got == list(model)
            taken += len(got)
            model.clear()
        else:
            assert channel.put(move)
            put += 1
            model.append(move)
        counters = channel.counters()
        assert counters.waiting == len(model) <= limit
        assert counters.offered == put == taken + counters.dropped + counters.waiting


@given(
    st.integers(1, 4),
    st.integers(10, 40),
    st.lists(st.one_of(st.integers(0, 10), st.just("take"))),
)
def test_bounded_keeps_order_and_limits_and_loses_nothing_it_accepted(items, size, moves):
    channel = Bounded(items, size, lambda n: n, Overflow.REFUSE)
    accepted, received, refused = [], [], 0
    for move in moves:
        if move == "take":
            received += channel.take(limit_bytes=1)
        elif channel.put(move):
            accepted.append(move)
        else:
            refused += 1
            counters = channel.counters()
            assert counters.waiting == items or counters.waiting_bytes + move > size
        counters = channel.counters()
        assert counters.waiting <= items
        assert counters.waiting_bytes <= size
        assert counters.dropped == refused
    assert received + channel.take() == accepted


@given(
    st.lists(
        st.one_of(st.tuples(st.integers(0, 5), st.integers(1, 30)), st.integers(1, 60)),
        max_size=60,
    )
)
def test_keyed_latest_newest_of_every_key_wins_within_the_limit(moves):
    limit = 60
    channel = KeyedLatest(limit, lambda item: item[1], Overflow.REFUSE)
    model: dict = {}
    merged = refused = taken = 0
    for serial, move in enumerate(moves):
        if isinstance(move, int):
            got = channel.take(move)
            expected = []
            budget = 0
            while model and budget < move:
                expected.append(model.pop(next(iter(model))))
                budget += expected[-1][1]
            assert got == expected
            taken += len(got)
        else:
            key, size = move
            item = (serial, size)
            after = sum(s for _, s in model.values()) + size - model.get(key, (0, 0))[1]
            assert channel.put(key, item) is (after <= limit)
            if after <= limit:
                merged += key in model
                model[key] = item
            else:
                refused += 1
        counters = channel.counters()
        assert counters.waiting_bytes == sum(s for _, s in model.values()) <= limit
        assert counters.merged == merged
        assert counters.dropped == refused
        assert counters.offered == taken + merged + refused + counters.waiting
    assert channel.take() == list(model.values())


def test_a_key_that_changes_all_the_time_does_not_lose_its_place():
    channel = KeyedLatest(100, lambda item: 1)
    channel.put(1, "old")
    channel.put(2, "other")
    channel.put(1, "new")
    assert channel.take() == ["new", "other"]


def test_put_waits_for_room_and_get_for_an_item():
    channel = Bounded(1)
    got = []
    reader = in_thread(lambda: got.extend(channel))
    for i in range(200):
        assert channel.put(i, WAIT_S)
    channel.close()
    reader.join(WAIT_S)
    assert got == list(range(200))
    assert channel.counters().dropped == 0


def test_put_gives_up_after_its_time():
    channel = Bounded(1)
    channel.put("first")
    assert not channel.put("second", timeout_s=0.01)
    assert channel.take() == ["first"]


def test_keyed_put_waits_until_somebody_takes():
    channel = KeyedLatest(10, lambda item: item)
    channel.put(1, 10)
    writer = in_thread(lambda: channel.put(2, 5))
    writer.join(0.05)
    assert writer.is_alive()
    assert channel.take() == [10]
    writer.join(WAIT_S)
    assert channel.take() == [5]


def test_a_growing_item_waits_while_the_older_one_still_stands():
    channel = KeyedLatest(10, lambda item: item, Overflow.REFUSE)
    channel.put(1, 4)
    channel.put(2, 6)
    assert not channel.put(1, 5)
    assert channel.take() == [4, 6]


@pytest.mark.parametrize("discard", [False, True])
def test_closing_wakes_a_reader(discard):
    channel = Latest()
    seen = []

    def read():
        with pytest.raises(Closed):
            channel.get()
        seen.append("closed")

    reader = in_thread(read)
    channel.close(discard=discard)
    reader.join(WAIT_S)
    assert seen == ["closed"]


@pytest.mark.parametrize(
    ("channel", "put"),
    [
        (Bounded(1), lambda c, i: c.put(i)),
        (KeyedLatest(1, lambda item: 1), lambda c, i: c.put(i, i)),
    ],
)
def test_closing_wakes_a_writer_whose_item_stays_out(channel, put):
    put(channel, 1)
    seen = []

    def write():
        with pytest.raises(Closed):
            put(channel, 2)
        seen.append("closed")

    writer = in_thread(write)
    writer.join(0.05)
    assert writer.is_alive()
    channel.close()
    writer.join(WAIT_S)
    assert seen == ["closed"]
    assert channel.take() == [1]
    assert channel.counters().dropped == 1


def test_after_closing_what_waits_can_still_be_had():
    channel = Latest(2)
    channel.put(1)
    channel.close()
    assert channel.get() == 1
    with pytest.raises(Closed):
        channel.get()
    with pytest.raises(Closed):
        channel.put(2)


def test_discarding_counts_what_was_lost():
    channel = Bounded(3)
    channel.put(1)
    channel.put(2)
    channel.close(discard=True)
    counters = channel.counters()
    assert (counters.waiting, counters.dropped, counters.waiting_bytes) == (0, 2, 0)


def test_get_gives_up_after_its_time():
    with pytest.raises(TimeoutError):
        Latest().get(timeout_s=0.01)


def test_many_writers_and_readers_lose_nothing():
    channel = Bounded(4, 64, lambda item: 8)
    lock = threading.Lock()
    got = []

    def read():
        for item in channel:
            with lock:
                got.append(item)

    readers = [in_thread(read) for _ in range(3)]
    writers = [in_thread(lambda w=w: [channel.put((w, i)) for i in range(300)]) for w in range(3)]
    for writer in writers:
        writer.join(WAIT_S)
    channel.close()
    for reader in readers:
        reader.join(WAIT_S)
    assert sorted(got) == [(w, i) for w in range(3) for i in range(300)]


@pytest.mark.parametrize(
    "make",
    [
        lambda: Latest(0),
        lambda: Bounded(0),
        lambda: Bounded(1, limit_bytes=5),
        lambda: Bounded(1, overflow=Overflow.DROP_OLDEST),
        lambda: KeyedLatest(0, lambda item: 1),
        lambda: KeyedLatest(1, lambda item: 1, Overflow.DROP_OLDEST),
        lambda: Bounded(1, 5, lambda item: item).put(6),
        lambda: KeyedLatest(5, lambda item: item).put(0, 6),
    ],
)
def test_limits_that_make_no_sense_are_refused(make):
    with pytest.raises(ValueError, match=r"room|sizes|never|loses|fits"):
        make()


def test_bounded_says_what_still_fits():
    channel = Bounded(3, 10, len)
    assert channel.room() == 3
    assert channel.room(10) == 3
    channel.put("sixsix")
    assert (channel.room(), channel.room(4), channel.room(5)) == (2, 2, 0)
    with pytest.raises(ValueError, match="11 bytes never fits"):
        channel.room(11)
    channel.put("ab")
    channel.put("cd")
    assert channel.room() == 0


def test_channels_say_how_many_items_fit():
    channels = [Latest(4), Bounded(3), KeyedLatest(10, len)]
    assert [channel.limit for channel in channels] == [4, 3, 0]
