"""What the command line prints: progress for people, JSON for machines, faults in two sentences."""

import json
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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

from engine.core.faults import Fault
from engine.core.news import Progress

# Results go to standard output, everything else to standard error, so that --json can be piped.
out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


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
    sys.stdout.write(json.dumps(row, indent=2) + "\n")


def report_fault(fault: Fault, is_json: bool) -> None:
    """Say what happened and what to do; in JSON too where that was asked for."""
    if is_json:
        print_json({"error": fault.says, "remedy": fault.remedy, "exit_code": fault.exit_code})
    err.print(f"[bold red]{fault.says}[/]", soft_wrap=True)
    if fault.remedy:
        err.print(fault.remedy, soft_wrap=True)
