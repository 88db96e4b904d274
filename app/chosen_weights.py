"""Which weights a scan uses: a file, an installed name, or made-up ones."""

from pathlib import Path

import torch

from app.weights import catalogue, load_network, shelf, weights_path
from engine.core.faults import BadInput, MissingPart
from engine.depth.learned import LearnedDepth
from engine.evaluation.parity.recipe import SplitmixRecipe, fill
from engine.nets.finerecon.config import FineReconConfig
from engine.nets.finerecon.model import FineRecon
from engine.nets.layout import channels_last
from engine.nets.simplerecon.model import SimpleRecon

TITLES = {"finerecon": "FineRecon", "simplerecon": "SimpleRecon"}


def finerecon(weights: str | None) -> FineRecon:
    """Return the network on the CPU, in evaluation mode.

    Raises:
        BadInput: no such weights, or weights of another network.
        MissingPart: none were named and none are installed.
    """
    network = load_network(weights_file(weights, "finerecon", "--weights"), "finerecon")
    assert isinstance(network, FineRecon)
    return network


def simplerecon(weights: str | None, device: torch.device, dtype: torch.dtype) -> LearnedDepth:
    """Return the learned depth estimator; its network computes in `dtype`.

    Raises:
        BadInput: no such weights, or weights of another network.
        MissingPart: none were named and none are installed.
    """
    network = load_network(weights_file(weights, "simplerecon", "--depth-weights"), "simplerecon")
    assert isinstance(network, SimpleRecon)
    return LearnedDepth(network.to(device), None if dtype is torch.float32 else dtype)


def random_finerecon(seed: int) -> FineRecon:
    """Return a network whose numbers mean nothing: every stage runs, the surface is noise."""
    network = FineRecon(FineReconConfig()).eval()
    fill(network.state_dict(), SplitmixRecipe(seed))
    return channels_last(network)


def weights_file(wanted: str | None, network: str, option: str) -> Path:
    """Return the file of a path or an installed name; without either, the one installed.

    Raises:
        BadInput: there is no such file or name.
        MissingPart: none were named and none are installed.
    """
    store = shelf()
    if wanted is None:
        for entry in catalogue().entries:
            found = weights_path(entry, store)
            if entry.network == network and found is not None and found.is_file():
                return found
        raise MissingPart(
            f"{TITLES[network]} needs weights, and none are installed.",
            "'weights list' says where its authors publish them; 'weights import FILE' makes them "
            f"usable here. Weights of your own are named with {option} FILE.safetensors.",
        )
    if Path(wanted).is_file():
        return Path(wanted)
    if wanted in store.names():
        return store.weights(wanted)
    raise BadInput(
        f"There are no weights '{wanted}': no such file, and no such name is installed.",
        "'weights list' shows what is installed.",
    )
