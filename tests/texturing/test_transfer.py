import numpy as np
import pytest

from engine.core.faults import BadInput
from engine.core.surface import Mesh
from engine.meshing.edits import reduced
from engine.texturing.texels import corners_of, owners
from engine.texturing.transfer import transferred
from engine.texturing.unwrap import Atlas
from tests.export.shapes import finish
from tests.meshing.painted import painted, tint
from tests.meshing.test_simplify import ball


def shown(surface, size_px):
    """Return places (n, 3) on the surface and what the texture shows there (n, 3)."""
    atlas = Atlas(surface.mesh, surface.uv, np.arange(len(surface.uv)), 0.0)
    corners = corners_of(atlas, size_px)
    owner = owners(corners, size_px)
    inner = corners.mean(axis=1).astype(int)
    own = owner[inner[:, 1], inner[:, 0]] == np.arange(len(corners))
    centres = surface.mesh.vertices[surface.mesh.faces].mean(axis=1)
    return centres[own], surface.texture[inner[own, 1], inner[own, 0]].astype(float)


def test_new_triangles_show_what_the_old_ones_showed():
    source = painted(ball(4), 512)
    carried = finish(transferred(reduced(source, 800), source, 256))
    assert carried.texture.shape == (256, 256, 3)
    places, colors = shown(carried, 256)
    assert len(places) > 700
    assert np.abs(colors - tint(places)).mean() < 4
    # Gutters are painted too: nothing black bleeds in when the picture is made smaller.
    assert carried.texture.max(axis=2).min() > 20


def test_progress_is_told_and_the_work_can_be_stopped():
    source = painted(ball(2), 128)
    job = transferred(reduced(source, 200), source, 512)
    stages = [next(job).stage for _ in range(4)]
    assert "transfer" in stages
    job.close()


def test_a_mesh_without_surface_is_refused():
    nothing = Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))
    with pytest.raises(BadInput):
        finish(transferred(nothing, painted(ball(1), 64), 64))
