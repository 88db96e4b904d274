"""`evaluate --suite`: one figure for each promise, over rooms and worlds that do not change."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2

from app.bundled import bundled
from app.files import write_whole
from app.suites import judge_depth, real, synthetic
from app.suites.depth import Contestants, Timed
from app.suites.judge_objects import judge_objects
from app.suites.row import Row
from engine.core.faults import BadInput, CannotWrite, MissingPart
from engine.core.news import Progress
from engine.depth.plane_sweep import PlaneSweep
from engine.evaluation.suite_depth import confidence_table, mean_group
from engine.evaluation.suite_sheet import sheet as contact_sheet
from engine.synth.thing_views import HELD_OUT_THINGS

SUITES = ("synthetic", "real")
SWEEP = "plane-sweep"
# The network that comes with the program, where there is one.
BEST = "learned"
NOT_MEANS = ("protocol", "rows")


def run_suite(
    suite: str,
    on_progress: Callable[[Progress], object],
    depth: str | None = None,
    worlds: int | None = None,
    data: Path | None = None,
    sheet: Path | None = None,
) -> dict[str, Any]:
    """Return a suite's figures, and write a contact sheet where one is wanted.

    `depth` names the estimator under test, by default the best that comes with the program;
    `worlds` is how many of the synthetic suite's worlds judge, `data` where recordings lie.

    With a GTR that came with the program, the synthetic suite judges as many objects as worlds;
    their sheet lies beside the other one.

    Raises:
        BadInput: no such suite or estimator, or an option of the other suite.
        MissingPart: the estimator's weights are not installed.
        CannotWrite: the sheet cannot be written.
    """
    if suite not in SUITES:
        raise BadInput(f"There is no suite called '{suite}'.", f"Use {' or '.join(SUITES)}.")
    if suite == "real" and worlds is not None:
        raise BadInput("--worlds is for --suite synthetic.", "Leave it out.")
    if suite == "synthetic" and data is not None:
        raise BadInput("--data is for --suite real.", "Leave it out.")
    if sheet is not None:
        _check_place(sheet)
    judged = contestants(depth)
    if suite == "real":
        protocol, rows = real.PROTOCOL, list(real.rows(data, judged, on_progress))
    else:
        protocol, made = synthetic.rows(worlds, judged, on_progress)
        rows = list(made)
    if sheet is not None:
        _write(sheet, rows)
    report = _report(suite, protocol, judged.name, rows)
    if suite == "synthetic" and (gtr := bundled("gtr")) is not None:
        count = min(len(rows), HELD_OUT_THINGS)
        beside = None if sheet is None else sheet.with_stem(f"{sheet.stem}-objects")
        report["objects"] = judge_objects(on_progress, count, gtr, beside)
    return report


def contestants(name: str | None) -> Contestants:
    """Return a named estimator beside the plane sweep; without a name, the best installed one.

    Raises:
        BadInput: no such estimator.
        MissingPart: the named one's weights are not installed.
    """
    known = judge_depth.ESTIMATORS
    if name is not None and name not in known:
        raise BadInput(
            f"There is no depth estimator called '{name}'.", f"Use {' or '.join(known)}."
        )
    sweep = Timed(PlaneSweep())
    if name is None and BEST in known:
        try:
            return Contestants(BEST, Timed(known[BEST]()), sweep)
        except MissingPart:
            name = SWEEP
    if name in (None, SWEEP):
        return Contestants(SWEEP, sweep, sweep)
    return Contestants(name, Timed(known[name]()), sweep)


def for_people(row: dict[str, Any]) -> dict[str, Any]:
    """Return a suite's figures in lines that can be read, one a group."""
    shown: dict[str, Any] = {"suite": row["suite"], "estimator": row["estimator"]}
    groups = ("depth", "plane_sweep", "surface", "fusion_baseline")
    for part in groups:
        shown[part] = _line(row[part])
    shown["confidence"] = [_line(entry) for entry in row["confidence"]]
    for inner in row["rows"]:
        shown[inner["name"]] = [f"{part:<15}  {_line(inner[part])}" for part in groups]
    if "objects" in row:
        means = {name: value for name, value in row["objects"].items() if name not in NOT_MEANS}
        shown["objects"] = _line(means)
    return shown | {"protocol": row["protocol"]}


def _line(group: dict[str, float | None] | None) -> str:
    if group is None:
        return "-"
    known = ((name, "-" if value is None else f"{value:.3f}") for name, value in group.items())
    return "  ".join(f"{name} {value}" for name, value in known)


def _report(suite: str, protocol: str, name: str, rows: list[Row]) -> dict[str, Any]:
    listed = [row.as_json() for row in rows]
    means = {part: mean_group([row[part] for row in listed]) for part in ("depth", "plane_sweep")}
    ranges = {
        part: mean_group([row["absrel_by_range_m"][part] for row in listed])
        for part in ("depth", "plane_sweep")
    }
    surfaces = {
        part: None if listed[0][part] is None else mean_group([row[part] for row in listed])
        for part in ("surface", "fusion_baseline")
    }
    return {
        "suite": suite,
        "estimator": name,
        **means,
        "absrel_by_range_m": ranges,
        "confidence": confidence_table([row.depth.ours for row in rows]),
        **surfaces,
        "rows": listed,
        "protocol": protocol,
    }


def _check_place(path: Path) -> None:
    """Refuse a place for the sheet before the work is done, not after."""
    if path.is_dir():
        raise BadInput(f"{path} is a folder.", "Name a file for the contact sheet.")
    there = next(folder for folder in path.absolute().parents if folder.exists())
    if not there.is_dir():
        raise CannotWrite(f"{path} cannot be written: {there} is a file.", "Name another place.")


def _write(path: Path, rows: list[Row]) -> None:
    picture = contact_sheet([(row.name, cells) for row in rows for cells in row.cells])
    good, data = cv2.imencode(".png", picture[..., ::-1])
    if not good:
        raise BadInput("The contact sheet could not be encoded.")
    write_whole(path, data.tobytes())
