"""The engine behind the scripted first scan: the real one, whose demo room is a small one."""

import numpy as np

from app.build import make_fuser
from app.offers import DEMO
from app.studio import Studio
from engine.core.settings import preset
from engine.sources.detect import open_source

MAKER = "tests.gui.first_scan:make_studio"
SMALL = "synthetic:room?seed=1&frames=48&area=8&chest=1&size=320x240"


def make_studio():
    return Studio(
        preset("reduced"), lambda spec: open_source(SMALL if spec == DEMO else spec), make_fuser
    )


def front_corners_m(spec, inside_m):
    """Return two places (2, 3) on top of a room's chest, where a careful hand clicks its corners.

    They are so far inside the ends of the upper front edge, which is a metre long.
    """
    chest = open_source(spec).world.parts[-1]
    half = np.array(chest.shape.size)
    ends = np.array([[-1.0, -1.0, 1.0], [1.0, -1.0, 1.0]]) * half
    inwards = np.array([0.0, 0.0, half[2]]) - ends
    clicked = ends + inside_m * inwards / np.linalg.norm(inwards, axis=1, keepdims=True)
    return clicked @ chest.T_world_obj[:3, :3].T + chest.T_world_obj[:3, 3]
