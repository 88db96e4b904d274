"""The command `parity`: our networks held against stored numbers."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli import console
from app.cli.console import progress_bars
from engine.runtime.progress import run_job

NOT_WITHIN_TOLERANCE = 1
EXAMPLE = """\b
Example:
  run_scanner.py parity ../shared/parity/finerecon --json
"""


def parity(
    folder: Annotated[
        Path,
        typer.Argument(help="A fixture: manifest, seed and configuration as JSON, arrays as npz."),
    ],
    is_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object and nothing else.")
    ] = False,
) -> None:
    """Rebuild a network by a fixture's recipe and compare every stored output.

    Errors are shares of the largest stored value. Exit code 0 when all are within tolerance, 1
    when not, 2 for a folder that is no fixture. An output that cannot be compared at all has the
    error 1e300.
    """
    from engine.evaluation.parity.run import run

    with progress_bars(is_json) as show:
        report = run_job(run(folder), show, lambda: False)
    if is_json:
        console.print_json(report.as_json(str(folder)))
    else:
        console.out.print(f"{'output':<48} {'error':>9} {'tolerance':>9}")
        for check in report.checks:
            verdict = "ok" if check.ok else "TOO FAR"
            console.out.print(f"{check.name:<48} {check.rel_err:9.1e} {check.tol:9.1e} {verdict}")
        count = sum(not check.ok for check in report.checks)
        total = len(report.checks)
        console.out.print(f"{report.network}: {total - count} of {total} outputs within tolerance")
    if not report.ok:
        raise typer.Exit(NOT_WITHIN_TOLERANCE)
