"""The command line. Qt is loaded by `gui` alone."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from app import console
from app.console import progress_bars, stop_on_interrupt
from engine.core.faults import BadInput, Cancelled, Fault
from engine.core.grid import SURFACE_VOXELS_M
from engine.core.settings import Detail, Settings, preset

HELP = """Finescan turns recordings with depth into textured meshes: upright, in metres.

Without a command the window opens. Exit codes: 0 done, 2 bad input or usage, 1 a fault of ours.

A SOURCE is a recording (folder or archive; the format is found out by itself) or a synthetic
room such as 'synthetic:room?seed=7&frames=200'. Try: scan synthetic:room --out out/room
"""

app = typer.Typer(
    help=HELP, no_args_is_help=False, rich_markup_mode=None, pretty_exceptions_enable=False,
    add_completion=False,
)  # fmt: skip
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Source = Annotated[str, typer.Argument(help="Recording or synthetic: specification.")]


def main() -> None:
    """Run the command line; faults become two sentences and an exit code."""
    is_json = "--json" in sys.argv
    console.prepare_process(is_json)
    try:
        code = app(standalone_mode=False)
    except typer.TyperException as wrong:
        usage = BadInput(wrong.format_message(), "Add --help to see what is possible.")
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


@app.command()
def scan(
    source: Source,
    out: Annotated[Path, typer.Option(help="Folder for mesh.glb, preview.png and report.json.")],
    detail: Annotated[
        Detail, typer.Option("--preset", help="How much detail; sets voxels, texture, faces.")
    ] = "medium",
    voxel_m: Annotated[
        float | None, typer.Option(help=f"Voxel in metres: one of {SURFACE_VOXELS_M}.")
    ] = None,
    max_depth_m: Annotated[
        float | None, typer.Option(help="Ignore depth beyond this range in metres.")
    ] = None,
    memory_mb: Annotated[
        int | None, typer.Option(help="Ceiling of the volume; the rest moves to disk.")
    ] = None,
    texture: Annotated[bool, typer.Option(help="Paint the mesh from the photographs.")] = True,
    hold_out: Annotated[
        int, typer.Option(help="Leave every n-th frame out, and score renders against it.", min=0)
    ] = 0,
    headless: Annotated[bool, typer.Option(help="Scan without a window.")] = True,
    is_json: Json = False,
) -> None:
    """Turn a recording into a textured mesh on disk.

    Ctrl-C stops reading and finishes what was read.
    """
    if not headless:
        gui(source)
    from app.headless import scan as run
    from engine.sources.detect import open_source

    settings = _settings(detail, voxel_m, max_depth_m, memory_mb)
    with (
        open_source(source) as opened,
        progress_bars(is_json) as show,
        stop_on_interrupt() as is_stopped,
    ):
        outcome = run(opened, out, settings, show, texture, hold_out, is_stopped)
    report = outcome.report
    if is_json:
        console.print_json(report)
        return
    size = " x ".join(f"{edge:.2f}" for edge in report["size_m"])
    console.out.print(f"{report['source']['convention']}")
    for line in (*report["source"]["notes"], *report["source"]["warnings"]):
        console.out.print(f"  {line}", soft_wrap=True)
    console.out.print(
        f"{report['frames_used']} of {report['frames_read']} frames, {report['faces']:,} faces, "
        f"{report['surface_m2']:.1f} m2, {size} m, {report['seconds']['total']:.1f} s"
    )
    for name, value in report["metrics"].items():
        if isinstance(value, float):
            console.out.print(f"  {name:<18} {value:.4f}")
    console.out.print(f"Wrote {out / 'mesh.glb'}, {out / 'preview.png'}, {out / 'report.json'}")


@app.command()
def info(
    source: Source,
    sheet: Annotated[
        Path | None, typer.Option(help="Write a contact sheet of the first frames here (PNG).")
    ] = None,
    poses: Annotated[
        Path | None,
        typer.Option(help="Write camera-to-world poses here, one line 't x y z qx qy qz qw'."),
    ] = None,
    is_json: Json = False,
) -> None:
    """Say what a recording holds, and which pose convention was found in it."""
    from app.inspect_source import contact_sheet, summary, write_trajectory
    from engine.sources.detect import open_source

    with open_source(source) as opened:
        row = summary(opened)
        if sheet is not None:
            contact_sheet(opened, sheet)
            row["sheet"] = str(sheet)
        if poses is not None:
            write_trajectory(opened, poses)
            row["poses"] = str(poses)
    if is_json:
        console.print_json(row)
        return
    for name, value in row.items():
        for line in value if isinstance(value, list) else [value]:
            console.out.print(f"{name.replace('_', ' '):<14} {line}", soft_wrap=True)


@app.command()
def synth(
    source: Annotated[str, typer.Argument(help="What to record, usually synthetic:...")],
    out: Annotated[Path, typer.Option(help="Folder (or .r3d file) to write.")],
    layout: Annotated[str, typer.Option("--format", help="Format to write it in.")] = "archive",
    is_json: Json = False,
) -> None:
    """Write a synthetic recording, or any other, to disk in another recording format."""
    from engine.runtime.progress import run_job
    from engine.sources.detect import open_source
    from engine.sources.write.recording import write_recording

    with open_source(source) as opened, progress_bars(is_json) as show:
        written = run_job(write_recording(opened, out, layout), show, lambda: False)
    if is_json:
        console.print_json({"written": str(written), "format": layout})
    else:
        console.out.print(f"Wrote {written}")


@app.command()
def export(
    mesh: Annotated[Path, typer.Argument(help="A mesh: .glb .obj .ply .stl .usdz")],
    to: Annotated[Path, typer.Option(help="File to write; its ending names the format.")],
    target: Annotated[
        str, typer.Option(help="Who will read it: finescan blender unity unreal print ar.")
    ] = "finescan",
    detail: Annotated[
        Detail | None, typer.Option("--preset", help="Reduce to this detail first.")
    ] = None,
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Only say what the file would hold.")
    ] = False,
    is_json: Json = False,
) -> None:
    """Write a mesh in another format, for another program, or with fewer triangles."""
    from app.convert import convert, estimate_row

    with progress_bars(is_json) as show:
        if estimate:
            row = estimate_row(mesh, to, detail or "raw")
        else:
            row = convert(mesh, to, target, detail, show)
    if is_json:
        console.print_json(row)
        return
    for name, value in row.items():
        console.out.print(f"{name.replace('_', ' '):<14} {value}", soft_wrap=True)


@app.command()
def evaluate(
    mesh: Annotated[Path, typer.Argument(help="The mesh to judge.")],
    reference: Annotated[
        str, typer.Option(help="A mesh file, a recording with depth, or synthetic:...")
    ],
    max_depth_m: Annotated[
        float, typer.Option(help="What cameras saw farther is not judged.")
    ] = 5.0,
    is_json: Json = False,
) -> None:
    """Score a mesh against another mesh, a synthetic world, or a recording's own depth."""
    from app.judge import judge

    with progress_bars(is_json) as show:
        row = judge(mesh, reference, max_depth_m, show)
    if is_json:
        console.print_json(row)
        return
    for name, value in row.items():
        shown = f"{value:.4f}" if isinstance(value, float) else value
        console.out.print(f"{name.replace('_', ' '):<22} {shown}", soft_wrap=True)


