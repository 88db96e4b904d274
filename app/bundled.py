"""Which weights came with the program."""

from app.weights import catalogue, shelf, weights_path


def bundled(network: str) -> str | None:
    """Return the name of the weights that came with the program for a network, None without.

    What the user has installed is left aside.
    """
    store = shelf()
    for entry in catalogue().entries:
        is_ours = entry.kind == "bundled" and entry.network == network
        if is_ours and weights_path(entry, store) is not None:
            return entry.name
    return None
