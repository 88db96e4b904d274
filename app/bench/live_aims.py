"""What the figures of the live suite mean, what they aim at, and whether they are there."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Aim:
    """One figure and what was promised of it.

    Attributes:
        path: where it stands in the row, keys joined by dots.
        means: what was measured, in one phrase.
        most: it is met at this or less; None where `least` counts.
        least: it is met at this or more.
    """

    path: str
    means: str
    most: float | None = None
    least: float | None = None

    def row(self, figures: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the figure beside its aim; None where it was not measured."""
        value: Any = figures
        for key in self.path.split("."):
            value = value.get(key) if isinstance(value, Mapping) else None
        if not isinstance(value, float | int):
            return None
        is_met = (self.most is None or value <= self.most) and (
            self.least is None or value >= self.least
        )
        aim = {"at_most": self.most} if self.least is None else {"at_least": self.least}
        return {"figure": self.path, "value": value, **aim, "is_met": is_met, "means": self.means}


AIMS = (
    Aim("sensor.draft_ms_p50", "from the camera to patches on the screen, half are sooner", 100),
    # Half a frame less is the clock's own rounding over ten seconds.
    Aim("sensor.input_hz", "frames a second taken in, of 30 that come", least=29.8),
    Aim("sensor.keyframes_dropped", "frames lost because something was too slow", 0),
    Aim("learned.keyframe_ms_p50", "depth, features, fusing and mesh of a keyframe", 250),
    Aim("growth_ratio", "a keyframe's cost in a scan of 160 m2 against a small one", 1.15),
    Aim("agreement.tsdf_max_abs", "full halo and all views against finerecon-offline", 1e-4),
    Aim("agreement.f1_2cm", "live halo and best views against finerecon-offline", least=0.97),
    Aim("agreement.final.tsdf_max_abs", "the last pass against finerecon-offline", 1e-4),
    Aim("pose_update.max_abs", "corrected scan against one that was right at once", 1e-3),
    Aim("pose_update.behind_ms", "latest draft while 50 keyframes are moved", 1000),
    Aim("memory.over_ceiling_mb", "what the scan holds in memory beyond its ceilings", 0),
    Aim("surface.final_minus_batch", "F1 at 5 cm, final against finerecon-offline", least=-0.01),
    Aim("surface.refined_minus_draft", "F1 at 5 cm, refined against draft", least=0.0),
)


def judged(figures: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return every figure that has an aim and was measured."""
    rows = (aim.row(figures) for aim in AIMS)
    return [row for row in rows if row is not None]


def for_people(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row in lines that can be read."""
    shown: dict[str, Any] = {"suite": row["suite"], "played at": row["played_at"]}
    for aim in row["aims"]:
        verdict = "met   " if aim["is_met"] else "MISSED"
        bound = f"<= {aim['at_most']:g}" if "at_most" in aim else f">= {aim['at_least']:g}"
        shown[aim["figure"]] = f"{aim['value']:>10.4g}  {verdict} {bound:<9} {aim['means']}"
    for name, modes in row["sets"].items():
        shown[name] = [_speed(mode, figures) for mode, figures in modes.items()]
    shown["colour alone"] = [_speed(mode, row["learned"][mode]) for mode in ("real_time", "fast")]
    shown["stages"] = _stages(row["sets"])
    for name in ("surface", "surface_kitchen"):
        if name in row:
            shown[name] = [
                f"{grade:<12}" + _line(row[name][grade])
                for grade in ("draft", "refined", "refined_all", "final", "batch")
            ]
    for name in ("growth", "agreement", "pose_update", "peers"):
        shown[name] = _line(row[name])
    shown["memory"] = [_line(row["memory"]), *map(_line, row["memory"]["over_time"][::10])]
    return shown | {"notes": row["notes"], "protocol": row["protocol"]}


def _speed(mode: str, figures: Mapping[str, Any]) -> str:
    parts = (
        ("Hz in", figures["input_hz"]),
        ("keyframes/s", figures["keyframes_per_second"]),
        ("dropped", figures["keyframes_dropped"]),
        ("draft ms", figures["draft_ms_p50"]),
        ("p95", figures["draft_ms_p95"]),
        ("refined ms", figures["refined_ms_p50"]),
        ("keyframe ms", figures["keyframe_ms_p50"]),
        ("p95", figures["keyframe_ms_p95"]),
        ("others busy", figures["busy_elsewhere"]),
    )
    return f"{mode.replace('_', ' '):<10}" + "  ".join(
        f"{name} {_short(value)}" for name, value in parts
    )


def _stages(sets: Mapping[str, Any]) -> list[str]:
    """Return every stage of the first set that was played by the clock."""
    stages = next(iter(sets.values()))["real_time"]["stages"]
    return [
        f"{name:<22} median {each['ms_p50']:8.2f} ms  p95 {each['ms_p95']:8.2f}  x{each['count']}"
        for name, each in stages.items()
    ]


def _line(group: Mapping[str, Any]) -> str:
    """Return the plain numbers of a group, and of the groups in it, as one line."""
    parts = []
    for name, value in group.items():
        if isinstance(value, Mapping):
            parts.append(f"{name} ({_line(value)})")
        elif isinstance(value, float | int) or value is None:
            parts.append(f"{name} {_short(value)}")
    return "  ".join(parts)


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
