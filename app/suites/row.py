"""One recording or world of a suite, and what stands in the JSON about it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from app.offline import OfflineScan
from app.pipeline import ScanPipeline
from app.suites.depth import JudgedDepth
from engine.core.faults import BadInput
from engine.core.frames import Frame
from engine.core.surface import Mesh, TexturedMesh
from engine.evaluation.suite_depth import Group
from engine.evaluation.suite_sheet import Cells
from engine.runtime.progress import run_job


@dataclass(frozen=True, slots=True)
class Row:
    """What came of one recording or world.

    Attributes:
        surface: None where the suite has no method that makes it.
        cells: captioned pictures for the contact sheet.
    """

    name: str
    depth: JudgedDepth
    surface: Group | None
    fusion_baseline: Group | None
    cells: tuple[Cells, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the row's groups."""
        surfaces = {"surface": self.surface, "fusion_baseline": self.fusion_baseline}
        return {"name": self.name, **self.depth.groups(), **surfaces}


def surface_of(
    fuser: ScanPipeline | OfflineScan,
    frames: Iterable[Frame],
    on_frame: Callable[[int], object] = lambda _: None,
) -> Mesh | None:
    """Return what a scan makes of the frames, None where no surface came; the fuser is used up."""
    try:
        for number, frame in enumerate(frames):
            on_frame(number)
            if frame.color is not None and frame.T_world_cam is not None:
                fuser.add(frame)
        try:
            surface = run_job(fuser.finish(), lambda _: None, lambda: False)
        except BadInput:
            return None
    finally:
        fuser.close()
    return surface.mesh if isinstance(surface, TexturedMesh) else surface
