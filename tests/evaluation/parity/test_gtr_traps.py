"""Every trap of the specification's list that lies before the mesh, flipped: parity must fail."""

from pathlib import Path

import numpy as np
import pytest
import torch

from engine.core.camera import Intrinsics
from engine.evaluation.parity.gtr import checks
from engine.nets.gtr import field, generator, grid, triplane, volume_render
from engine.objects import cameras, views
from tests.evaluation.parity.gtr_made import make

attention = torch.nn.functional.scaled_dot_product_attention
shuffle = torch.nn.functional.pixel_shuffle


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("gtr_traps")
    make(folder)
    return folder


def failures(folder: Path) -> set[str]:
    return {check.name.split("/")[-1] for check in checks(folder) if not check.ok}


def wrong_half(both):
    return both.chunk(2, dim=-1)[::-1]


def centre_aligned_axis(resolution, like):
    return (torch.arange(resolution, dtype=like.dtype) + 0.5) / resolution * 2 - 1


def rounded(shares):
    return np.round(shares * 255).astype(np.uint8)


def off_centre(lens, width, height):
    return Intrinsics(width, height, lens.fx, lens.fy, lens.cx, lens.cy)


def normed_planes(self, batch):
    tokens = self.planes.flatten(-2).transpose(-1, -2).flatten(1, 2)
    return self.norm1(tokens)


def biased_linear(monkeypatch):
    plain = torch.nn.Linear
    monkeypatch.setattr(generator.nn, "Linear", lambda a, b, bias=True: plain(a, b))


def biased_patches(monkeypatch):
    monkeypatch.setattr(
        generator,
        "PatchConv",
        lambda channels, width, patch: torch.nn.Conv2d(channels, width, patch, patch),
    )


# Trap: what to replace, by what, and an output that must notice.
TRAPS = {
    "moment is o x d": (views, "moments", lambda o, d: np.cross(o, d), "gen.cond_input@probe"),
    "mask before colour": (
        views,
        "channels_of",
        lambda color, rays, mask: np.concatenate([mask, color, rays], -1),
        "gen.cond_input@probe",
    ),
    "features plane by plane": (
        field,
        "interleave",
        lambda values: values.transpose(-1, -2).flatten(-2),
        "query.features",
    ),
    "plane 1 turned": (triplane, "PLANE_AXES", ((0, 1), (2, 0), (1, 2)), "query.features"),
    "texel centres at the ends": (triplane, "ALIGN_CORNERS", True, "query.features"),
    "zero outside": (triplane, "PADDING", "zeros", "query.features"),
    "gate first": (generator, "value_and_gate", wrong_half, "gen.block0.out"),
    "tanh GELU in blocks": (generator, "GELU_FORM", "tanh", "gen.block0.out"),
    "tanh GELU in the field": (field, "GELU_FORM", "tanh", "query.rgb"),
    "colours not stretched": (field, "COLOR_STRETCH", 1.0, "query.rgb"),
    "colours not shifted": (field, "COLOR_SHIFT", 0.0, "query.rgb"),
    "grid of cell centres": (grid, "grid_axis", centre_aligned_axis, "grid.density"),
    "plane tokens normalised": (
        generator.Generator,
        "plane_tokens",
        normed_planes,
        "gen.block0.out",
    ),
    "attention not scaled": (
        generator.F,
        "scaled_dot_product_attention",
        lambda q, k, v: attention(q, k, v, scale=1.0),
        "gen.block0.attn_out",
    ),
    "pixel shuffle the other way": (
        generator.F,
        "pixel_shuffle",
        lambda x, factor: shuffle(x, factor).transpose(-1, -2),
        "gen.triplane",
    ),
    "principal point in the projection": (
        views,
        "released_frustum",
        off_centre,
        "load.cond_projections",
    ),
    "field of view of the scaled picture": (
        views,
        "released_frustum",
        lambda lens, *_: Intrinsics(
            lens.width, lens.height, lens.fx, lens.fy, lens.width / 2, lens.height / 2
        ),
        "load.cond_mvps",
    ),
    "pictures rounded": (views, "_bytes", rounded, "load.cond_imgs@probe"),
    "black background of rays": (volume_render, "BACKGROUND", 0.0, "nerf.rgb"),
    "rays start farther off": (volume_render, "NEAREST", 6.0, "nerf.near"),
    "camera axes of OpenCV": (cameras, "OPENGL_FROM_OPENCV", np.eye(4), "load.cond_m2vs"),
}


def test_nothing_fails_untouched(made):
    assert failures(made) == set()


@pytest.mark.parametrize("trap", TRAPS)
def test_flipped_trap_is_caught(monkeypatch, made, trap):
    where, name, wrong, notices = TRAPS[trap]
    monkeypatch.setattr(where, name, wrong)
    assert notices in failures(made)


@pytest.mark.parametrize("add_bias", [biased_linear, biased_patches])
def test_bias_where_there_is_none_is_caught_by_the_manifest(monkeypatch, made, add_bias):
    add_bias(monkeypatch)
    assert "odd" in failures(made)
