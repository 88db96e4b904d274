"""Where and how precisely networks run."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal

import torch

Precision = Literal["float32", "bf16", "fp16"]
DTYPES: dict[Precision, torch.dtype] = {
    "float32": torch.float32,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
}


@dataclass(frozen=True, slots=True)
class Compute:
    """A device, and the precision of the networks on it; geometry is always single precision."""

    device: torch.device
    precision: Precision = "float32"

    @property
    def dtype(self) -> torch.dtype:
        """What convolutions compute in."""
        return DTYPES[self.precision]

    def precise(self) -> torch.autocast:
        """Return the context for networks; never leave it open across a yield."""
        return torch.autocast(
            self.device.type, dtype=self.dtype, enabled=self.dtype != torch.float32
        )


def own_stream(device: torch.device) -> Callable[[], AbstractContextManager[object]]:
    """Return what gives the context in which a step's work on the device waits for nobody else's.

    On a processor that is any.
    """
    if device.type != "cuda":
        return nullcontext
    stream: Any = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    # Weights may still be on their way.
    stream.wait_stream(torch.cuda.current_stream(device))
    return lambda: torch.cuda.stream(stream)


ON_CPU = Compute(torch.device("cpu"))


def quick_precision() -> Precision:
    """Return the precision for a processor where little depends on the last digits: the quicker.

    That is bfloat16 where there are instructions for it; elsewhere it is emulated, and slow.
    """
    able = torch.cpu.get_capabilities()
    return "bf16" if able.get("amx_bf16") or able.get("avx512_bf16") else "float32"
