"""Commands about recordings and meshes that exist already."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli import console
from app.cli.arguments import VOXELS, Json, Source
from app.cli.console import progress_bars
from engine.core.faults import BadInput
from engine.core.settings import Detail


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
    console.print_row(row, is_json)


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
    console.print_row(row, is_json)


def evaluate(
    mesh: Annotated[
        Path | None, typer.Argument(help="The mesh to judge: .glb .obj .ply .stl .usdz")
    ] = None,
    reference: Annotated[
        str | None,
        typer.Option(
            help="What is true: a mesh file, a recording with depth, or the synthetic: "
            "world that was scanned."
        ),
    ] = None,
    max_depth_m: Annotated[
        float | None,
        typer.Option(help="What cameras saw from farther away is not judged; 5 metres by default."),
    ] = None,
    suite: Annotated[
        str | None,
        typer.Option(
            help="Instead of a mesh, judge the program itself: synthetic (made-up worlds, exact "
            "truth) or real (recordings, colour only, their depth camera judges)."
        ),
    ] = None,
    depth: Annotated[
        str | None,
        typer.Option(help="With --suite: the estimator; by default the best that comes with it."),
    ] = None,
    worlds: Annotated[
        int | None, typer.Option(help="With --suite synthetic: so many of its 20 worlds.")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="With --suite real: folder of the recordings; ../shared/data else."),
    ] = None,
    sheet: Annotated[
        Path | None, typer.Option(help="With --suite: write pictures of it all here (PNG).")
    ] = None,
    is_json: Json = False,
) -> None:
    """Score a mesh against another mesh, a made-up room or a recording; or run a suite.

    Both must lie in the same place: +Z up, metres, and nothing is aligned. F1 is 1 when the
    surfaces agree within 1, 2 or 5 cm; accuracy and completeness are mean distances in metres.
    """
    if suite is None:
        if not (depth is None and worlds is None and data is None and sheet is None):
            raise BadInput(
                "--depth, --worlds, --data and --sheet belong to a suite.",
                "Add --suite synthetic or --suite real.",
            )
        _evaluate_mesh(mesh, reference, 5.0 if max_depth_m is None else max_depth_m, is_json)
        return
    if not (mesh is None and reference is None and max_depth_m is None):
        raise BadInput(
            "A suite judges the program, so it takes no mesh, --reference or --max-depth-m.",
            "Leave them out, or leave out --suite.",
        )
    from app.suites.run import for_people, run_suite

    with progress_bars(is_json) as show:
        row = run_suite(suite, show, depth, worlds, data, sheet)
    console.print_row(row if is_json else for_people(row), is_json, width=22)


def _evaluate_mesh(
    mesh: Path | None, reference: str | None, max_depth_m: float, is_json: bool
) -> None:
    from app.suites.judge import judge

    if mesh is None or reference is None:
        raise BadInput(
            "A mesh and --reference are needed to judge one by the other.",
            "Name both, or use --suite synthetic or --suite real.",
        )
    if not max_depth_m > 0:
        raise BadInput(f"--max-depth-m cannot be {max_depth_m:g}.", "Use metres above 0.")

    with progress_bars(is_json) as show:
        row = judge(mesh, reference, max_depth_m, show)
    console.print_row(row, is_json, width=22)


def evaluate_depth(
    source: Source,
    depth: Annotated[
        str,
        typer.Option(
            help="What to judge: learned, plane-sweep, or simplerecon with installed weights."
        ),
    ] = "plane-sweep",
    past_only: Annotated[
        bool, typer.Option("--past-only", help="Use pictures taken before the judged one alone.")
    ] = False,
    sheet: Annotated[
        Path | None,
        typer.Option(help="Write pictures here (PNG): colour, sensor, estimate, error, kept."),
    ] = None,
    is_json: Json = False,
) -> None:
    """Score depth estimated from photographs against the sensor's of the same recording."""
    from app.suites.judge_depth import judge_depth

    with progress_bars(is_json) as show:
        row = judge_depth(source, depth, show, past_only, sheet)
    console.print_row(row, is_json, width=22)


def bench(
    suite: Annotated[
        str,
        typer.Option(
            help="fusion: the whole volume beside Open3D's. kernels: one frame beside the "
            "plain definition. nets: every network at its published and at a small size; the other "
            "options mean nothing to it. live: a scan while the camera moves, as a camera and as "
            "fast as it goes, with what it aims at; about five minutes. window: how free the "
            "window stays while a scan grows; needs a screen."
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
    quick: Annotated[
        bool, typer.Option("--quick", help="With --suite live or window: tiny rooms, just to try.")
    ] = False,
    minutes: Annotated[
        float | None,
        typer.Option(
            help="With --suite live: repeat the walk for memory so long; with window: "
            "scan so long.",
            min=0.01,
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="With --suite live: folder of the recordings; ../shared/data else."),
    ] = None,
    is_json: Json = False,
) -> None:
    """Measure speed and memory: beside Open3D, plain twins, of networks, live scan or window."""
    if data is not None and suite != "live":
        raise BadInput("--data belongs to --suite live.", "Leave it out.")
    if suite == "live":
        _bench_live(quick, minutes, data, is_json)
        return
    if suite == "window":
        from app.bench.window import window

        with progress_bars(is_json) as show:
            row = window(show, quick, minutes)
        console.print_row(row, is_json, width=28)
        return
    if quick or minutes is not None:
        raise BadInput("--quick and --minutes belong to --suite live or window.", "Leave them out.")
    with progress_bars(is_json) as show:
        if suite == "nets":
            from app.bench.nets import nets

            row = nets(show)
        else:
            from app.bench.fusion import run_suite

            row = run_suite(suite, source, voxel_m, truncation_vox, frames, show)
    console.print_row(row, is_json, width=28)


def _bench_live(quick: bool, minutes: float | None, data: Path | None, is_json: bool) -> None:
    from app.bench.live import live
    from app.bench.live_aims import for_people

    with progress_bars(is_json) as show:
        row = live(show, quick, minutes, data)
    console.print_row(row if is_json else for_people(row), is_json, width=28)
