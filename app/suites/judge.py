"""A mesh file judged against what is known to be true."""

import math
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from app.tracks import chosen_track
from engine.core.faults import BadInput
from engine.core.frames import Frame
from engine.core.news import Progress
from engine.core.surface import TexturedMesh
from engine.evaluation.depth import compare_rendered_depth
from engine.evaluation.geometry import compare
from engine.evaluation.reference import MeshReference, Reference, sensor_reference
from engine.evaluation.synthetic import world_reference
from engine.evaluation.views import views_of_frames
from engine.export.formats import FORMATS
from engine.export.load import load_mesh
from engine.kernels.raster import MeshScene
from engine.sources.detect import open_source
from engine.sources.synthetic import SyntheticSource

# Views that judge what was seen; more of them see the same.
MAX_VIEWS = 120


def judge(
    mesh: Path, reference: str, max_depth_m: float, on_progress: Callable[[Progress], object]
) -> dict[str, Any]:
    """Return the scores of a mesh file against a mesh file, a recording, or a synthetic world.

    Where the reference has cameras, depth rendered from the mesh is held against theirs too.

    Raises:
        BadInput: either cannot be read, or the reference has no depth.
    """
    surface = load_mesh(mesh)
    ours = surface.mesh if isinstance(surface, TexturedMesh) else surface
    truth = _reference(reference, max_depth_m, on_progress)
    row = compare(ours, truth).as_json()
    if truth.views:
        row |= compare_rendered_depth(MeshScene(ours), truth.views).as_json()
    return row


def _reference(
    spec: str, max_depth_m: float, on_progress: Callable[[Progress], object]
) -> Reference:
    if Path(spec).suffix.lower() in {form.extension for form in FORMATS.values()}:
        found = load_mesh(Path(spec))
        return MeshReference(found.mesh if isinstance(found, TexturedMesh) else found)
    with chosen_track(open_source(spec)) as source:
        info = source.describe()
        if not info.has_depth:
            raise BadInput(f"{spec} has no depth to compare with.", "Name a source with depth.")
        if isinstance(source, SyntheticSource):
            on_progress(Progress("truth", 0, 1))
            return world_reference(source, max_depth_m)
        every = max(1, math.ceil((info.frame_count or 0) / MAX_VIEWS))
        frames = islice(source.frames(), 0, None, every)
        return sensor_reference(views_of_frames(_counted(frames, on_progress), max_depth_m))


def _counted(frames: Iterable[Frame], on_progress: Callable[[Progress], object]) -> Iterator[Frame]:
    for number, frame in enumerate(frames):
        on_progress(Progress("reference", number))
        yield frame
