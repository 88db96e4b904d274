"""The one table of file formats: what each can carry and who writes it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from engine.core.faults import BadInput

Up = Literal["y", "z"]
FormatName = Literal["glb", "obj", "ply", "stl", "usdz"]


@dataclass(frozen=True, slots=True)
class Format:
    """What one file format can carry.

    Attributes:
        name: also the file extension, without the dot.
        title: what people call it.
        carries_texture: whether a picture travels with the mesh.
        carries_colors: whether vertices can be coloured.
        fixed_up: the up axis its standard demands, None where the file cannot say.
        fixed_unit_m: the unit its standard demands, None where the file cannot say.
        shares_vertices: whether faces name vertices; otherwise every face repeats its corners.
        library: who writes it.
    """

    name: FormatName
    title: str
    carries_texture: bool
    carries_colors: bool
    fixed_up: Up | None
    fixed_unit_m: float | None
    shares_vertices: bool
    library: str

    @property
    def extension(self) -> str:
        """The file name's ending, with its dot."""
        return f".{self.name}"


FORMATS: dict[str, Format] = {
    entry.name: entry
    for entry in (
        Format("glb", "glTF binary", True, True, "y", 1.0, True, "trimesh"),
        Format("obj", "Wavefront OBJ with MTL", True, True, None, None, True, "trimesh"),
        Format("ply", "Stanford PLY", False, True, None, None, True, "trimesh"),
        Format("stl", "STL", False, False, None, None, False, "trimesh"),
        Format("usdz", "USDZ", True, True, "y", 1.0, True, "usd-core"),
    )
}


def format_of(path: Path) -> Format:
    """Return the format that a file name asks for by its ending.

    Raises:
        BadInput: no format has this ending.
    """
    ending = path.suffix.lower().removeprefix(".")
    if ending not in FORMATS:
        known = ", ".join(entry.extension for entry in FORMATS.values())
        asked = f"'{path.suffix}'" if path.suffix else "without an ending"
        raise BadInput(f"No mesh format is called {asked} ({path.name}).", f"Use one of {known}.")
    return FORMATS[ending]
