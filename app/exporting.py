"""Writing a surface into a file, reduced to a rung of the detail ladder or as it is."""

from pathlib import Path

from engine.core.edits import Rung
from engine.core.faults import BadInput
from engine.core.news import Job, Progress
from engine.core.surface import Mesh, TexturedMesh
from engine.export.detail import DETAILS, DetailLevel, estimate
from engine.export.formats import FORMATS, format_of
from engine.export.write import export
from engine.meshing.edits import reduced
from engine.meshing.parts import bare
from engine.texturing.transfer import transferred

Surface = Mesh | TexturedMesh


def exported(
    surface: Surface, path: Path, format_name: str, target_name: str, detail: str | None = None
) -> Job[str]:
    """Return the job that writes the surface; its result says in a sentence what was written.

    A path without the format's ending gets it. Reduced to a rung, a surface keeps its texture,
    which is carried over to the new triangles.

    Raises:
        BadInput: unknown format, target or rung, or a place that cannot be.
        CannotWrite: disk full, no permission, or the file reads back wrong.
    """
    goal = goal_of(path, format_name)
    texture_px = None
    if detail is not None:
        level = level_named(detail)
        texture_px = level.texture_px
        surface = yield from _at_level(surface, level, FORMATS[format_name].carries_texture)
    report = yield from export(surface, goal, target_name, texture_px=texture_px)
    x, y, z = report.size_m
    names = ", ".join(file.name for file in report.files)
    return (
        f"Wrote {names}: {report.faces:,} triangles, {report.bytes / 1e6:.1f} MB, "
        f"{x:.2f} × {y:.2f} × {z:.2f} m, read back and checked."
    )


def ladder(surface: Surface) -> Job[tuple[Rung, ...]]:
    """Return the job that estimates files of every rung, coarsest first.

    Rungs at which the file would hold no more than at the one before are left out.
    """
    rungs: list[Rung] = []
    for done, level in enumerate(DETAILS.values()):
        yield Progress("estimate", done, len(DETAILS))
        found = {f.name: estimate(surface, level.name, f) for f in FORMATS.values()}
        faces, texture_px = found["glb"].triangles, found["glb"].texture_px
        if rungs and (rungs[-1].faces, rungs[-1].texture_px) == (faces, texture_px):
            continue
        sizes = {str(name): each.bytes / 1e6 for name, each in found.items()}
        title = f"{level.name.capitalize()}: {level.good_for}"
        rungs.append(Rung(level.name, title, faces, texture_px, sizes))
    return tuple(rungs)


def goal_of(path: Path, format_name: str) -> Path:
    """Return the path with the format's ending in place of another format's, or after all else.

    Raises:
        BadInput: no such format.
    """
    ending = f".{format_name}"
    format_of(Path(f"a{ending}"))
    known = path.suffix.lower().removeprefix(".") in FORMATS
    return path.with_suffix(ending) if known else path.with_name(path.name + ending)


def level_named(detail: str) -> DetailLevel:
    """Return a level of the ladder by its name.

    Raises:
        BadInput: there is none.
    """
    for name, level in DETAILS.items():
        if name == detail:
            return level
    raise BadInput(f"There is no detail called '{detail}'.", f"Use one of {', '.join(DETAILS)}.")


def _at_level(surface: Surface, level: DetailLevel, with_texture: bool) -> Job[Surface]:
    if level.max_triangles is None or len(bare(surface).faces) <= level.max_triangles:
        return surface
    fewer = reduced(surface, level.max_triangles)
    if isinstance(surface, Mesh) or not with_texture:
        return fewer
    size_px = min(level.texture_px, max(surface.texture.shape[:2]))
    return (yield from transferred(fewer, surface, size_px))
