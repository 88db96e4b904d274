"""How good the surface is, colour alone: as a draft, refined, final, and by the batch system."""

import time
from collections.abc import Iterable
from itertools import islice

from app.bench.live_kit import Figures, Kit
from app.build import make_fuser
from app.fuser import fuse
from app.lockstep import catch_up
from app.suites.judge import MAX_VIEWS
from app.suites.real import MAX_M
from app.suites.row import surface_of
from app.suites.synthetic import SURFACE_M
from app.tracks import chosen_track
from engine.core.settings import DepthSettings, Settings
from engine.core.surface import Mesh, MeshPatch, TexturedMesh, measured_faces
from engine.evaluation.reference import Reference, sensor_reference
from engine.evaluation.suite_surface import surface_group
from engine.evaluation.synthetic import world_reference
from engine.evaluation.views import views_of_frames
from engine.meshing.seams import weld
from engine.runtime.progress import run_job
from engine.sources.detect import open_source
from engine.sources.synthetic import SCHEME, SyntheticSource


def surface(kit: Kit, name: str, spec: str) -> Figures:
    """Return groups `draft`, `refined` and `final` of a tape, judged by the recording it is of.

    `draft` is what was shown before any chunk was refined, `refined` what is shown once all are,
    `final` what finishing makes; every frame is fused, on one thread. Guessed surface is left out
    of all where it is left out of the final one; `refined_all` has it in any case.
    """
    settings, reference = _judged(kit.settings, spec)
    source = kit.source(name, with_depth=False, size=None)
    fuser = kit.maker("learned", settings)(source.describe())
    shown: dict[int, MeshPatch] = {}
    started = time.process_time()
    try:
        for frame in source.frames():
            patches, _ = fuse(fuser, frame)
            _show(shown, patches)
            _show(shown, catch_up(fuser, 0))
        draft = weld(shown.values())
        _show(shown, catch_up(fuser))
        refined_all = weld(shown.values())
        refined = _without_guesses(refined_all, settings)
        final = _bare(run_job(fuser.finish(), lambda _: None, lambda: False))
        stats = fuser.stats()
        cpu_s = time.process_time() - started
    finally:
        fuser.close()
    meshes = {"draft": draft, "refined": refined, "refined_all": refined_all, "final": final}
    return {
        "cpu_s": cpu_s,
        "keyframes": stats.keyframes,
        "chunks_refined": stats.chunks_refined,
        **{grade: surface_group(mesh, reference) for grade, mesh in meshes.items()},
    }


def batch(kit: Kit, name: str, spec: str) -> Figures:
    """Return the same group for `finerecon-offline` over the same frames."""
    settings, reference = _judged(kit.settings, spec)
    source = kit.source(name, with_depth=False, size=None)
    method = kit.method.model_copy(update={"name": "finerecon-offline", "depth": "learned"})
    fuser = make_fuser(settings, source.describe(), False, method=method)
    started = time.process_time()
    mesh = surface_of(fuser, source.frames())
    cpu_s = time.process_time() - started
    return {"cpu_s": cpu_s, **surface_group(mesh, reference)}


def _judged(settings: Settings, spec: str) -> tuple[Settings, Reference]:
    """Return settings that reach as far as the truth is known, and the truth."""
    if spec.startswith(SCHEME):
        near = settings.model_copy(update={"depth": DepthSettings(max_m=SURFACE_M)})
        return near, world_reference(SyntheticSource(spec), SURFACE_M)
    with chosen_track(open_source(spec)) as source:
        every = max(1, -(-(source.describe().frame_count or 0) // MAX_VIEWS))
        frames = islice(source.frames(), 0, None, every)
        return settings, sensor_reference(views_of_frames(frames, MAX_M))


def _show(shown: dict[int, MeshPatch], patches: Iterable[MeshPatch]) -> None:
    for patch in patches:
        if len(patch.faces):
            shown[patch.key] = patch
        else:
            shown.pop(patch.key, None)


def _without_guesses(mesh: Mesh, settings: Settings) -> Mesh:
    if settings.mesh.guessed == "keep" or mesh.is_observed is None:
        return mesh
    faces = measured_faces(mesh.faces, mesh.is_observed)
    return Mesh(mesh.vertices, faces, mesh.colors, mesh.is_observed)


def _bare(surface: Mesh | TexturedMesh) -> Mesh:
    return surface.mesh if isinstance(surface, TexturedMesh) else surface
