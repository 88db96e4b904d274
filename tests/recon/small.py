"""A network small enough to run in a test, and a scene for it: a ball before a wall."""

import torch

from engine.evaluation.parity.recipe import SplitmixRecipe, fill
from engine.nets.finerecon.config import FineReconConfig, StageConfig
from engine.nets.finerecon.model import FineRecon
from engine.recon.lattice import Lattice
from engine.recon.views import color_view, depth_view
from tests.scenes import orbit

WIDTH, HEIGHT = 96, 64
# Round the ball, cut short to stay quick.
LATTICE = Lattice((-0.6, -0.6, 0.7), (24, 28, 20), 0.04)
CONFIG = FineReconConfig(
    image_feature_dim=6,
    backbone_stem=4,
    backbone_stages=(
        StageConfig(4, 1, 1), StageConfig(6, 1, 2), StageConfig(8, 1, 2), StageConfig(8, 1, 2),
    ),
    unet_widths=(8, 8, 8),
    unet_up_widths=(8, 8, 8),
    unet_blocks=1,
    head_width=8,
    head_blocks=1,
    point_blocks=1,
)  # fmt: skip


def network(config=CONFIG, seed=3):
    made = FineRecon(config).eval()
    fill(made.state_dict(), SplitmixRecipe(seed))
    return made


def view_of(frame):
    depth = depth_view(frame.depth_m, frame.depth_intrinsics, frame.T_world_depth)
    return color_view(frame.color, frame.intrinsics, frame.T_world_cam, depth, WIDTH, HEIGHT)


def views(count=5):
    return [view_of(frame) for frame in orbit(count)]


def measured_network(config=CONFIG):
    """Return a real network whose weights make it believe depth: it needs no training.

    Every voxel is occupied, and the surface is where the guidance changes sign. A leaky
    activation shrinks one of g and -g, so both are carried through and subtracted at the end.
    """
    made = network(config)
    with torch.no_grad():
        for predictor in (made.surface_predictor, made.occ_predictor):
            for value in predictor.parameters():
                value.zero_()
        made.occ_predictor[-1].bias += 1
        first, last = made.surface_predictor[0], made.surface_predictor[-1]
        first.weight[0, -1], first.weight[1, -1] = 1, -1
        last.weight[0, 0], last.weight[0, 1] = -1, 1
    return made
