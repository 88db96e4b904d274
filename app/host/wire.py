"""Messages between the window and its engine, as bytes on a socket.

Small arrays travel inside the pickled message. Large ones travel beside it and are received in
place: the system copies them without the interpreter lock, so the window's thread goes on.
"""

import pickle
import socket
import struct
from typing import Any

import numpy as np

# Below it a copy under the lock costs less than being woken once more to receive the array.
LARGE_BYTES = 1 << 18
HEAD = struct.Struct("<QI")
SIZE = struct.Struct("<Q")


class Gone(Exception):
    """The other end has closed."""


def send(way: socket.socket, message: Any) -> None:
    """Have the message on its way; waits until the system has taken all of it.

    Raises:
        Gone: nobody is there to read it.
    """
    large: list[memoryview] = []

    def is_small(buffer: pickle.PickleBuffer) -> bool:
        view = buffer.raw()
        if view.nbytes < LARGE_BYTES:
            return True
        large.append(view)
        return False

    body = pickle.dumps(message, protocol=5, buffer_callback=is_small)
    sizes = b"".join(SIZE.pack(view.nbytes) for view in large)
    try:
        way.sendall(HEAD.pack(len(body), len(large)) + sizes + body)
        for view in large:
            way.sendall(view)
    except OSError as error:
        raise Gone from error


def receive(way: socket.socket) -> Any:
    """Return the next message, waiting for it.

    Raises:
        Gone: the other end has closed and nothing more will come.
    """
    body_bytes, count = HEAD.unpack(_taken(way, HEAD.size))
    front = _taken(way, count * SIZE.size + body_bytes)
    sizes = [SIZE.unpack_from(front, index * SIZE.size)[0] for index in range(count)]
    large = [_taken(way, size) for size in sizes]
    return pickle.loads(front[count * SIZE.size :], buffers=large)


def _taken(way: socket.socket, size: int) -> memoryview:
    # Unlike a bytearray it is not filled with zeros first, which would hold the lock.
    block = np.empty(size, np.uint8).data
    rest = block
    while rest:
        try:
            count = way.recv_into(rest, 0, socket.MSG_WAITALL)
        except OSError as error:
            raise Gone from error
        if not count:
            raise Gone
        rest = rest[count:]
    return block
