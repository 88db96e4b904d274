"""The command `weights`: what there is, and how it gets here."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from app import examples
from app.cli import console
from app.cli.console import progress_bars
from engine.core.faults import BadInput, Cancelled
from engine.runtime.progress import run_job

weights = typer.Typer(
    help="Weights of the networks: what there is, fetch it, import your own, verify it.",
    epilog=examples.WEIGHTS,
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
)
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
REFUSED = 2
NOT_AS_IT_WAS = 1


@weights.command("list", short_help="Say which weights there are.")
def list_weights(is_json: Json = False) -> None:
    """Say which weights there are, on what terms, and which are installed."""
    from app.weights import catalogue, rows, shelf

    store = shelf()
    found = rows(store, catalogue())
    if is_json:
        console.print_json({"folder": str(store.folder), "weights": found})
        return
    line = "{:<20} {:<11} {:>7}  {:<9} {}"
    console.out.print(line.format("name", "network", "size", "installed", "terms"))
    for row in found:
        megabytes = row.get("weights_bytes", row["bytes"]) / 1e6
        size = f"{megabytes:.0f} MB" if megabytes >= 10 else f"{megabytes:.1f} MB"
        licence = row["licence"]
        terms = "non-commercial use" if licence["is_non_commercial"] else licence["name"]
        installed = "yes" if row["installed"] else "no"
        console.out.print(line.format(row["name"], row["network"], size, installed, terms))
    console.out.print(f"Folder: {store.folder}")


@weights.command(short_help="Download weights.", epilog=examples.WEIGHTS_FETCH)
def fetch(
    name: Annotated[str, typer.Argument(help="A name that 'weights list' shows.")],
    is_licence_accepted: Annotated[
        bool, typer.Option("--accept-licence", help="Agree to the licence without being asked.")
    ] = False,
    is_json: Json = False,
) -> None:
    """Download weights from their authors, after showing the licence, and import them.

    A download that broke off goes on where it stopped.
    """
    from app.weights import catalogue, fetch_weights, shelf, weights_path

    store, entries = shelf(), catalogue()
    entry = entries.entry(name)
    present = weights_path(entry, store)
    if present is not None:
        _report({"name": name, "path": str(present), "refused": None}, is_json)
        return
    if entry.url is not None:
        _agree(entry.model_dump(mode="json"), is_licence_accepted)
    with progress_bars(is_json) as show:
        imported = run_job(fetch_weights(entry, store, entries), show, lambda: False)
    _report(imported.row, is_json)


@weights.command(
    "import", short_help="Take in a checkpoint of your own.", epilog=examples.WEIGHTS_IMPORT
)
def import_file(
    file: Annotated[
        Path, typer.Argument(help="A checkpoint: .ckpt .pth .pt .safetensors, or a zip of one.")
    ],
    name: Annotated[
        str | None, typer.Option(help="Name to install it under; found out by default.")
    ] = None,
    is_json: Json = False,
) -> None:
    """Turn a published checkpoint into weights of this program, running nothing in it.

    Names, shapes and types are compared with the network's; what is missing or extra is listed.
    Exit code 2 when something is missing or the file is refused.
    """
    from app.weights import catalogue, import_weights, refused_row, shelf

    try:
        with progress_bars(is_json) as show:
            job = import_weights(file, shelf(), catalogue(), name)
            row = run_job(job, show, lambda: False).row
    except BadInput as refusal:
        if not is_json:
            raise
        row = refused_row(str(refusal))
    _report(row, is_json)


@weights.command(short_help="Check that installed weights are unchanged.")
def verify(
    names: Annotated[list[str] | None, typer.Argument(help="Names; all by default.")] = None,
    is_json: Json = False,
) -> None:
    """Hash weights again and compare. Exit code 1 when one is not what it was.

    Those that come with the program must also be small and have their model card.
    """
    from app.weights import ASSETS, catalogue, shelf
    from engine.weights.verify import verify as compare

    with progress_bars(is_json) as show:
        job = compare(shelf(), ASSETS, catalogue(), names or [])
        verdicts = run_job(job, show, lambda: False)
    is_ok = all(verdict.state == "ok" for verdict in verdicts)
    if is_json:
        found = {
            v.name: {
                "state": v.state, "path": str(v.path), "sha256": v.sha256, "expected": v.expected
            }
            for v in verdicts
        }  # fmt: skip
        console.print_json({"weights": found, "ok": is_ok})
    elif not verdicts:
        console.out.print("No weights are installed.")
    for verdict in [] if is_json else verdicts:
        console.out.print(f"{verdict.name:<24} {verdict.state:<9} {verdict.path}")
    if not is_ok:
        console.err.print(
            "Not all weights are as they were installed: import or fetch them again; "
            "what came with the program comes back by installing it again."
        )
        raise typer.Exit(NOT_AS_IT_WAS)


@weights.command(hidden=True)
def bundle(
    file: Annotated[Path, typer.Argument(help="weights.safetensors of a training run.")],
    name: Annotated[str, typer.Option(help="Name to ship it under.")],
    what: Annotated[str, typer.Option(help="One line for people.")],
    needed_by: Annotated[
        list[str] | None, typer.Option(help="What cannot run without it; may be repeated.")
    ] = None,
) -> None:
    """Make weights of ours part of the program; their model card must be in assets/weights."""
    from app.weights import ASSETS, load_network
    from engine.weights.bundle import bundle as take_in
    from engine.weights.store import load

    load_network(file, load(file).network)
    entry = take_in(file, ASSETS, name, what, tuple(needed_by or ()))
    console.out.print(f"{entry.name}: {entry.bytes} bytes, sha256 {entry.sha256}")


def _agree(entry: dict[str, Any], is_accepted: bool) -> None:
    """Show the terms, and ask for agreement where it was not given."""
    licence = entry["licence"]
    console.err.print(f"{entry['name']}: {entry['what']}, by {entry['authors']}")
    console.err.print(f"From {entry['url']}, {entry['weights_bytes'] / 1e6:.0f} MB or more.")
    console.err.print(f"Licence: {licence['name']} ({licence['spdx']}), {licence['url']}")
    for sentence in licence["says"]:
        console.err.print(f"  - {sentence}")
    if is_accepted:
        return
    if not _is_terminal():
        raise BadInput(
            f"The licence of {entry['name']} has to be agreed to, and nobody can be asked here.",
            "Read it, then add --accept-licence.",
        )
    if not typer.confirm("Do you agree to this licence?", err=True):
        raise Cancelled("Nothing was downloaded.")


def _is_terminal() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


def _report(row: dict[str, Any], is_json: bool) -> None:
    """Print what became of an import; leave with an exit code when nothing was installed."""
    if is_json:
        console.print_json(row)
        if row["refused"] is not None:
            raise typer.Exit(REFUSED)
        return
    for what in ("missing", "extra"):
        for name in row.get(what, ()):
            console.out.print(f"{what:<8} {name}")
    if row["refused"] is not None:
        raise BadInput(row["refused"], "Nothing was installed.")
    if "loaded" in row:
        console.out.print(f"{row['loaded']} entries of {row['network']}")
    console.out.print(f"Installed as {row['name']}: {row['path']}")
