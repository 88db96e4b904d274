"""GTR's texture refinement against stored outputs."""

import re
from collections.abc import Iterator

import torch
from torch import Tensor

from engine.core.faults import BadInput
from engine.evaluation.parity.check import Check, close
from engine.evaluation.parity.fixture import REMEDY, Entries
from engine.nets.gtr.model import Gtr
from engine.objects.refine_look import (
    RefineSettings,
    Sight,
    colors_at,
    predict,
    refine_look,
)
from engine.objects.views import Views
from engine.runtime.progress import run_job

LOSS_TOL, RATE_TOL, COLOR_TOL, WEIGHT_TOL = 1e-6, 1e-9, 4e-4, 3e-6
# Adam turns rounding into finite steps where the gradient is nearly zero: hence the triplane's
# tolerance, and that this share of the colours read from it is left out of account.
TRIPLANE_TOL, COLOR_SHARE = 1e-2, 1e-2
# The stored first picture is named after its size and the pixels kept of it.
FIRST = re.compile(r"refine\.first_prediction_\d+@stride(\d+)")


def refine_checks(
    settings: Entries, results: Entries, network: Gtr, triplane: Tensor, views: Views
) -> Iterator[Check]:
    """Yield one check for every stored output of the refinement.

    It starts from the stored surface points and, where there is one, the stored triplane: so that
    neither rasteriser nor transformer shows in it.

    Raises:
        BadInput: surface points, mask or number of steps are missing.
    """
    points = torch.from_numpy(results.array("raster.tex_pts", len(views.color), None, None, 3))
    mask = torch.from_numpy(results.array("raster.hard_mask", len(views.color), None, None, 1))
    if "gen.triplane" in results.values:
        triplane = torch.from_numpy(results.array("gen.triplane", *triplane.shape))
    sights = [
        Sight(seen > 0.5, where[seen > 0.5], torch.from_numpy(photo))
        for seen, where, photo in zip(mask[..., 0], points, views.color, strict=True)
    ]
    recipe = RefineSettings(iterations=int(number(settings, "refine_iterations")))
    wanted = {name for name in results.values if name.startswith("refine.")}
    for name, stride in ((m.string, int(m[1])) for m in map(FIRST.fullmatch, wanted) if m):
        with torch.no_grad():
            color = network.field.decoder.field.mlp_color
            first = torch.stack([predict(color, triplane, sight) for sight in sights])
        yield close(name, first[:, ::stride, ::stride], results[name], COLOR_TOL)
    name = "refine.lr_per_iteration"
    if name in wanted:
        yield close(name, _rates(recipe), results[name], RATE_TOL)
    job = refine_look(network.field, triplane, sights, recipe)
    look = run_job(job, on_progress=lambda _: None, is_cancelled=lambda: False)
    name = "refine.loss_per_iteration"
    if name in wanted:
        yield close(name, torch.tensor(look.losses, dtype=torch.float64), results[name], LOSS_TOL)
    name = "refine.triplane_after"
    if name in wanted:
        yield close(name, look.triplane, results[name], TRIPLANE_TOL)
    name = "refine.vertex_rgb_after"
    if name in wanted:
        vertices = torch.from_numpy(results.array("mesh.verts", None, 3))
        color_after = colors_at(look.field, look.triplane, vertices).clamp(0, 1)
        yield close(name, color_after, results[name], COLOR_TOL, COLOR_SHARE)
    for key, value in look.field.state_dict().items():
        name = f"refine.after.field.{key}"
        if name in wanted:
            yield close(name, value, results[name], WEIGHT_TOL)


def number(settings: Entries, name: str) -> float:
    """Return a number of the configuration.

    Raises:
        BadInput: it is missing or no number.
    """
    value = settings[name]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadInput(f"{name} in {settings.file} is not a number.", REMEDY)
    return value


def _rates(recipe: RefineSettings) -> Tensor:
    """Return the rates (steps, 5) in the stored order: two groups of each network, triplane."""
    pairs = [recipe.rates(step) for step in range(recipe.iterations)]
    return torch.tensor([[color] * 4 + [planes] for color, planes in pairs], dtype=torch.float64)
