"""Which weights a scan uses: a file, an installed name, or made-up ones."""

from collections.abc import Sequence
from pathlib import Path

import torch

from app.method import BackendName
from app.weights import catalogue, load_network, shelf, weights_path
from engine.core.faults import BadInput, MissingPart
from engine.depth.backend import OpenVino
from engine.depth.corrected import CorrectedSweep
from engine.depth.learned import LearnedDepth
from engine.evaluation.parity.recipe import SplitmixRecipe, fill
from engine.nets.finerecon.config import FineReconConfig
from engine.nets.finerecon.model import FineRecon
from engine.nets.layout import channels_last
from engine.nets.simplerecon.model import SimpleRecon
from engine.nets.sweepdepth.model import Corrected, SweepDepth, Swept
from engine.weights.catalogue import Entry
from engine.weights.shelf import Shelf

TITLES = {
    "sweepdepth": "Learned depth",
    "finerecon": "FineRecon",
    "simplerecon": "SimpleRecon",
    "gtr": "GTR",
}


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


def corrected_sweep(
    weights: str | None,
    device: torch.device,
    dtype: torch.dtype,
    backend: BackendName = "torch",
) -> CorrectedSweep:
    """Return the plane sweep corrected by a network that computes in `dtype`.

    Raises:
        BadInput: no such weights, or weights of another network.
        MissingPart: none were named and none are installed, or the backend is not.
    """
    network = load_network(weights_file(weights, "sweepdepth", "--depth-weights"), "sweepdepth")
    assert isinstance(network, SweepDepth)
    half = None if dtype is torch.float32 else dtype
    if backend == "torch":
        return CorrectedSweep(network.to(device), half)
    # Always on the processor, whatever else the machine has.
    run: OpenVino[Swept, Corrected] = OpenVino(network, half)
    return CorrectedSweep(network, half, run)


def random_finerecon(seed: int) -> FineRecon:
    """Return a network whose numbers mean nothing: every stage runs, the surface is noise."""
    network = FineRecon(FineReconConfig()).eval()
    fill(network.state_dict(), SplitmixRecipe(seed))
    return channels_last(network)


def weights_file(wanted: str | None, network: str, option: str = "--weights") -> Path:
    """Return the file of a path or a name; without either, the one there is for a network.

    What a user has fetched or imported under a published name comes before what came with the
    program: he installed it on purpose. What he imported under another name has to be named.

    Raises:
        BadInput: there is no such file or name.
        MissingPart: none were named and there are none.
    """
    store, entries = shelf(), catalogue().entries
    if wanted is None:
        fitting = [entry for entry in entries if entry.network == network]
        for entry in sorted(fitting, key=lambda entry: entry.kind == "bundled"):
            found = weights_path(entry, store)
            if found is not None:
                return found
        imported = [name for name in store.names() if _network(store, name) == network]
        raise _missing(network, fitting, imported, option)
    if Path(wanted).is_file():
        return Path(wanted)
    for entry in entries:
        found = weights_path(entry, store)
        if entry.name == wanted and found is not None:
            return found
    if wanted in store.names():
        return store.weights(wanted)
    raise BadInput(
        f"There are no weights '{wanted}': no such file, and no such name is installed.",
        "'weights list' shows what is installed.",
    )


def _network(store: Shelf, name: str) -> str | None:
    record = store.record(name)
    return None if record is None else record.network


def _missing(
    network: str, fitting: Sequence[Entry], imported: Sequence[str], option: str
) -> MissingPart:
    title = TITLES.get(network, network)
    if imported:
        return MissingPart(
            f"{title} needs weights, and those that are installed have names of your own.",
            f"Use {option} {imported[0]}.",
        )
    ways = [f"Weights of your own are named with {option} FILE.safetensors."]
    if any(entry.kind == "published" for entry in fitting):
        ways[:0] = [
            "'weights list' says where its authors publish them;",
            "'weights import FILE' makes them usable here.",
        ]
    if any(entry.kind == "bundled" for entry in fitting):
        ways[:0] = ["Those that came with the program are gone: install it again."]
    return MissingPart(f"{title} needs weights, and none are installed.", " ".join(ways))