@app.command()
def bench(
    suite: Annotated[str, typer.Option(help="fusion or kernels.")] = "fusion",
    source: Annotated[
        str | None, typer.Option(help="Recording to measure on; a synthetic room by default.")
    ] = None,
    voxel_m: Annotated[float, typer.Option(help="Voxel in metres.")] = 0.02,
    truncation_vox: Annotated[
        float, typer.Option(help="Truncation in voxels, the same for all.")
    ] = 8.0,
    frames: Annotated[int, typer.Option(help="Frames measured at most.")] = 250,
    is_json: Json = False,
) -> None:
    """Measure speed and memory beside a peer (Open3D) or a plain twin, in one run."""
    from app.bench import run_suite

    with progress_bars(is_json) as show:
        row = run_suite(suite, source, voxel_m, truncation_vox, frames, show)
    if is_json:
        console.print_json(row)
        return
    for name, value in row.items():
        shown = f"{value:.3f}" if isinstance(value, float) else value
        console.out.print(f"{name.replace('_', ' '):<28} {shown}", soft_wrap=True)


def _settings(
    detail: Detail, voxel_m: float | None, max_depth_m: float | None, memory_mb: int | None
) -> Settings:
    """Return the preset with what the options change.

    Raises:
        BadInput: a value out of range.
    """
    changes: dict[str, dict[str, Any]] = {
        "volume": _given(voxel_m=voxel_m, memory_mb=memory_mb),
        "depth": _given(max_m=max_depth_m),
    }
    tree = preset(detail).model_dump()
    for branch, values in changes.items():
        tree[branch].update(values)
    return parse_settings(tree)


def _given(**options: float | None) -> dict[str, float]:
    return {name: value for name, value in options.items() if value is not None}


def parse_settings(tree: dict[str, Any]) -> Settings:
    """Return a checked settings tree.

    Raises:
        BadInput: an unknown key or a value out of range; the sentence names it.
    """
    from pydantic import ValidationError

    try:
        return Settings.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BadInput(
            f"The setting {where} cannot be {first['input']!r}: {first['msg']}."
        ) from None
