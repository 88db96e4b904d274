"""The command `train`: networks learn from worlds that are made while they do."""

from pathlib import Path
from typing import Annotated

import typer

from app import console
from app.console import progress_bars, stop_on_interrupt
from engine.core.faults import Cancelled
from engine.core.news import Progress

EXAMPLE = """\b
Examples:
  run_scanner.py train depth --out out/depth --minutes 60      an hour of it
  run_scanner.py train depth --out out/depth --resume          and on, to the end
  run_scanner.py train finerecon --size published --out out/f  the published size

On several GPUs, or where little is installed: torchrun -m engine.training depth ...
"""


def train(
    recipe: Annotated[str, typer.Argument(help="depth or finerecon.")],
    out: Annotated[Path, typer.Option(help="Folder of the run: checkpoints, logs, weights.")],
    minutes: Annotated[
        float | None, typer.Option(help="Stop and save within so many minutes.")
    ] = None,
    is_resumed: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in that folder.")
    ] = False,
    size: Annotated[
        str | None, typer.Option(help="smoke, small or published; small by default.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of weights, worlds and chance.")] = None,
    steps: Annotated[int | None, typer.Option(help="Length of the whole run.")] = None,
    batch: Annotated[int | None, typer.Option(help="Samples a step.")] = None,
    rate: Annotated[float | None, typer.Option(help="Highest learning rate.")] = None,
    width: Annotated[int | None, typer.Option(help="Of pictures.")] = None,
    height: Annotated[int | None, typer.Option(help="Of pictures.")] = None,
    textures: Annotated[
        Path | None, typer.Option(help="Folder with index.csv and photographs of materials.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    is_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object and nothing else.")
    ] = False,
) -> None:
    """Train a network. What is saved can be resumed exactly; Ctrl-C saves and ends.

    The folder holds log.csv, validation.csv and sheet.png of worlds that are never learned from,
    and weights.safetensors, the averaged weights in half precision.
    """
    from engine.training.command import start

    given = {
        "size": size, "seed": seed, "steps": steps, "batch": batch, "rate": rate, "width": width,
        "height": height, "textures": None if textures is None else str(textures),
    }  # fmt: skip
    row: dict[str, object] = {"recipe": recipe, "out": str(out)}
    with progress_bars(is_json) as show, stop_on_interrupt() as is_stopped:
        news = start(recipe, out, given, minutes, is_resumed, device, lambda: not is_stopped())
        for latest in news:
            show(Progress("training", latest.step, latest.steps))
            row |= {"step": latest.step, "steps": latest.steps, **latest.metrics}
            if latest.row:
                names = ("loss", "samples_per_s", "wait_share")
                row |= {name: latest.row[name] for name in names if name in latest.row}
        was_stopped = is_stopped()
    console.print_row(row, is_json)
    if was_stopped:
        raise Cancelled("Stopped as asked.", "Go on with --resume.")
