"""Texture refinement of one object: its triplane and colour network against its photographs.

GTR, arXiv 2406.05649, section 3.4. Geometry stays as it is, so what every pixel sees is known
before the first step: the surface points are constants, and so are the texels each of them reads.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.core.faults import BadInput
from engine.core.news import Job, Progress
from engine.nets.gtr import field as gtr_field
from engine.nets.gtr.field import Mlp, TriplaneField
from engine.nets.gtr.precision import full_precision
from engine.objects.optimise import AdamwSettings, Schedule, groups
from engine.objects.texels import Texels

# Shown where no surface is.
WHITE = 1.0
# 128 MB of features at forty channels.
POINTS_AT_ONCE = 1 << 18


@dataclass(frozen=True, slots=True)
class RefineSettings:
    """The published recipe; the paper states fewer steps and a squared error.

    Attributes:
        iterations: steps over all photographs together.
        triplane_rate: constant learning rate of the triplane, which decays like a weight.
        optimiser: for the colour network and, but for its rate, the triplane.
        schedule: of the colour network; its first step stands still.
    """

    iterations: int = 50
    triplane_rate: float = 0.15
    optimiser: AdamwSettings = field(default_factory=AdamwSettings)
    schedule: Schedule = field(default_factory=Schedule)

    def rates(self, step: int) -> tuple[float, float]:
        """Return the learning rates of colour network and triplane at a step, from 0."""
        return self.optimiser.peak_rate * self.schedule.share(step), self.triplane_rate


@dataclass(frozen=True, slots=True)
class Sight:
    """What one camera sees of the surface, and what its photograph shows.

    Attributes:
        mask: (h, w) bool, true where the surface is seen.
        points: (n, 3) world point of every true pixel, row by row.
        photo: (hp, wp, 3) float RGB over white in [0, 1]; any size.
    """

    mask: Tensor
    points: Tensor
    photo: Tensor

    def __post_init__(self) -> None:
        """Refuse points that do not fit the mask.

        Raises:
            BadInput: not one point a true pixel.
        """
        if self.mask.ndim != 2 or self.points.shape != (int(self.mask.sum()), 3):
            raise BadInput("A view to refine against needs one surface point a covered pixel.")


@dataclass(frozen=True, slots=True)
class Look:
    """A refined appearance; density still comes from the triplane that was refined.

    Attributes:
        triplane: (3, c, h, w), for colours only.
        field: a copy of the field with the refined colour network.
        losses: mean absolute error before every step.
    """

    triplane: Tensor
    field: TriplaneField
    losses: tuple[float, ...]

    def color(self, points: Tensor) -> Tensor:
        """Return RGB (n, 3) of points (n, 3); not clamped, no gradient."""
        return colors_at(self.field, self.triplane, points)


def refine_look(
    field: TriplaneField,
    triplane: Tensor,
    sights: Sequence[Sight],
    settings: RefineSettings | None = None,
) -> Job[Look]:
    """Return an appearance closer to the photographs; field and triplane are left untouched.

    One view at a time is in memory; the gradient is that of all of them.

    Raises:
        BadInput: no view.
    """
    settings = settings or RefineSettings()
    if not sights:
        raise BadInput("There is no photograph to refine the object's look against.")
    field = copy.deepcopy(field)
    network = field.decoder.field.mlp_color
    planes = _trainable(triplane)
    views = [_View(sight, planes) for sight in sights]
    optimiser = _optimiser(network, planes, settings)
    losses: list[float] = []
    yield Progress("refining the look", 0, settings.iterations)
    for step in range(settings.iterations):
        color_rate, planes_rate = settings.rates(step)
        *color_groups, planes_group = optimiser.param_groups
        for group in color_groups:
            group["lr"] = color_rate
        planes_group["lr"] = planes_rate
        losses.append(_step(network, planes, views, optimiser, settings))
        yield Progress("refining the look", step + 1, settings.iterations)
    return Look(planes.detach(), field, tuple(losses))


@torch.no_grad()
def colors_at(field: TriplaneField, triplane: Tensor, points: Tensor) -> Tensor:
    """Return the field's RGB (n, 3) at points (n, 3), in portions; not clamped, no gradient."""
    portions = torch.split(points, POINTS_AT_ONCE)
    return torch.cat([field.color(field.features(triplane, portion)) for portion in portions])


def predict(network: Mlp, triplane: Tensor, sight: Sight) -> Tensor:
    """Return the picture (hp, wp, 3) that a step compares with the photograph."""
    with full_precision(triplane):
        return _View(sight, triplane).picture(network, triplane)


class _View:
    """A sight with everything that stays the same from step to step."""

    def __init__(self, sight: Sight, triplane: Tensor) -> None:
        self.mask = sight.mask
        self.photo = sight.photo
        self.texels = Texels(sight.points, triplane.shape[-2:])

    def picture(self, network: Mlp, triplane: Tensor) -> Tensor:
        colors = _colors(network, triplane, self.texels)
        picture = colors.new_full((*self.mask.shape, 3), WHITE)
        picture = picture.masked_scatter(self.mask[..., None], colors)
        size = self.photo.shape[:2]
        if self.mask.shape == size:
            return picture
        # From twice the size this is the mean of 2x2 pixels.
        resized = F.interpolate(
            picture.permute(2, 0, 1)[None], size, mode="bilinear", align_corners=False
        )
        return resized[0].permute(1, 2, 0)


def _colors(network: Mlp, triplane: Tensor, texels: Texels) -> Tensor:
    """Return the field's colour at the points whose texels are given.

    The first layer is linear and so is interpolation: applied to the texels it need not be
    applied to the points, of which there are more.
    """
    weight, bias = (network.get_parameter(f"layers.0.{name}") for name in ("weight", "bias"))
    # Feature 3 c + p is channel c of plane p.
    shares = [
        plane.flatten(1).T @ weight[:, p :: len(triplane)].T for p, plane in enumerate(triplane)
    ]
    raw = network.after_first(texels.read(torch.cat(shares)) + bias)
    return gtr_field.COLOR_STRETCH * torch.sigmoid(raw) + gtr_field.COLOR_SHIFT


def picture_error(picture: Tensor, photo: Tensor) -> Tensor:
    """Return the summed absolute difference; the paper writes a square, the code does not."""
    return (picture - photo).abs().sum()


def _step(
    network: Mlp,
    planes: nn.Parameter,
    views: Sequence[_View],
    optimiser: torch.optim.Optimizer,
    settings: RefineSettings,
) -> float:
    optimiser.zero_grad(set_to_none=True)
    numbers = sum(view.photo.numel() for view in views)
    total = 0.0
    with full_precision(planes):
        for view in views:
            loss = picture_error(view.picture(network, planes), view.photo) / numbers
            torch.autograd.backward(loss)
            total += loss.item()
    # The triplane's gradient is not clipped.
    nn.utils.clip_grad_norm_(network.parameters(), settings.optimiser.max_gradient_norm)
    optimiser.step()
    return total


def _trainable(triplane: Tensor) -> nn.Parameter:
    return nn.Parameter(triplane.detach().clone())


def _optimiser(network: Mlp, planes: nn.Parameter, settings: RefineSettings) -> torch.optim.AdamW:
    """Return an optimiser of three groups: weights, biases, triplane.

    The triplane decays too, seen or not: after fifty steps 0.69 of an unseen texel is left.
    """
    adamw = settings.optimiser
    own = {"params": [planes], "weight_decay": adamw.weight_decay}
    return torch.optim.AdamW([*groups(network, adamw), own], betas=adamw.betas)
