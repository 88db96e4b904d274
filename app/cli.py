"""The command line. Qt is loaded by `gui` alone."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from app import console, examples
from app.console import progress_bars, stop_on_interrupt
from engine.core.faults import BadInput, Cancelled, Fault
from engine.core.grid import SURFACE_VOXELS_M
from engine.core.settings import Detail

HELP = """Finescan turns recordings with depth into textured meshes: upright, in metres.

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
VOXELS = ", ".join(f"{voxel_m:g}" for voxel_m in SURFACE_VOXELS_M)
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Source = Annotated[
    str, typer.Argument(help="A recording, or 'synthetic:room?seed=7&frames=200&size=640x480'.")
]


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


@app.command(epilog=examples.SCAN)
def scan(
    source: Source,
    out: Annotated[
        Path,
        typer.Option(
            help="Folder for mesh.glb, preview.png and report.json; made if needed. Older results "
            "in it are replaced once the new ones are complete."
        ),
    ],
    detail: Annotated[
        Detail,
        typer.Option(
            "--preset",
            help="How much detail: preview has voxels of 4 cm, reduced and medium 2 cm, full and "
            "raw 1 cm; textures and triangle counts grow likewise.",
        ),
    ] = "medium",
    voxel_m: Annotated[
        float | None,
        typer.Option(
            help=f"Voxel in metres instead of the preset's: {VOXELS}. Half the voxel "
            "needs about four times the memory."
        ),
    ] = None,
    max_depth_m: Annotated[
        float | None,
        typer.Option(help="Ignore depth beyond this many metres; 5 without this option."),
    ] = None,
    memory_mb: Annotated[
        int | None,
        typer.Option(
            help="Memory for the volume in MB, at least 64; what is more moves to disk. "
            "The presets take 2048, full and raw 4096."
        ),
    ] = None,
    track: Annotated[
        str,
        typer.Option(
            help="Where the camera's poses jump, a recording falls into tracks that do "
            "not fit each other: scan the longest, a number counted from 1, or all."
        ),
    ] = "longest",
    texture: Annotated[bool, typer.Option(help="Paint the mesh from the photographs.")] = True,
    hold_out: Annotated[
        int,
        typer.Option(
            help="Leave every n-th frame out and score renders against it (PSNR, SSIM); "
            "2 or more, 0 for none.",
            min=0,
        ),
    ] = 0,
    headless: Annotated[
        bool, typer.Option(help="Scan without a window, or open the source in one.")
    ] = True,
    is_json: Json = False,
) -> None:
    """Turn a recording into a textured mesh on disk.

    Ctrl-C stops reading and finishes what was read; a second one gives up and writes nothing.
    """
    if not headless:
        gui(source)
    from app.headless import scan as run
    from app.options import scan_settings
    from engine.sources.detect import open_source

    settings = scan_settings(detail, voxel_m, max_depth_m, memory_mb)
    if hold_out == 1:
        raise BadInput("Holding out every frame leaves none to scan.", "Use --hold-out 2 or more.")
    with (
        open_source(source) as opened,
        progress_bars(is_json) as show,
        stop_on_interrupt() as is_stopped,
    ):
        outcome = run(opened, out, settings, show, texture, hold_out, is_stopped, track)
    report = outcome.report
    if is_json:
        console.print_json(report)
        return
    size = " x ".join(f"{edge:.2f}" for edge in report["size_m"])
    found = report["source"]
    console.out.print(found["convention"])
    for line in (*found["notes"], *found["warnings"]):
        console.out.print(f"  {line}")
    for reason, count in found["skipped"].items():
        console.out.print(f"  Left out, {reason}: {count}")
    if found["broke_off"]:
        console.out.print(f"  Incomplete: {found['broke_off']}")
    console.out.print(
        f"{report['frames_used']} of {report['frames_read']} frames, {report['faces']:,} faces, "
        f"{report['surface_m2']:.1f} m2, {size} m, {report['seconds']['total']:.1f} s"
    )
    if report["volume"]["on_disk_mb"]:
        console.out.print(
            f"  The volume reached its ceiling of {report['settings']['volume']['memory_mb']} MB; "
            f"{report['volume']['on_disk_mb']:.0f} MB of it moved to disk."
        )
    for name, value in report["metrics"].items():
        if isinstance(value, float):
            console.out.print(f"  {name:<18} {value:.4f}")
    console.out.print(f"Wrote {out / 'mesh.glb'}, {out / 'preview.png'}, {out / 'report.json'}")


