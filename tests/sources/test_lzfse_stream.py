import lzfse
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core.faults import BadFrame
from engine.sources.lzfse_stream import decompress

KINDS = {
    "stored": np.random.default_rng(0).integers(0, 256, 10, dtype=np.uint8),
    "lzvn": np.arange(900, dtype=np.uint8) % 7,
    "lzfse": np.random.default_rng(0).normal(size=40_000).round(1).astype(np.float32),
    "many blocks": np.random.default_rng(1).normal(size=300_000).astype(np.float32),
    "flat": np.zeros(100_000, np.float32),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_block_comes_back(kind: str) -> None:
    data = KINDS[kind].tobytes()
    assert decompress(lzfse.compress(data), len(data), "x") == data


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("error", [-1, 1, 4])
def test_another_size_is_refused(kind: str, error: int) -> None:
    data = KINDS[kind].tobytes()
    with pytest.raises(BadFrame, match="not of the size"):
        decompress(lzfse.compress(data), len(data) + error, "x")


@pytest.mark.parametrize("kind", KINDS)
def test_a_cut_stream_is_refused(kind: str) -> None:
    data = KINDS[kind].tobytes()
    stream = lzfse.compress(data)
    for keep in (0, 3, 7, len(stream) // 2, len(stream) - 1):
        with pytest.raises(BadFrame):
            decompress(stream[:keep], len(data), "x")


def test_a_block_that_counts_more_symbols_than_it_holds_is_refused() -> None:
    """A lie about symbols could make the decoder fill memory whatever size is declared."""
    data = KINDS["lzfse"].tobytes()
    stream = bytearray(lzfse.compress(data))
    word = int.from_bytes(stream[8:16], "little")
    stream[8:16] = (word | 0xFFFFF << 40).to_bytes(8, "little")
    with pytest.raises(BadFrame, match="damaged"):
        decompress(bytes(stream), len(data), "x")


def test_a_header_of_no_length_does_not_loop_for_ever() -> None:
    stream = b"bvx2" + bytes(28) + b"bvx$"
    with pytest.raises(BadFrame, match="damaged"):
        decompress(stream, 0, "x")


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), min_size=1, max_size=4))
def test_no_damage_raises_anything_but_a_fault(changes: list[tuple[int, int]]) -> None:
    data = KINDS["lzvn"].tobytes()
    stream = bytearray(lzfse.compress(data))
    for at, value in changes:
        stream[at % len(stream)] = value
    try:
        assert len(decompress(bytes(stream), len(data), "x")) == len(data)
    except BadFrame:
        return
