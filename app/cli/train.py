"""The command `train`: networks learn from worlds that are made while they do."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli import console
from app.cli.console import progress_bars, stop_on_interrupt
from engine.core.faults import Cancelled
from engine.core.news import Progress

EXAMPLE = """\b
Examples:
  run_scanner.py train depth --out out/depth --minutes 60      an hour of it
  run_scanner.py train depth --out out/depth --resume          and on, to the end
  run_scanner.py train finerecon --size published --out out/f  the published size
  run_scanner.py train gtr --out out/objects --kept 160        objects, drawn once and kept
  run_scanner.py train depth --out out/mine --recording ROOM   your own rooms among the worlds

On several GPUs, or where little is installed: torchrun -m engine.training depth ...
"""

RECORDINGS = "recordings"
LICENCE_WARNING = (
    "Weights that learned from recordings fall under the licence of those recordings: "
    "look there before you pass them on."
)


def train(
    recipe: Annotated[str, typer.Argument(help="sweepdepth, depth, finerecon or gtr.")],
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
    kept: Annotated[
        int | None, typer.Option(help="Draw so many batches, then go through them again.")
    ] = None,
    kept_folder: Annotated[
        Path | None, typer.Option(help="Where they lie; the run's own folder by default.")
    ] = None,
    recording: Annotated[
        list[str] | None,
        typer.Option(help="Learn from a recording with sensor depth as well; may be repeated."),
    ] = None,
    recording_share: Annotated[
        float | None, typer.Option(help="Of the batches, shows recordings; 0.3 by default.")
    ] = None,
    variant: Annotated[
        str | None,
        typer.Option(help="Of finerecon: full, no-guidance, no-points or interpolated."),
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
    from app.scanned_samples import Scanned
    from app.sweeper import sweep
    from app.training_samples import keep_samples
    from engine.runtime.progress import run_job
    from engine.training.command import Pictures, start

    given = {
        "size": size, "seed": seed, "steps": steps, "batch": batch, "rate": rate, "width": width,
        "height": height, "textures": None if textures is None else str(textures),
        "kept": kept, "kept_folder": None if kept_folder is None else str(kept_folder),
        "recordings": str(out / RECORDINGS) if recording else None,
        "recording_share": recording_share, "variant": variant,
    }  # fmt: skip
    if recording:
        console.err.print(LICENCE_WARNING)
    row: dict[str, object] = {"recipe": recipe, "out": str(out)}
    with progress_bars(is_json) as show, stop_on_interrupt() as is_stopped:

        def convert(wanted: Pictures) -> None:
            # A run that is resumed has its samples already.
            if recording:
                run_job(keep_samples(recording, out / RECORDINGS, wanted), show, is_stopped)

        for latest in start(
            recipe,
            out,
            given,
            minutes,
            is_resumed,
            device,
            lambda: not is_stopped(),
            convert,
            sweep,
            Scanned(),
        ):
            show(Progress("training", latest.step, latest.steps))
            row |= {"step": latest.step, "steps": latest.steps, **latest.metrics}
            if latest.row:
                names = ("loss", "samples_per_s", "wait_share")
                row |= {name: latest.row[name] for name in names if name in latest.row}
        was_stopped = is_stopped()
    console.print_row(row, is_json)
    if was_stopped:
        raise Cancelled("Stopped as asked.", "Go on with --resume.")
