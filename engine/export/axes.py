"""Which way is up in a file and how long its unit is, for each program a mesh may go to.

A mesh inside the program is +Z up, in metres, right-handed. Files stay right-handed: the importers
of left-handed programs mirror one axis themselves, and would mirror twice if we did.
"""

from dataclasses import dataclass, field

import numpy as np

from engine.core.arrays import F32, F64
from engine.core.faults import BadInput
from engine.export.formats import Format, Up

# Rows say where the file's x, y, z come from. z to y up: (x, y, z) -> (x, z, -y), a rotation.
_FILE_FROM_WORLD: dict[Up, F64] = {
    "z": np.eye(3),
    "y": np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]]),
}
UNIT_NAMES = {1.0: "m", 0.01: "cm", 0.001: "mm"}


@dataclass(frozen=True, slots=True)
class FileFrame:
    """How coordinates in a file relate to the world: its up axis, and its unit in metres."""

    up: Up
    unit_m: float

    def to_file(self, vertices_world: F32) -> F32:
        """Return world vertices (n, 3) in the file's axes and unit."""
        rotation = _FILE_FROM_WORLD[self.up]
        return np.asarray(vertices_world.astype(np.float64) @ rotation.T / self.unit_m, np.float32)

    def to_world(self, vertices_file: np.ndarray) -> F32:
        """Return file vertices (n, 3) in the world, metres; undoes `to_file`."""
        rotation = _FILE_FROM_WORLD[self.up]
        return np.asarray(vertices_file.astype(np.float64) @ rotation * self.unit_m, np.float32)

    def turn(self, normals_world: F32) -> F32:
        """Return world directions (n, 3) in the file's axes."""
        return np.asarray(normals_world @ _FILE_FROM_WORLD[self.up].T, np.float32)


@dataclass(frozen=True, slots=True)
class Target:
    """A program or purpose a mesh is written for; formats with a fixed frame overrule it.

    Attributes:
        name: as typed on the command line.
        title: as shown in a dialog.
        up: up axis of the file.
        unit_m: metres in one unit of the file.
        up_of: formats this program's importer turns, so that they need another up axis.
        arrives: what the program's importer does with the file, in one sentence.
    """

    name: str
    title: str
    up: Up
    unit_m: float
    arrives: str
    up_of: dict[str, Up] = field(default_factory=dict)


TARGETS: dict[str, Target] = {
    entry.name: entry
    for entry in (
        Target("finescan", "As scanned", "z", 1.0, "Metres, +Z up, as inside this program."),
        Target(
            "blender",
            "Blender",
            "z",
            1.0,
            "PLY and STL are taken as they are; the OBJ importer turns Y up into Z up by default.",
            {"obj": "y"},
        ),
        Target(
            "unity",
            "Unity",
            "y",
            1.0,
            "One unit is one metre, Y up; the importer mirrors X into its left-handed world.",
        ),
        Target(
            "unreal",
            "Unreal Engine",
            "z",
            0.01,
            "One unit is one centimetre, Z up; the importer mirrors Y into its left-handed world.",
        ),
        Target("print", "3D print", "z", 0.001, "Slicers read bare numbers as millimetres, Z up."),
        Target("ar", "Augmented reality", "y", 1.0, "Viewers expect metres, Y up."),
    )
}


def target_named(name: str) -> Target:
    """Return the target of this name.

    Raises:
        BadInput: there is none.
    """
    if name not in TARGETS:
        raise BadInput(f"No export target is called '{name}'.", f"Use {', '.join(TARGETS)}.")
    return TARGETS[name]


def file_frame(file_format: Format, target: Target) -> FileFrame:
    """Return the axes and unit of a file of this format written for this target."""
    up = file_format.fixed_up or target.up_of.get(file_format.name, target.up)
    return FileFrame(up, file_format.fixed_unit_m or target.unit_m)
