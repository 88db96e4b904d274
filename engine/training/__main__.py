"""`python -m engine.training RECIPE`: training where only torch, numpy and OpenCV are installed."""

import argparse
import signal
import sys
from dataclasses import fields
from pathlib import Path

from engine.core.faults import Fault
from engine.training.command import RECIPES, SIZES, Options, start
from engine.training.loop import News
from engine.training.sizes import FINERECON_VARIANTS

STOPPED = 130
NOT_LEARNED = 1


def main() -> int:
    """Train as the arguments say; return the exit code.

    0 done or time up, 1 a fault of ours or less learned than asked for, 2 bad input, 130 stopped.
    """
    arguments = _parser().parse_args()
    given = {field.name: getattr(arguments, field.name) for field in fields(Options)}
    wish = _Wish()
    signal.signal(signal.SIGINT, wish)
    signal.signal(signal.SIGTERM, wish)
    losses: list[float] = []
    try:
        for news in start(
            arguments.recipe,
            arguments.out,
            given,
            arguments.minutes,
            arguments.resume,
            arguments.device,
            lambda: not wish.is_there,
        ):
            sys.stderr.write(line(news) + "\n")
            if "loss" in news.row:
                losses.append(news.row["loss"])
    except Fault as fault:
        sys.stderr.write(f"{fault}\n")
        return fault.exit_code
    if wish.is_there:
        sys.stderr.write("Stopped as asked; go on with --resume.\n")
        return STOPPED
    if arguments.fall is None:
        return 0
    fell = losses[0] / losses[-1] if losses else 0.0
    sys.stderr.write(f"The loss fell by a factor of {fell:.2f}; asked for: {arguments.fall:g}.\n")
    return 0 if fell >= arguments.fall else NOT_LEARNED


class _Wish:
    """Somebody's wish to stop: the first one ends the run after its step, the second at once."""

    def __init__(self) -> None:
        self.is_there = False

    def __call__(self, *_: object) -> None:
        if self.is_there:
            raise KeyboardInterrupt
        self.is_there = True
        sys.stderr.write("Stopping after this step; press Ctrl-C again to lose what is unsaved.\n")


def line(news: News) -> str:
    """Return news as one line of text."""
    parts = [f"{news.step}/{news.steps}"]
    if "loss" in news.row:
        parts.append(f"loss {news.row['loss']:.4f}")
    if news.row:
        parts.append(f"{news.row['samples_per_s']:.1f} samples/s")
        parts.append(f"waiting for data {100 * news.row['wait_share']:.0f} %")
        if news.row["skipped"]:
            parts.append(f"{news.row['skipped']:.0f} steps skipped, no finite loss")
    parts += [f"{name} {value:.4f}" for name, value in news.metrics.items()]
    return "  ".join(parts)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m engine.training",
        description="Train a network on worlds made while it learns. Several GPUs: "
        "torchrun --nproc-per-node N -m engine.training ...",
    )
    parser.add_argument("recipe", help=" or ".join(RECIPES))
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--resume", action="store_true", help="go on with the run in that folder")
    parser.add_argument("--minutes", type=float, help="stop and save within so many minutes")
    parser.add_argument(
        "--fall", type=float, help="exit with 1 unless the loss falls by this factor"
    )
    parser.add_argument("--size", help=", ".join(SIZES) + "; small by default")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--steps", type=int, help="length of the whole run")
    parser.add_argument("--batch", type=int, help="samples a step, in each process")
    parser.add_argument("--rate", type=float, help="highest learning rate")
    parser.add_argument("--width", type=int, help="of pictures")
    parser.add_argument("--height", type=int, help="of pictures")
    parser.add_argument("--textures", help="folder with index.csv and photographs of materials")
    parser.add_argument("--kept", type=int, help="draw so many batches, then go through them again")
    parser.add_argument("--kept-folder", help="where they lie; the run's own by default")
    parser.add_argument("--recordings", help="folder with samples of recordings")
    parser.add_argument(
        "--recording-share", type=float, help="of the batches, shows recordings; 0.3 by default"
    )
    parser.add_argument("--variant", help=f"of finerecon: {', '.join(FINERECON_VARIANTS)}")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    return parser


if __name__ == "__main__":
    sys.exit(main())
