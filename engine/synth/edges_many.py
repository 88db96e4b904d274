"""Smooth outlines in pictures of packed worlds.

A GPU sends more rays through every pixel. A processor cannot afford that and shares out only the
pixels where faces meet, as `outlines` does for single worlds.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.synth.cast_many import Cameras, lens_of
from engine.synth.outlines import FACES, smooth_outlines
from engine.synth.packed import solids_of
from engine.synth.raycast import Caster
from engine.synth.shade_many import Seen, look
from engine.synth.shapes import turn_each
from engine.synth.stage import Stage
from engine.synth.textures import Textures


def look_smooth(stage: Stage, cameras: Cameras, textures: Textures, oversample: int = 2) -> Seen:
    """Return what the cameras see, with smooth outlines; depth stays that of pixel centres."""
    seen, row = look(stage, cameras, textures)
    # Lamps are far brighter than white: pressed first, or one of their rays would fill the pixel.
    if seen.light.device.type == "cpu":
        pressed = _pressed(seen.light)
        shared = [
            _shared(stage.packed.table[i], cameras, i, seen.depth_m[i], row[i], pressed[i])
            for i in range(len(pressed))
        ]
        return seen.relit(_released(torch.stack(shared)))
    if oversample == 1:
        return seen
    K = torch.cat([cameras.K[..., :2, :] * oversample, cameras.K[..., 2:, :]], -2)
    size = cameras.height * oversample, cameras.width * oversample
    finer, _ = look(stage, Cameras(K, cameras.T_world_cam, *size), textures)
    mean = F.avg_pool2d(_pressed(finer.light).flatten(0, 1), oversample)
    return seen.relit(_released(mean.reshape(seen.light.shape)))


def _pressed(light: Tensor) -> Tensor:
    return light / (1 + light)


def _released(pressed: Tensor) -> Tensor:
    return pressed / (1 - pressed).clamp(min=1e-3)


def _shared(
    table: Tensor, cameras: Cameras, world: int, depth: Tensor, row: Tensor, light: Tensor
) -> Tensor:
    """Return the light (c, 3, h, w) of one world's views with its outlines shared out."""
    solids, rows = solids_of(table)
    number = torch.zeros(len(table), dtype=torch.long)
    number[rows] = torch.arange(len(rows))
    solid = number[row.clamp(min=0)].reshape(-1)
    one = cameras.pick(slice(world, world + 1), slice(None))
    T = one.T_world_cam[0]
    points = one.directions()[0] * depth[..., None] + T[:, None, None, :3, 3]
    offset = points.reshape(-1, 3) - solids.center.index_select(0, solid)
    local = turn_each(solids.R_world_obj.transpose(1, 2).contiguous(), solid, offset)
    caster = Caster(solids)
    shown = (solid * FACES + caster.face(solid, local)).reshape(row.shape)
    shown = torch.where(row >= 0, shown, -1)
    lens = lens_of(one.K[0, 0], one.height, one.width)
    smooth = smooth_outlines(caster, lens, T, shown, light.permute(0, 2, 3, 1).contiguous())
    return smooth.permute(0, 3, 1, 2)
