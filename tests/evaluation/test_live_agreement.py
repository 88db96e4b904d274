from dataclasses import replace

import numpy as np
import pytest

from engine.core.settings import RefineSettings
from engine.core.surface import Mesh
from engine.evaluation.live_agreement import agreement, agreements, table
from engine.recon.compute import ON_CPU
from tests.recon.small import HEIGHT, WIDTH, network
from tests.scenes import orbit

SQUARE = Mesh(
    np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], np.float32),
    np.array([[0, 1, 2], [0, 2, 3]], np.int32),
)


def test_meshes_agree_where_they_are_near():
    near = replace(SQUARE, vertices=SQUARE.vertices + np.float32([0, 0, 0.015]))
    far = replace(SQUARE, vertices=SQUARE.vertices + np.float32([0, 0, 0.03]))
    half = replace(SQUARE, vertices=SQUARE.vertices * np.float32([0.5, 1, 1]))
    assert agreement(SQUARE, near) == 1
    assert agreement(SQUARE, far) == 0
    # All of the half lies on the square, and half of the square near the half.
    assert agreement(half, SQUARE) == pytest.approx(2 * 0.52 / 1.52, abs=0.01)


def test_more_pictures_and_a_wider_halo_bring_the_live_surface_nearer():
    poor = RefineSettings(
        halo_vox=0, best_views=1, reach_m=2.0, allocation="surface", features_mb=64, keyframes_mb=16
    )
    rich = replace_settings(poor, halo_vox=8, best_views=9, allocation="frustum", reach_m=4.0)
    rows = list(agreements(network(), orbit(2), [poor, rich], ON_CPU, size_px=(WIDTH, HEIGHT)))
    assert rows[0].tsdf_mean > rows[1].tsdf_mean > 0
    assert rows[0].same_voxels < rows[1].same_voxels <= 1
    assert rows[0].lattice_mb < rows[1].lattice_mb
    assert all(0 < row.f1_2cm <= 1 and row.seconds > 0 and row.chunks for row in rows)
    lines = []
    table(rows, lines.append)
    assert len(lines) == 4
    assert len({line.count("|") for line in lines}) == 1


def replace_settings(settings, **changes):
    return settings.model_copy(update=changes)
