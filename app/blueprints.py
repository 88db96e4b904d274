"""The network classes, in the words that the weights room understands."""

import functools
import warnings
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import torch
from torch import nn

from engine.nets.finerecon.config import FineReconConfig
from engine.nets.finerecon.model import FineRecon
from engine.nets.gtr.config import GtrConfig
from engine.nets.gtr.model import Gtr
from engine.nets.simplerecon.config import SimpleReconConfig
from engine.nets.simplerecon.model import SimpleRecon
from engine.nets.sweepdepth.config import SweepDepthConfig
from engine.nets.sweepdepth.model import SweepDepth
from engine.weights.match import Blueprint, Fitted, Shapes, Spec


class _Config(Protocol):
    def as_dict(self) -> dict[str, Any]: ...


class Network(NamedTuple):
    """A network class and how its configuration is made.

    Attributes:
        released: the configuration of the published weights.
        from_shapes: reads a configuration from the shapes of a state dict.
        from_dict: reads one from plain JSON.
        build: makes the network.
        constants: last parts of names that are computed, never loaded.
    """

    released: Callable[[], _Config]
    from_shapes: Callable[[Shapes], _Config]
    from_dict: Callable[[Mapping[str, Any]], _Config]
    build: Callable[[Any], nn.Module]
    constants: frozenset[str] = frozenset()


NETWORKS = {
    "finerecon": Network(
        FineReconConfig, FineReconConfig.from_shapes, FineReconConfig.from_dict, FineRecon
    ),
    # The pixel grids depend on the resolution, the others follow from formulas.
    "simplerecon": Network(
        SimpleReconConfig,
        SimpleReconConfig.from_shapes,
        SimpleReconConfig.from_dict,
        SimpleRecon,
        frozenset({"pix_coords_13N", "eps", "linear_ramp_1d11", "filt"}),
    ),
    "sweepdepth": Network(
        SweepDepthConfig, SweepDepthConfig.from_shapes, SweepDepthConfig.from_dict, SweepDepth
    ),
    "gtr": Network(GtrConfig, GtrConfig.from_shapes, GtrConfig.from_dict, Gtr),
}


@functools.cache
def blueprints() -> tuple[Blueprint, ...]:
    """Return all networks for the weights room, which may not import them."""
    return tuple(_blueprint(name, network) for name, network in NETWORKS.items())


def _blueprint(name: str, network: Network) -> Blueprint:
    @functools.cache
    def released() -> Fitted:
        return _fitted(network, network.released())

    def fit(shapes: Shapes) -> Fitted:
        return _fitted(network, network.from_shapes(shapes))

    def configured(config: Mapping[str, Any]) -> Fitted:
        return _fitted(network, network.from_dict(config))

    return Blueprint(name, released, fit, configured, network.constants)


def _fitted(network: Network, config: _Config) -> Fitted:
    # The meta device keeps shapes and no numbers. A stranger's shapes may be odd enough for torch
    # to warn; they are compared in any case.
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        state = network.build(config).state_dict()
    specs = {
        name: Spec(tuple(value.shape), str(value.dtype).removeprefix("torch."))
        for name, value in state.items()
    }
    return Fitted(config.as_dict(), specs)
