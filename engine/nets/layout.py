"""How a network's numbers lie in memory."""

from typing import TypeVar

import torch
from torch import nn

ORDERS: dict[type[nn.Module], torch.memory_format] = {
    nn.Conv2d: torch.channels_last,
    nn.Conv3d: torch.channels_last_3d,
}

Network = TypeVar("Network", bound=nn.Module)


def channels_last(network: Network) -> Network:
    """Let convolutions read all channels of a pixel or voxel in one go; returns the network itself.

    Results differ by rounding only. Linear layers stay as they are.
    """
    for module in network.modules():
        # Not their subclasses: those may read their weights in another order.
        order = ORDERS.get(type(module))
        if order is not None:
            for weight in module.parameters(recurse=False):
                if weight.dim() > 1:
                    weight.data = weight.data.contiguous(memory_format=order)
    return network
