"""How much memory a reconstruction may take."""

import psutil
import torch

from engine.recon.compute import Compute
from engine.recon.memory import MB, Budget

# What other programs and the rest of this one may need.
MEMORY_SHARE = 0.8


def budget(memory_mb: int | None, compute: Compute) -> Budget:
    """Return what the user allows or, where he says nothing, most of what is free."""
    if memory_mb is not None:
        return Budget(memory_mb)
    if compute.device.type == "cuda":
        return Budget(MEMORY_SHARE * torch.cuda.mem_get_info(compute.device)[0] / MB)
    return Budget(MEMORY_SHARE * psutil.virtual_memory().available / MB)
