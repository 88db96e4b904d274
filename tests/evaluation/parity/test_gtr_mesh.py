import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from engine.core.faults import BadInput
from engine.evaluation.parity import gtr_mesh, gtr_refine
from engine.evaluation.parity.fixture import Entries
from engine.evaluation.parity.gtr_mesh import checks
from engine.evaluation.parity.gtr_refine import refine_checks
from engine.evaluation.parity.recipe import NormalRecipe, fill
from engine.kernels import diff_marching, rasterise
from engine.nets.gtr import field as gtr_field
from engine.nets.gtr import losses, triplane
from engine.nets.gtr.config import GtrConfig
from engine.nets.gtr.model import Gtr
from engine.objects import mesh_render, optimise, reconstruct, refine_look
from engine.objects.views import Views, load_views

FIXTURE = Path(__file__).resolve().parents[3].parent / "shared" / "parity" / "gtr"

needs_fixture = pytest.mark.skipif(
    not (FIXTURE / "small_outputs.npz").exists(),
    reason="the stored GTR outputs are not beside this checkout",
)


class Stored:
    """The stored case, and checks of those of its outputs whose names start in some way."""

    def __init__(self):
        self.config = json.loads((FIXTURE / "small_config.json").read_text())
        self.inputs, self.outputs = (
            dict(np.load(FIXTURE / f"small_{kind}.npz")) for kind in ("inputs", "outputs")
        )
        self.network = Gtr(GtrConfig.from_dict(self.config)).eval()
        fill(self.network.state_dict(), NormalRecipe(self.config["SEED"]))
        rgba, text = list(self.inputs["rgba"]), [str(t) for t in self.inputs["camera_text"]]
        self.views = load_views(rgba, text)
        with torch.no_grad():
            self.triplane = self.network(self.views.network_input())

    def check(self, *starts, config=None, inputs=None, without=()):
        """Yield the checks of what is stored under the given starts of names."""
        # An array that decides ties of the surface comes along.
        wanted = {k: v for k, v in self.outputs.items() if k.startswith((*starts, "grid."))}
        wanted = {key: value for key, value in wanted.items() if key not in without}
        config = self.config | (config or {})
        rest = (self.network, self.triplane, self.views)
        if starts == ("refine.",):
            # Alone, without the surface and pictures that are stored with it.
            names = ("raster.tex_pts", "raster.hard_mask", "mesh.verts", "gen.triplane")
            wanted |= {name: self.outputs[name] for name in names}
            yield from refine_checks(Entries("config", config), Entries("outputs", wanted), *rest)
        else:
            yield from checks(config, inputs or self.inputs, wanted, *rest)


@pytest.fixture(scope="module")
def stored():
    return Stored()


@needs_fixture
@pytest.mark.parametrize("stage", ["mesh.", "raster.", "stage2.", "loss.", "refine."])
def test_every_stored_output_is_met(stored, stage):
    results = {check.name: check for check in stored.check(stage)}
    assert set(results) == {name for name in stored.outputs if name.startswith(stage)}
    assert [check for check in results.values() if not check.ok] == []


def fails(results, name):
    """Return whether an output of that name is off; what comes after it is not computed."""
    return any(check.name.startswith(name) and not check.ok for check in results)


@needs_fixture
def test_vertices_and_faces_are_the_stored_ones_to_the_last_bit(stored):
    density = torch.from_numpy(stored.outputs["grid.density"])
    surface = diff_marching.extract(stored.config["mc_level"] - density)
    vertices = reconstruct.to_box(surface.vertices, len(density))
    assert np.abs(vertices.numpy() - stored.outputs["mesh.verts"]).max() < 1e-6
    np.testing.assert_array_equal(surface.faces.numpy(), stored.outputs["mesh.faces"])


def square_error(picture, photo):
    return (picture - photo).square().sum()


def rounded(rgb):
    return (rgb.clamp(0, 1) * 255).round().numpy().astype(np.uint8)


def no_warm_up(schedule, step):
    return true_share(replace(schedule, warmup=0), step)


def undecayed(module, settings):
    return true_groups(module, replace(settings, weight_decay=0.0))


def planes_do_not_decay(network, planes, settings):
    still = {"params": [planes], "weight_decay": 0.0}
    parts = [*true_groups(network, settings.optimiser), still]
    return torch.optim.AdamW(parts, betas=settings.optimiser.betas)


def second_and_third(ids, clip, faces):
    """Return fragments whose weights belong to the next corner, as ray casters give them."""
    seen = true_fragments(ids, clip, faces)
    return seen._replace(weights=seen.weights.roll(1, dims=1))


def flat_normals(vertices, faces):
    a, b, c = vertices[faces].unbind(1)
    unit = torch.nn.functional.normalize(torch.linalg.cross(b - a, c - a), dim=-1)
    total = torch.zeros_like(vertices)
    for corner in range(3):
        total.index_add_(0, faces[:, corner], unit)
    return torch.nn.functional.normalize(total, dim=-1)


def known_depth_only(depth, wanted):
    return (depth - wanted)[wanted > 0].square().mean()


def black_normals(normal, mask):
    return normal * mask


def opacity_of_signed_length(density, o, d, near, far, wanted, random):
    end = torch.where(wanted > 0, wanted, far)
    at = near + random * (end - near)
    rest = (end - at) * d.norm(dim=-1)
    opacity = 1 - torch.exp(-density(o + at[:, None] * d) * rest)
    return torch.where(far > near, opacity, 0.0)


true_fragments = rasterise.fragments
true_groups = optimise.groups
true_share = optimise.Schedule.share
true_box = reconstruct.to_box

