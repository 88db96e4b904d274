"""Weights to begin from: a lifting GTR that shows the silhouettes' hull before it learned anything.

What the lift tells of a plane is laid into channels of its own, and the field is wired to read
them: matter is where no side of any plane looks past a point, and a point has the colour of a
side that looks at it. Training goes on from there; all that is not wired is as usual by chance.
"""

from typing import cast

import torch
from torch import Tensor, nn

from engine.nets.gtr.lift import AWAY_AXIS, LENGTH_GAIN, SIDE_MAPS, Lift
from engine.nets.gtr.model import Gtr
from engine.nets.gtr.triplane import PLANE_AXES

# Channels of the triplane: depth of both sides, the texel's own place, colour of both sides, how
# free the cameras' way to them is.
DEPTH, PLACE, COLOR, FREE, USED = (0, 1), (2, 3), (4, 7), (10, 11), 12
# Logit of cells that all silhouettes allow.
ALLOWED = 3.0
# Numbers pass GELU almost unchanged when they are this far above zero.
LIFTED = 8.0
# A colour counts while its side's surface is near: lengths are measured in so many to the unit, and
# cost so much. Larger numbers in the first layers would make every later step of learning jump.
NEARNESS, STEEPNESS = 12.0, 1.5
# For the same reason density's first layer is so much flatter, and its second so much steeper.
FLATTENED = 5.0
# Colours are told within -2..2; above zero they are told from sides that do not count.
RAISED, UNSEEN_COST = 4.0, 0.7
COLOR_SLOPE = 1.3
SIDES = tuple((plane, side) for plane in range(3) for side in range(2))
LEAST_WIDTH, COLOR_LAYERS, DENSITY_LAYERS = 42, 5, 3


@torch.no_grad()
def begin_with_hull(network: Gtr, level: float, slope: float) -> None:
    """Set weights so that density is `level` on the hull and falls by `slope` a unit of length.

    Raises:
        ValueError: the network has no lift, or is too small to be wired.
    """
    config = network.config
    if (
        config.generator.lift is None
        or config.generator.out_channels < USED
        or config.field.layer_width < LEAST_WIDTH
        or config.field.num_layers_color != COLOR_LAYERS
        or config.field.num_layers_sigma != DENSITY_LAYERS
    ):
        raise ValueError("this network cannot begin with a hull")
    _wire_lift(network.generator.lift)
    mlps = network.field.decoder.field
    _wire_density(_layers(mlps.mlp_sigma.layers), level, slope)
    _wire_color(_layers(mlps.mlp_color.layers))


def _layers(modules: nn.ModuleList) -> list[nn.Linear]:
    return [cast(nn.Linear, layer) for layer in modules]


def _wire_lift(lift: Lift) -> None:
    leave = lift.volume.leave
    leave.weight *= 0.1
    assert leave.bias is not None
    leave.bias.fill_(ALLOWED)
    # A side tells depth, opacity, three colours, how free it is, then features; places come last.
    each = SIDE_MAPS + lift.config.kept
    rows = lift.plain.weight[:, :, 0, 0]
    assert lift.plain.bias is not None
    rows[:USED], lift.plain.bias[:USED] = 0, 0
    for side in range(2):
        rows[DEPTH[side], side * each] = 1
        for channel in range(3):
            rows[COLOR[side] + channel, side * each + 2 + channel] = 1
        rows[FREE[side], side * each + SIDE_MAPS - 1] = 1
        rows[PLACE[side], 2 * each + side] = 1
    last = cast(nn.Conv2d, lift.mixed[-1])
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.get_parameter("bias"))


def _past(plane: int, side: int, inputs: int) -> Tensor:
    """Return weights (inputs,) of how far a point lies outside what a side sees, in lengths."""
    weights = torch.zeros(inputs)
    axis = AWAY_AXIS[plane]
    sign = 1.0 if side == 0 else -1.0
    weights[3 * DEPTH[side] + plane] = sign / LENGTH_GAIN
    # Both other planes know where the point lies along this one's axis.
    for other, axes in enumerate(PLANE_AXES):
        if axis in axes:
            weights[3 * PLACE[axes.index(axis)] + other] = -sign / LENGTH_GAIN / 2
    return weights


def _wire_density(layers: list[nn.Linear], level: float, slope: float) -> None:
    first, second, third = layers
    first.bias[: len(SIDES)] = level / FLATTENED
    for row, (plane, side) in enumerate(SIDES):
        first.weight[row] = slope / FLATTENED * _past(plane, side, first.in_features)
    second.weight[0] = 0
    second.weight[0, : len(SIDES)] = -FLATTENED
    second.bias[0] = 2 * level + LIFTED
    third.weight[0] = 0
    # Far below zero, softplus leaves no density.
    third.weight[0, 0], third.bias[0] = 1, -LIFTED


def _wire_color(layers: list[nn.Linear]) -> None:
    first, second, third, fourth, fifth = layers
    count = len(SIDES)
    near, free, tone = 0, 2 * count, 3 * count
    for number, (plane, side) in enumerate(SIDES):
        past = NEARNESS * _past(plane, side, first.in_features)
        # The sum of both is about the absolute distance.
        first.weight[near + 2 * number], first.weight[near + 2 * number + 1] = past, -past
        first.weight[free + number] = 0
        first.weight[free + number, 3 * FREE[side] + plane] = 1
        first.bias[free + number] = LIFTED
        for channel in range(3):
            row = tone + 3 * number + channel
            first.weight[row] = 0
            first.weight[row, 3 * (COLOR[side] + channel) + plane] = 1
            first.bias[row] = LIFTED
            seen = 3 * number + channel
            second.weight[seen] = 0
            second.weight[seen, near + 2 * number : near + 2 * number + 2] = -STEEPNESS
            second.weight[seen, free + number] = UNSEEN_COST
            second.weight[seen, row] = 1
            second.bias[seen] = RAISED - UNSEEN_COST * (LIFTED + 1) - LIFTED
    for channel in range(3):
        # The greater of two numbers is one of them, and what the other has more than it.
        _clear(third, range(channel, 9, 3))
        _clear(fourth, range(channel, 6, 3))
        for side in range(2):
            a, b, c = (3 * (2 * plane + side) + channel for plane in range(3))
            third.weight[channel, a], third.weight[channel, b] = 1, -1
            third.weight[3 + channel, b] = 1
            third.weight[6 + channel, c] = 1
        fourth.weight[channel, [channel, 3 + channel]] = 1
        fourth.weight[channel, 6 + channel] = -1
        fourth.weight[3 + channel, 6 + channel] = 1
        fifth.weight[channel] = 0
        fifth.weight[channel, [channel, 3 + channel]] = COLOR_SLOPE
        fifth.bias[channel] = -COLOR_SLOPE * RAISED


def _clear(layer: nn.Linear, rows: range) -> None:
    layer.weight[list(rows)], layer.bias[list(rows)] = 0, 0
