"""A piece of surface that is uploaded, drawn and searched as one."""

from dataclasses import dataclass

from engine.core.arrays import F32, I32, I64, U8, U16, Bool


@dataclass(frozen=True, slots=True)
class Page:
    """Some faces with vertices of their own.

    Attributes:
        vertices: (n, 3) float32, world.
        faces: (m, 3) int32 into `vertices`.
        colors: (n, 3) uint8 RGB.
        is_observed: (n,) whether depth was measured there.
        confidence: (n,) uint8 as in `MeshPatch`.
        is_counted: (n,) whether `confidence` means anything.
        stamps: (n,) uint16 when it last changed, in ticks of `modes.TICK_S`; 0 unknown.
        uv: (n, 2) float32 place in the texture, its origin at the upper left; None without one.
        numbers: (m,) of each face in the finished mesh; None on a growing surface.
    """

    vertices: F32
    faces: I32
    colors: U8
    is_observed: Bool
    confidence: U8
    is_counted: Bool
    stamps: U16
    uv: F32 | None = None
    numbers: I64 | None = None
