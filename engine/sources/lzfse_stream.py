"""LZFSE streams (Apple's compression, used by Record3D) of a size known beforehand."""

import lzfse

from engine.core.faults import BadFrame

# The decoder grows its output without limit, so what a stream declares is added up first. Block
# layout as in Apple's reference implementation (lzfse_internal.h, BSD licence).
_END, _STORED, _LZVN, _LZFSE = b"bvx$", b"bvx-", b"bvxn", b"bvx2"
# A symbol makes at least this many bytes in honest streams, and 2674 at most: a block that counts
# more symbols than its declared size allows was made to fill memory.
_SHORTEST_SYMBOL = 3
_SMALLEST_HEADER = 32


def decompress(data: bytes, size: int, name: str) -> bytes:
    """Return the `size` bytes that an LZFSE stream holds; `name` is for messages.

    Raises:
        BadFrame: damaged, cut off, or of any other size.
    """
    try:
        if _declared_bytes(data) == size:
            found = lzfse.decompress(data)
            if len(found) == size:
                return bytes(found)
    except (lzfse.error, IndexError, MemoryError) as error:
        # The decoder asks for ever more room when a damaged block does not end where it should.
        raise BadFrame(f"The picture {name} is damaged or cut off.") from error
    raise BadFrame(f"The picture {name} is not of the size its recording states.")


def _declared_bytes(data: bytes) -> int:
    at = declared = 0
    while (kind := data[at : at + 4]) != _END:
        raw = _u32(data, at + 4)
        declared += raw
        if kind == _STORED:
            at += 8 + raw
        elif kind == _LZVN:
            at += 12 + _u32(data, at + 8)
        elif kind == _LZFSE:
            first, second = _u64(data, at + 8), _u64(data, at + 16)
            header = _u32(data, at + 24)
            if header < _SMALLEST_HEADER or _SHORTEST_SYMBOL * (_bits(first, 40) - 1) > raw:
                raise IndexError(at)
            at += header + _bits(first, 20) + _bits(second, 40)
        else:
            raise IndexError(at)
    return declared


def _bits(word: int, start: int) -> int:
    return word >> start & 0xFFFFF


def _u32(data: bytes, at: int) -> int:
    return int.from_bytes(_slice(data, at, 4), "little")


def _u64(data: bytes, at: int) -> int:
    return int.from_bytes(_slice(data, at, 8), "little")


def _slice(data: bytes, at: int, size: int) -> bytes:
    if at + size > len(data):
        raise IndexError(at)
    return data[at : at + size]
