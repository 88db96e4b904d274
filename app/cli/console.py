"""What the command line prints: progress for people, JSON for machines, faults in two sentences."""

import io
import logging
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import (
    Progress as Bars,
)

from app.rows import as_json
from engine.core.faults import Fault
from engine.core.news import Progress

STOPPED = 130
log = logging.getLogger(__name__)


class _Output(Console):
    """Prints text as it is; a reader that goes away, as `head` does, stops no work."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.file.fileno())


# Results go to standard output, everything else to standard error, so that --json can be piped.
# Paths and messages may hold brackets and colons, so neither markup nor emoji codes are read.
out = _Output(highlight=False, markup=False, emoji=False, soft_wrap=True)
err = _Output(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)


def prepare_process(is_json: bool) -> None:
    """Make every end of this process a clean one: odd file names, crashes, a wish to end it."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if is_json:
        _keep_output_to_ourselves()
    signal.signal(signal.SIGTERM, _end)
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    log_path = Path(tempfile.gettempdir()) / f"finescan-{os.getpid()}.log"
    # Made when the first line is written: most runs leave none.
    logging.basicConfig(
        handlers=[logging.FileHandler(log_path, delay=True)],
        level=logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )

    def crashed(
        kind: type[BaseException], error: BaseException, where: TracebackType | None
    ) -> None:
        if isinstance(error, KeyboardInterrupt):
            return
        log.critical("Crashed", exc_info=(kind, error, where))
        fault = Fault(
            f"Finescan itself failed: {kind.__name__}: {error}.",
            f"Please report this with the log {log_path}.",
        )
        report_fault(fault, is_json, fault.exit_code)

    sys.excepthook = crashed


def _keep_output_to_ourselves() -> None:
    """Send what libraries print to standard error; standard output then holds results alone."""
    if sys.stdout is None:
        return  # closed by whoever started us
    sys.stdout.flush()
    out.file = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)


def _end(*_: object) -> None:
    # As Ctrl-C does, so that drafts and temporary folders are cleared on the way out.
    raise KeyboardInterrupt


@contextmanager
def progress_bars(is_quiet: bool) -> Iterator[Callable[[Progress], None]]:
    """Show one bar a stage, with its rate and the time it still needs."""
    if is_quiet:
        yield lambda _: None
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description:<12}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]:>9}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=err) as bars:
        tasks: dict[str, TaskID] = {}

        def show(step: Progress) -> None:
            if step.stage not in tasks:
                for task in tasks.values():
                    bars.update(task, completed=bars.tasks[task].total)
                tasks[step.stage] = bars.add_task(step.stage, rate="")
            speed = bars.tasks[tasks[step.stage]].speed
            bars.update(
                tasks[step.stage],
                completed=step.done,
                total=step.total or None,
                rate=f"{speed:.0f}/s" if speed and speed >= 1 else "",
            )

        yield show
        for task in tasks.values():
            bars.update(task, completed=bars.tasks[task].total)


@contextmanager
def stop_on_interrupt() -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C into a wish to stop that can be asked for; the second interrupts."""
    wished = False

    def wish(*_: object) -> None:
        nonlocal wished
        if wished:
            raise KeyboardInterrupt
        wished = True
        err.print("Stopping; what was read is kept. Press Ctrl-C again to give up at once.")

    before = signal.signal(signal.SIGINT, wish)
    try:
        yield lambda: wished
    finally:
        signal.signal(signal.SIGINT, before)


def print_json(row: dict[str, Any]) -> None:
    """Print one JSON object, alone on standard output."""
    out.print(as_json(row), end="")


def print_row(row: dict[str, Any], is_json: bool, width: int = 14) -> None:
    """Print a row as JSON, or one line a value behind names padded to `width`."""
    if is_json:
        print_json(row)
        return
    for name, value in row.items():
        is_text = isinstance(value, list) and all(isinstance(line, str) for line in value)
        for line in value if is_text else [value]:
            shown = f"{line:.4f}" if isinstance(line, float) else line
            out.print(f"{name.replace('_', ' '):<{width}} {shown}")


def report_fault(fault: Fault, is_json: bool, exit_code: int) -> None:
    """Say what happened and what to do; in JSON too where that was asked for."""
    if is_json:
        print_json({"error": fault.says, "remedy": fault.remedy, "exit_code": exit_code})
    err.print(fault.says, style="bold red")
    if fault.remedy:
        err.print(fault.remedy)