@app.command(epilog=examples.INFO)
def info(
    source: Source,
    sheet: Annotated[
        Path | None,
        typer.Option(
            help="Write a contact sheet of the first frames here (PNG); pixels without "
            "depth are tinted."
        ),
    ] = None,
    poses: Annotated[
        Path | None,
        typer.Option(
            help="Write camera-to-world poses here, one line 't x y z qx qy qz qw' a "
            "frame: seconds, metres, +Z up."
        ),
    ] = None,
    is_json: Json = False,
) -> None:
    """Say what a recording holds and how its poses are meant."""
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
            console.out.print(f"{name.replace('_', ' '):<14} {line}")


@app.command(epilog=examples.SYNTH)
def synth(
    source: Source,
    out: Annotated[Path, typer.Option(help="New or empty folder to write.")],
    layout: Annotated[
        str,
        typer.Option(
            "--format",
            help="archive (our own), 7-scenes, tum, scannet, open3d, stray-scanner, record3d, "
            "record3d-r3d, ios-logger, polycam, nerfcapture, nerfstudio or arkitscenes.",
        ),
    ] = "archive",
    is_json: Json = False,
) -> None:
    """Write a recording, made-up or real, in another format."""
    from engine.runtime.progress import run_job
    from engine.sources.detect import open_source
    from engine.sources.write.recording import write_recording

    with open_source(source) as opened, progress_bars(is_json) as show:
        written = run_job(write_recording(opened, out, layout), show, lambda: False)
    if is_json:
        console.print_json({"written": str(written), "format": layout})
    else:
        console.out.print(f"Wrote {written}")


@app.command(epilog=examples.EXPORT)
def export(
    mesh: Annotated[Path, typer.Argument(help="A mesh: .glb .obj .ply .stl .usdz")],
    to: Annotated[Path, typer.Option(help="File to write; its ending names the format.")],
    target: Annotated[
        str,
        typer.Option(
            help="Who will read it, which sets up axis and unit: finescan, blender, "
            "unity, unreal, print or ar."
        ),
    ] = "finescan",
    detail: Annotated[
        Detail | None,
        typer.Option("--preset", help="Reduce a mesh without texture to this detail first."),
    ] = None,
    estimate: Annotated[
        bool,
        typer.Option(
            "--estimate",
            help="Only say how many triangles and bytes the file would hold; nothing is written.",
        ),
    ] = False,
    is_json: Json = False,
) -> None:
    """Write a mesh in another format or for another program.

    The new file is read back and compared before it replaces an older one.
    """
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
        console.out.print(f"{name.replace('_', ' '):<14} {value}")


@app.command(epilog=examples.EVALUATE)
def evaluate(
    mesh: Annotated[Path, typer.Argument(help="The mesh to judge: .glb .obj .ply .stl .usdz")],
    reference: Annotated[
        str,
        typer.Option(
            help="What is true: a mesh file, a recording with depth, or the synthetic: "
            "world that was scanned."
        ),
    ],
    max_depth_m: Annotated[
        float, typer.Option(help="What cameras saw from farther away, in metres, is not judged.")
    ] = 5.0,
    is_json: Json = False,
) -> None:
    """Score a mesh against another mesh, a made-up room or a recording.

    Both must lie in the same place: +Z up, metres, and nothing is aligned. F1 is 1 when the
    surfaces agree within 1, 2 or 5 cm; accuracy and completeness are mean distances in metres.
    """
    from app.judge import judge

    if not max_depth_m > 0:
        raise BadInput(f"--max-depth-m cannot be {max_depth_m:g}.", "Use metres above 0.")

    with progress_bars(is_json) as show:
        row = judge(mesh, reference, max_depth_m, show)
    if is_json:
        console.print_json(row)
        return
    for name, value in row.items():
        shown = f"{value:.4f}" if isinstance(value, float) else value
        console.out.print(f"{name.replace('_', ' '):<22} {shown}")


@app.command(epilog=examples.BENCH)
def bench(
    suite: Annotated[
        str,
        typer.Option(
            help="fusion: the whole volume beside Open3D's. kernels: one frame beside the "
            "plain definition."
        ),
    ] = "fusion",
    source: Annotated[
        str | None, typer.Option(help="Recording to measure on; a synthetic room by default.")
    ] = None,
    voxel_m: Annotated[float, typer.Option(help=f"Voxel in metres: {VOXELS}.")] = 0.02,
    truncation_vox: Annotated[
        float, typer.Option(help="How many voxels from a surface distances are kept, 2 or more.")
    ] = 8.0,
    frames: Annotated[int, typer.Option(help="Frames measured at most, 5 or more.", min=5)] = 250,
    is_json: Json = False,
) -> None:
    """Measure speed and memory beside Open3D or plain twins."""
    from app.bench import run_suite

    with progress_bars(is_json) as show:
        row = run_suite(suite, source, voxel_m, truncation_vox, frames, show)
    if is_json:
        console.print_json(row)
        return
    for name, value in row.items():
        shown = f"{value:.3f}" if isinstance(value, float) else value
        console.out.print(f"{name.replace('_', ' '):<28} {shown}")
