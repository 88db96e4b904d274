import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.recon.frustum import frusta
from engine.recon.gather import in_depth, in_features, in_picture
from tests.recon.small import views

VIEWS = views(3)
edges = st.tuples(*[st.floats(-3, 3)] * 3)


@given(st.sampled_from(VIEWS), edges, st.tuples(*[st.floats(0.05, 1.5)] * 3))
def test_what_any_picture_sees_of_a_box_makes_it_touched(view, low, extent):
    low, extent = np.array(low), np.array(extent)
    steps = np.stack(np.meshgrid(*[np.linspace(0, 1, 5)] * 3, indexing="ij"), -1).reshape(-1, 3)
    points = torch.from_numpy(low + steps * extent).float()
    height, width = view.image_hw
    seen = (
        len(in_picture(points, view))
        + len(in_features(points, view, (height // 4, width // 4)))
        + len(in_depth(points, view.depth))
    )
    touched = any(part.touches(low[None], (low + extent)[None])[0] for part in frusta(view))
    assert touched or not seen


def test_boxes_behind_and_beside_are_not_touched():
    (photo, _) = frusta(VIEWS[1])
    T = VIEWS[1].T_cam_world.double().numpy()
    places_cam = np.array([[0, 0, 2], [0, 0, -2], [5, 0, 2], [-5, 0, 2], [0, 5, 2], [0, -5, 2.0]])
    places = (places_cam - T[:3, 3]) @ T[:3, :3]
    assert photo.touches(places - 0.1, places + 0.1).tolist() == [True] + 5 * [False]
