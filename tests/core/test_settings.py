import json
from typing import get_args

import pytest
from pydantic import ValidationError

from engine.core.grid import Grid
from engine.core.settings import (
    DepthSettings,
    Detail,
    KeyframeSettings,
    Settings,
    VolumeSettings,
    preset,
)


@pytest.mark.parametrize("detail", get_args(Detail))
def test_every_preset_survives_json_and_fits_the_grid(detail):
    settings = preset(detail)
    assert settings.mesh.detail == detail
    assert Settings.model_validate(json.loads(json.dumps(settings.model_dump()))) == settings
    Grid(settings.volume.voxel_m)
    assert settings.depth.min_m < settings.depth.max_m


def test_presets_grow_from_rung_to_rung():
    rungs = [preset(detail) for detail in get_args(Detail)]
    voxels = [r.volume.voxel_m for r in rungs]
    assert voxels == sorted(voxels, reverse=True)
    for what in ("size_px", "max_views"):
        assert (sizes := [getattr(r.texture, what) for r in rungs]) == sorted(sizes)
    assert len({r.model_dump_json() for r in rungs}) == len(rungs)


def test_settings_are_frozen():
    with pytest.raises(ValidationError):
        Settings().depth.max_m = 3.0


@pytest.mark.parametrize(
    "tree",
    [
        {"colour": 1},
        {"volume": {"voxel": 0.02}},
        {"depth": {"max_m": 0}},
        {"depth": {"min_confidence": 1.5}},
        {"volume": {"memory_mb": 1}},
        {"volume": {"weighting": "none"}},
        {"texture": {"size_px": 100_000}},
        {"mesh": {"detail": "finest"}},
    ],
)
def test_unknown_keys_and_impossible_values_are_refused(tree):
    with pytest.raises(ValidationError):
        Settings.model_validate(tree)


def test_degrees_are_told_in_radians_too():
    settings = KeyframeSettings(min_turn_deg=180, texture_turn_deg=90)
    assert settings.min_turn_rad == pytest.approx(3.14159265)
    assert settings.texture_turn_rad == pytest.approx(1.57079633)


def test_every_number_with_a_unit_says_so():
    units = ("_m", "_deg", "_px", "_mb", "_vox")
    for branch in (KeyframeSettings, DepthSettings, VolumeSettings):
        for name, field in branch.model_fields.items():
            bare = ("edge_ratio", "min_confidence", "weighting")
            assert name.endswith(units) or name in bare, name
            assert field.description, name
