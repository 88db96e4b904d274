"""Several processes on one job: started by `torchrun`, joined by torch's own data parallelism."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel


@dataclass(frozen=True, slots=True)
class Team:
    """Which of how many processes this is, and the device it computes on."""

    rank: int
    size: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and speaks."""
        return self.rank == 0

    def joined(self, step: nn.Module) -> nn.Module:
        """Return a module whose backward pass averages gradients over the team."""
        if self.size == 1:
            return step
        ids = [self.device.index] if self.device.type == "cuda" else None
        return DistributedDataParallel(step, device_ids=ids)

    def mean(self, values: Tensor) -> Tensor:
        """Return the mean of a tensor over the team; every member gets the same bits."""
        if self.size > 1:
            dist.all_reduce(values)
            values /= self.size
        return values

    def any(self, wish: bool) -> bool:
        """Return whether some member has the wish, so that all stop at the same step."""
        if self.size == 1:
            return wish
        flag = torch.tensor(float(wish), device=self.device)
        dist.all_reduce(flag)
        return bool(flag > 0)

    def wait(self) -> None:
        """Return when all members are here."""
        if self.size > 1:
            dist.barrier()


@contextmanager
def team(device_name: str) -> Iterator[Team]:
    """Yield the team that `torchrun` set up, or a team of one."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield Team(0, 1, _device(device_name, 0))
        return
    device = _device(device_name, int(os.environ["LOCAL_RANK"]))
    if device.type == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Team(dist.get_rank(), size, device)
    finally:
        dist.destroy_process_group()


def _device(name: str, index: int) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name, index) if name == "cuda" else torch.device(name)
