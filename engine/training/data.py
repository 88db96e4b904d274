"""What recipes ask of worlds: samples with exact answers, the same for the same number."""

from typing import Protocol

from torch import Tensor


class Sample(Protocol):
    """Posed views of worlds, in batches."""

    @property
    def pictures(self) -> Tensor:
        """Colours (b, v, 3, h, w) 0..1."""
        ...

    @property
    def depth(self) -> Tensor:
        """Metres (b, v, h, w) along the axis, 0 unknown."""
        ...

    @property
    def K(self) -> Tensor:
        """Cameras (b, v, 3, 3) in pixels, counted from the corner, centres at halves."""
        ...

    @property
    def T_world_cam(self) -> Tensor:
        """Poses (b, v, 4, 4), as somebody measured them."""
        ...

    def distance(self, points_bn3: Tensor) -> Tensor:
        """Return the exact distance (b, n) of world points to the surface, negative in matter."""
        ...


class Worlds(Protocol):
    """Where samples come from."""

    def batch(self, index: int) -> Sample:
        """Return the samples of an index, the same whenever asked."""
        ...

    def walk(self, index: int) -> Sample:
        """Return samples whose views follow each other, as somebody scans a piece of a room."""
        ...

    def held_out(self, number: int) -> Sample:
        """Return one sample of a world that no batch ever shows."""
        ...

    def held_out_walk(self, number: int, frames: int) -> Sample:
        """Return one sample of such a world: so many views along a walk."""
        ...
