"""The command line. Qt is loaded by `gui` alone."""

import sys
from typing import Annotated

import typer

from app import examples
from app.cli import console
from app.cli.parity import EXAMPLE as PARITY_EXAMPLE
from app.cli.parity import parity
from app.cli.scan import scan
from app.cli.tools import bench, evaluate, evaluate_depth, export, info, synth
from app.cli.train import EXAMPLE as TRAIN_EXAMPLE
from app.cli.train import train
from app.cli.weights import weights
from engine.core.faults import BadInput, Cancelled, Fault

HELP = """Finescan turns recordings into textured meshes: upright, in metres.

Without a command the window opens. A SOURCE is a recording (a folder or an archive; its format
is found out) or a made-up room such as 'synthetic:room?seed=7&frames=200'.

\b
First steps:
  run_scanner.py scan synthetic:room --out out/room     a room that needs no camera
  run_scanner.py info recording/                        what is in a recording
  run_scanner.py scan recording/ --out out/mine         its mesh
  run_scanner.py export out/mine/mesh.glb --to mine.obj --target blender

Lengths are metres. Results go to standard output, progress and errors to standard error.
Exit codes: 0 done, 2 bad input or usage, 1 a fault of ours, 130 given up by Ctrl-C.
"""

app = typer.Typer(
    help=HELP, no_args_is_help=False, rich_markup_mode=None, pretty_exceptions_enable=False,
    add_completion=False,
)  # fmt: skip


def main() -> None:
    """Run the command line; faults become two sentences and an exit code."""
    is_json = "--json" in sys.argv
    console.prepare_process(is_json)
    try:
        code = app(standalone_mode=False)
    except typer.TyperException as wrong:
        usage = BadInput(
            f"{wrong.format_message().rstrip('.')}.", "Add --help to see what is possible."
        )
        console.report_fault(usage, is_json, wrong.exit_code)
        sys.exit(wrong.exit_code)
    except Cancelled as stopped:
        console.report_fault(stopped, is_json, console.STOPPED)
        sys.exit(console.STOPPED)
    except Fault as fault:
        console.report_fault(fault, is_json, fault.exit_code)
        sys.exit(fault.exit_code)
    if code == console.STOPPED:
        given_up = Cancelled("Interrupted.", "Nothing was written; older results are as they were.")
        console.report_fault(given_up, is_json, code)
    sys.exit(code or 0)


@app.callback(invoke_without_command=True)
def start(context: typer.Context) -> None:
    """Open the window when no command is given."""
    if context.invoked_subcommand is None:
        gui()


@app.command()
def gui(source: Annotated[str | None, typer.Argument(help="Open this at once.")] = None) -> None:
    """Open the scanning window."""
    from app.gui import main as window

    sys.exit(window(source))


app.command(epilog=examples.SCAN)(scan)
app.command(epilog=examples.INFO)(info)
app.command(epilog=examples.SYNTH)(synth)
app.command(epilog=examples.EXPORT)(export)
app.command(epilog=examples.EVALUATE)(evaluate)
app.command(epilog=examples.EVALUATE_DEPTH)(evaluate_depth)
app.command(epilog=examples.BENCH)(bench)
app.add_typer(weights, name="weights")
app.command(epilog=PARITY_EXAMPLE)(parity)
app.command(epilog=TRAIN_EXAMPLE)(train)
