import numpy as np
import pytest

from engine.core.surface import TexturedMesh
from engine.export.detail import DETAILS, estimate
from engine.export.formats import FORMATS
from engine.export.write import export
from tests.export.shapes import ball, finish, textured_ball


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("kind", ["plain", "colored", "jpeg", "png"])
def test_estimates_are_within_a_factor_of_two(tmp_path, name, kind):
    picture = kind if kind in ("jpeg", "png") else "jpeg"
    if kind in ("jpeg", "png"):
        surface = textured_ball(rings=60, edge_px=512)
    else:
        surface = ball(60, colored=kind == "colored")
    said = estimate(surface, "raw", FORMATS[name], picture)
    report = finish(export(surface, tmp_path / f"ball.{name}", picture=picture))
    assert said.triangles == report.faces
    assert 0.5 <= said.bytes / report.bytes <= 2.0
    assert said.texture_px == (512 if report.has_texture else 0)


def test_the_ladder_rises():
    levels = list(DETAILS.values())
    caps = [level.max_triangles for level in levels[:-1]]
    assert caps == sorted(caps)
    assert levels[-1].max_triangles is None
    sizes = [level.texture_px for level in levels]
    assert sizes == sorted(sizes)
    bytes_ = [estimate(100.0, level.name, FORMATS["glb"]).bytes for level in levels]
    assert bytes_ == sorted(bytes_)


def test_an_estimate_never_promises_more_than_there_is():
    surface = textured_ball(rings=30, edge_px=256)
    full = estimate(surface, "full", FORMATS["glb"])
    assert (full.triangles, full.texture_px) == (len(surface.mesh.faces), 256)
    capped = estimate(250.0, "reduced", FORMATS["glb"])
    assert (capped.triangles, capped.texture_px) == (100_000, 2048)
    assert estimate(250.0, "reduced", FORMATS["stl"]).bytes == 84 + 50 * 100_000


def test_area_predicts_the_triangles_of_a_two_centimetre_scan():
    from skimage.measure import marching_cubes

    # A ball of one metre radius on a 2 cm lattice: every slant occurs.
    axis = np.arange(-1.1, 1.1, 0.02)
    x, y, z = np.meshgrid(axis, axis, axis, indexing="ij")
    faces = marching_cubes(np.sqrt(x * x + y * y + z * z) - 1.0, 0.0)[1]
    said = estimate(4 * np.pi, "raw", FORMATS["ply"]).triangles
    assert said == pytest.approx(len(faces), rel=0.3)


def test_texture_below_the_level_is_not_enlarged():
    small = textured_ball(edge_px=128)
    assert isinstance(small, TexturedMesh)
    assert estimate(small, "preview", FORMATS["usdz"]).texture_px == 128
