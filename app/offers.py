"""What the program can always do; known without the engine, and before it runs."""

from engine.export.axes import TARGETS
from engine.export.formats import FORMATS, Format
from ui.ports import Choice

DEMO = "synthetic:room?seed=7&frames=240&chest=1"


def formats() -> tuple[Choice, ...]:
    """Return the file formats to export to; the name is also the file's ending."""
    return tuple(
        Choice(f.name, f"{f.title} ({f.extension})", _carries(f), f.fixed_unit_m)
        for f in FORMATS.values()
    )


def targets() -> tuple[Choice, ...]:
    """Return what an exported file may be meant for."""
    return tuple(Choice(t.name, t.title, t.arrives, t.unit_m) for t in TARGETS.values())


def _carries(file_format: Format) -> str:
    if file_format.carries_texture:
        return "Carries shape and texture."
    if file_format.carries_colors:
        return "Carries shape and a colour for every corner, no texture."
    return "Carries shape only."
