"""What can be done to a finished surface: small frozen records that cross from window to engine."""

from dataclasses import dataclass

from engine.core.poses import Pose
from engine.core.surface import Mesh, TexturedMesh


@dataclass(frozen=True, slots=True)
class Crop:
    """Keep what lies in a box.

    Attributes:
        T_world_box: centre and axes of the box.
        size_m: lengths of its edges along its own axes.
    """

    T_world_box: Pose
    size_m: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Level:
    """Stand the surface on its floor: the floor becomes level and lies at height zero.

    Attributes:
        point_m: a point of the floor, world; None to find the floor.
        normal: its upward normal, world, or None likewise.
    """

    point_m: tuple[float, float, float] | None = None
    normal: tuple[float, float, float] | None = None


@dataclass(frozen=True, slots=True)
class RemoveIslands:
    """Remove loose pieces of fewer faces than this."""

    min_faces: int


@dataclass(frozen=True, slots=True)
class FillHoles:
    """Close holes whose rim has at most so many edges."""

    max_edges: int


@dataclass(frozen=True, slots=True)
class Simplify:
    """Reduce to about so many faces."""

    faces: int


Edit = Crop | Level | RemoveIslands | FillHoles | Simplify


@dataclass(frozen=True, slots=True)
class Counts:
    """What a surface amounts to.

    Attributes:
        size_m: edges of the upright box round it, zero when it is empty.
        holes: closed rims, the outer one of an open surface included.
    """

    faces: int
    vertices: int
    pieces: int
    holes: int
    area_m2: float
    size_m: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class EditPreview:
    """What an edit would leave, before it is made."""

    before: Counts
    after: Counts
    surface: Mesh | TexturedMesh


@dataclass(frozen=True, slots=True)
class Rung:
    """One rung of the detail ladder for one surface: what a file of it would hold.

    Attributes:
        name: as in `MeshSettings.detail`.
        title: for people.
        faces: triangles of the file.
        texture_px: edge of the texture, 0 without one.
        megabytes: by file format, estimated.
    """

    name: str
    title: str
    faces: int
    texture_px: int
    megabytes: dict[str, float]
