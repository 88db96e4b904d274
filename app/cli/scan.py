"""The command `scan`."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli import console
from app.cli.arguments import VOXELS, Json, Source
from app.cli.console import progress_bars, stop_on_interrupt
from app.method import BackendName, DepthName, Guidance, MethodName, Precision
from engine.core.faults import BadInput
from engine.core.settings import Detail, Guessed

Hidden = typer.Option(hidden=True)


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
    method: Annotated[
        MethodName,
        typer.Option(
            help="auto takes finerecon where depth is learned, else fusion. fusion averages depth "
            "as it comes. finerecon lets a network refine the surface "
            "behind the camera and once more at the end; it needs colour. finerecon-offline is "
            "the published order: everything is read first."
        ),
    ] = "auto",
    depth: Annotated[
        DepthName,
        typer.Option(
            help="Where depth comes from. auto takes the sensor's, and without a sensor learned: "
            "photographs are compared (plane-sweep alone does just that) and a small network that "
            "comes with the program corrects what they cannot tell. guided takes the sensor's and "
            "fills its holes with learned depth. simplerecon needs "
            "--depth-weights."
        ),
    ] = "auto",
    weights: Annotated[
        str | None,
        typer.Option(
            help="Weights for finerecon-offline: a .safetensors file or a name; by default "
            "those that are installed, or the small ones that come with the program."
        ),
    ] = None,
    depth_weights: Annotated[
        str | None, typer.Option(help="Other weights for --depth learned or simplerecon, likewise.")
    ] = None,
    resolution_m: Annotated[
        float | None,
        typer.Option(
            help=f"Output grid of finerecon-offline in metres: {VOXELS}; without this option the "
            "preset's voxel."
        ),
    ] = None,
    precision: Annotated[
        Precision,
        typer.Option(
            help="What networks compute in; geometry is always float32. auto takes bf16 for depth "
            "and for what is refined while scanning, where the processor has it, else float32."
        ),
    ] = "auto",
    backend: Annotated[
        BackendName,
        typer.Option(
            help="Who computes --depth learned: openvino takes about half of torch's time on a "
            "processor, and less with --precision bf16 where the processor has it; it has to be "
            "installed."
        ),
    ] = "torch",
    keyframe_distance: Annotated[
        float | None,
        typer.Option(
            help="finerecon-offline takes another picture after moving (metres) and turning this "
            "much together; 0.1 without this option."
        ),
    ] = None,
    guidance: Annotated[
        Guidance,
        typer.Option(
            help="consistent weighs depth at fine points as in training; compatible repeats a "
            "slip of the published program, for comparison with its meshes."
        ),
    ] = "consistent",
    random_weights: Annotated[int | None, Hidden] = None,
    network_width: Annotated[int | None, Hidden] = None,
    network_height: Annotated[int | None, Hidden] = None,
    guessed: Annotated[
        Guessed,
        typer.Option(
            help="Surface that finerecon completes where no depth was measured: leave it out, or "
            "keep it, which closes holes at the price of walls that may not be there."
        ),
    ] = "drop",
    record: Annotated[
        Path | None,
        typer.Option(
            help="Keep the frames in this new folder while scanning them; it can be scanned again."
        ),
    ] = None,
    headless: Annotated[
        bool, typer.Option(help="Scan without a window, or open the source in one.")
    ] = True,
    is_json: Json = False,
) -> None:
    """Turn a recording into a textured mesh on disk.

    Ctrl-C stops reading and finishes what was read; a second one gives up and writes nothing.
    """
    if not headless:
        from app.gui import main as window

        sys.exit(window(source))
    from app.headless import scan as run
    from app.options import scan_method, scan_settings
    from engine.sources.detect import open_source

    settings = scan_settings(detail, voxel_m, max_depth_m, memory_mb, guessed)
    if resolution_m is None and method == "finerecon-offline":
        resolution_m = settings.volume.voxel_m
    chosen = scan_method(
        name=method,
        depth=depth,
        weights=weights,
        depth_weights=depth_weights,
        random_weights=random_weights,
        resolution_m=resolution_m,
        precision=precision,
        backend=backend,
        keyframe_distance=keyframe_distance,
        guidance=guidance,
        max_depth_m=max_depth_m,
        memory_mb=memory_mb,
        width_px=network_width,
        height_px=network_height,
    )
    if hold_out == 1:
        raise BadInput("Holding out every frame leaves none to scan.", "Use --hold-out 2 or more.")
    with (
        open_source(source) as opened,
        progress_bars(is_json) as show,
        stop_on_interrupt() as is_stopped,
    ):
        outcome = run(
            opened, out, settings, show, texture, hold_out, is_stopped, track, chosen, record
        )
    if is_json:
        console.print_json(outcome.report)
    else:
        _print_report(outcome.report, out)


def _print_report(report: dict[str, Any], out: Path) -> None:
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
    if report.get("volume", {}).get("on_disk_mb"):
        console.out.print(
            f"  The volume reached its ceiling of {report['settings']['volume']['memory_mb']} MB; "
            f"{report['volume']['on_disk_mb']:.0f} MB of it moved to disk."
        )
    if made := report.get("reconstruction"):
        console.out.print(
            f"  {made['keyframes']} keyframes, {made['voxels']:,} voxels of which "
            f"{made['occupied_share']:.0%} are occupied, {made['points']:,} points"
        )
    if kept := report.get("recorded"):
        lost = f", {kept['dropped']} lost" if kept["dropped"] else ""
        console.out.print(f"  {kept['frames']} frames recorded in {kept['folder']}{lost}")
    for name, value in report["metrics"].items():
        if isinstance(value, float):
            console.out.print(f"  {name:<18} {value:.4f}")
    if "not_scored" in report["metrics"]:
        console.out.print(f"  Not scored: {report['metrics']['not_scored']}")
    console.out.print(f"Wrote {out / 'mesh.glb'}, {out / 'preview.png'}, {out / 'report.json'}")
