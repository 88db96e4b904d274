"""Batches made while the step before is still computed, and how long they were waited for."""

import time
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import torch


class Feed:
    """Makes batches by their index; iterating gives them in order from `first` on.

    On a GPU the next batch is drawn by another thread on a stream of its own while the network
    learns. On a CPU that would only compete for the same cores, so it is made when asked for.
    """

    def __init__(
        self, make: Callable[[int], Any], first: int, stride: int, device: torch.device
    ) -> None:
        """Take the batches `first`, `first + stride`, ..."""
        self.waited_s = 0.0
        self._make = make
        self._next, self._stride = first, stride
        self._device = device

    def __iter__(self) -> Generator[Any, None, None]:
        if self._device.type != "cuda":
            while True:
                started = time.perf_counter()
                batch = self._make(self._advance())
                self.waited_s += time.perf_counter() - started
                yield batch
        with ThreadPoolExecutor(1) as pool:
            stream: torch.cuda.Stream = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
            pending = pool.submit(self._draw, self._advance(), stream)
            while True:
                batch = self._taken(pending)
                pending = pool.submit(self._draw, self._advance(), stream)
                yield batch

    def _advance(self) -> int:
        index = self._next
        self._next += self._stride
        return index

    def _draw(self, index: int, stream: torch.cuda.Stream) -> Any:
        with torch.cuda.device(self._device), torch.cuda.stream(stream):
            batch = self._make(index)
            # Complete when handed over: nobody else has to know of the stream.
            stream.synchronize()
        return batch

    def _taken(self, pending: "Future[Any]") -> Any:
        started = time.perf_counter()
        batch = pending.result()
        self.waited_s += time.perf_counter() - started
        return batch