# What is wrong, where it is put, and an output that has to notice.
TRAPS = {
    "squared error": (refine_look, "picture_error", square_error, "refine.loss_per"),
    "first step moves the network": (optimise.Schedule, "share", no_warm_up, "refine.lr_per"),
    "weights without decay": (refine_look, "groups", undecayed, "refine.after"),
    "triplane without decay": (
        refine_look, "_optimiser", planes_do_not_decay, "refine.triplane_after",
    ),
    "black background": (refine_look, "WHITE", 0.0, "refine.first"),
    "no colour stretch": (gtr_field, "COLOR_STRETCH", 1.0, "mesh.vertex_rgb"),
    "no colour stretch in refinement": (gtr_field, "COLOR_STRETCH", 1.0, "refine.first"),
    "rounding to bytes": (gtr_mesh, "color_bytes", rounded, "mesh.vertex_rgb_u8"),
    "another padding": (diff_marching, "PAD_ABOVE_LEVEL", 2.0, "mesh.verts"),
    "grid without its far end": (
        gtr_mesh, "to_box", lambda v, n: true_box(v, n + 1), "mesh.verts",
    ),
    "normals not weighted by area": (mesh_render, "vertex_normals", flat_normals, "raster.normal"),
    "weights of the wrong corners": (mesh_render, "fragments", second_and_third, "raster.tex_pts"),
    "texel centres at the ends": (triplane, "ALIGN_CORNERS", True, "raster.rgb"),
    "depth of known pixels alone": (losses, "depth_loss", known_depth_only, "loss.allone"),
    "normals over black": (losses, "_over_background", black_normals, "loss.allone"),
    "opacity of a negative length": (
        gtr_mesh, "ray_opacity", opacity_of_signed_length, "stage2.",
    ),
}  # fmt: skip


@needs_fixture
@pytest.mark.parametrize("trap", TRAPS)
def test_every_trap_is_noticed(stored, monkeypatch, trap):
    where, name, wrong, output = TRAPS[trap]
    monkeypatch.setattr(where, name, wrong)
    assert fails(stored.check(output.split(".")[0] + "."), output)


@needs_fixture
@pytest.mark.parametrize(("name", "value"), [("betas", (0.9, 0.999)), ("max_gradient_norm", 0.01)])
def test_another_optimiser_is_noticed(stored, monkeypatch, name, value):
    def other(iterations):
        adamw = replace(optimise.AdamwSettings(), **{name: value})
        return refine_look.RefineSettings(iterations, optimiser=adamw)

    monkeypatch.setattr(gtr_refine, "RefineSettings", other)
    assert fails(stored.check("refine."), "refine.after")


@needs_fixture
def test_other_view_counts_are_met(stored):
    two = {k: v[1:] for k, v in stored.outputs.items() if k.startswith("raster.")}
    color, mask, cameras = stored.views.color[1:], stored.views.mask[1:], stored.views.cameras[1:]
    results = checks(
        stored.config,
        stored.inputs,
        two | {"grid.density": stored.outputs["grid.density"]},
        stored.network,
        stored.triplane,
        Views(color, mask, cameras),
    )
    assert {check.name: check.ok for check in results} == dict.fromkeys(two, True)


@needs_fixture
def test_the_level_comes_from_the_configuration(stored):
    assert fails(stored.check("mesh.", config={"mc_level": 9.9}), "mesh.verts")


@needs_fixture
def test_sizes_come_from_the_configuration(stored):
    results = stored.check(
        "mesh.", "raster.", config={"grid_res": 14, "render_res": 32}, without={"grid.density"}
    )
    # Nothing fits any more, and nothing breaks.
    names = {check.name for check in results if not check.ok}
    assert names == {k for k in stored.outputs if k.startswith(("mesh.", "raster."))}


def test_a_density_on_the_level_lies_where_the_stored_one_does(monkeypatch):
    theirs = torch.tensor([9.9999, 10.0001, 9.0, 10.1]).reshape(1, 2, 2)
    ours = torch.tensor([10.0001, 9.9999, 9.0002, 9.9]).reshape(1, 2, 2)
    monkeypatch.setattr(gtr_mesh, "density_grid", lambda *_: ours)
    settings = Entries("config", {"grid_res": 2, "mc_level": 10.0})
    stored = Entries("outputs", {"grid.density": theirs.numpy()})
    found = gtr_mesh._density(settings, stored, SimpleNamespace(field=None), None)
    # Both ties are theirs; what differs less, or by more than rounding, is ours.
    assert torch.equal(found.flatten(), torch.tensor([9.9999, 10.0001, 9.0002, 9.9]))


@needs_fixture
def test_stages_that_are_not_stored_are_not_checked(stored):
    assert [check.name for check in stored.check("stage2.")] == ["stage2.ray_opacities"]


@needs_fixture
@pytest.mark.parametrize(
    ("stage", "config", "missing"),
    [
        ("mesh.", {"grid_res": "many"}, None),
        ("raster.", {"render_res": None}, None),
        ("refine.", {"refine_iterations": True}, None),
        ("stage2.", {}, "stage2_t_rand"),
        ("stage2.", {}, "stage2_gt_depth"),
        ("loss.", {}, "loss_pred.depth"),
    ],
)
def test_a_damaged_fixture_is_a_sentence(stored, stage, config, missing):
    inputs = {key: value for key, value in stored.inputs.items() if key != missing}
    with pytest.raises(BadInput):
        list(stored.check(stage, config=config, inputs=inputs))
