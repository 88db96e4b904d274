import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.kernels.antialias import antialias, opposite_corners
from engine.kernels.diff_marching import extract
from engine.kernels.raster_embree import EmbreeRasteriser
from engine.kernels.rasterise import fragments
from tests.kernels.test_raster_ids import to_clip

SIDE = 24


def mask(vertices, faces, side=SIDE):
    """Return the antialiased coverage (side, side) of vertices (n, 3) seen in perspective."""
    clip = to_clip(vertices)
    seen = fragments(EmbreeRasteriser().face_ids(clip, faces, side, side), clip, faces)
    return antialias(seen.mask().detach(), seen, clip, faces)[0, :, :, 0]


def square(left, right, low=-0.503, high=0.503, depth=-1.3):
    corners = [[left, low], [right, low], [right, high], [left, high]]
    points = [torch.stack([*map(torch.as_tensor, c), torch.tensor(depth)]) for c in corners]
    return torch.stack(points).double(), torch.tensor([[0, 1, 2], [0, 2, 3]])


@settings(max_examples=60, deadline=None)
@given(st.floats(-0.5, 0.5), st.floats(-0.4, 0.4))
@example(-0.24984717787972394, 0.09126109402465793).via("an edge through a pixel's centre")
def test_a_half_planes_mask_is_its_area_and_moves_by_the_length_of_its_side(at, slope):
    # One face covers everything left of a line that is steep enough to be cut by every row.
    side = torch.tensor(at, dtype=torch.float64, requires_grad=True)
    far = torch.tensor(9.0, dtype=torch.float64)
    corners = [(side - slope * far, -far), (side + slope * far, far), (side - 99, 0 * far)]
    vertices = torch.stack([torch.stack([x, y, 0 * y - 1.3]) for x, y in corners])
    covered = mask(vertices, torch.tensor([[0, 1, 2]]))
    y = (torch.arange(SIDE) + 0.5) / SIDE * 2 - 1
    reach = (at + slope * y + 1) * SIDE / 2
    assert covered.sum().item() == pytest.approx(reach.sum().item(), abs=1e-4)
    (gradient,) = torch.autograd.grad(covered.sum(), side)
    assert gradient.item() == pytest.approx(SIDE * SIDE / 2, rel=1e-6)


@pytest.mark.parametrize("shift", [0.0, 0.013, 0.021])
def test_gradient_of_a_moving_triangle_is_the_difference_quotient(shift):
    base = torch.tensor([[-0.5, -0.4, -1.3], [0.6, -0.25, -1.6], [-0.1, 0.55, -1.1]])
    faces = torch.tensor([[0, 1, 2]])

    def total(offset):
        return mask(base.double() + torch.stack([offset, 0.5 * offset, 0 * offset]), faces).sum()

    at = torch.tensor(shift, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(total(at), at)
    # Moved as a whole, a triangle keeps its area; grown, it does not.
    step = 1e-6
    with torch.no_grad():
        quotient = (total(at + step) - total(at - step)) / (2 * step)
    assert gradient.item() == pytest.approx(quotient.item(), abs=1e-4)


def coarse_ball():
    axis = torch.linspace(-1, 1, 8, dtype=torch.float64)
    x, y, z = torch.meshgrid(axis, axis, axis, indexing="ij")
    surface = extract((x**2 + y**2 + z**2).sqrt() - 0.7)
    return surface.vertices * 2 / 7 - 1, surface.faces


def test_gradient_of_a_growing_ball_is_its_rim():
    unit, faces = coarse_ball()

    def total(scale, side=384):
        return mask(unit * scale - torch.tensor([0, 0, 6.0]), faces, side).sum()

    scale = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    covered = total(scale)
    (gradient,) = torch.autograd.grad(covered, scale)
    # Growing moves the rim outwards by its distance from the centre: dA / ds = 2 A, and a little
    # more since the outline comes nearer.
    assert gradient.item() == pytest.approx(2 * covered.item(), rel=0.1)
    with torch.no_grad():
        quotient = (total(1.03) - total(0.97)) / 0.06
    assert gradient.item() == pytest.approx(quotient.item(), rel=0.1)


def test_gradient_to_colours_and_vertices_by_difference_quotients():
    vertices, faces = square(-0.4, 0.31)
    vertices = vertices + torch.tensor([[0.03, 0.01, 0], [0.02, 0, -0.1], [0, 0.04, 0], [0, 0, 0]])
    clip = to_clip(vertices)
    ids = EmbreeRasteriser().face_ids(clip, faces, 12, 12)
    torch.manual_seed(0)
    picture = torch.rand(1, 12, 12, 2, dtype=torch.float64)

    def drawn(colors, points):
        here = to_clip(points)
        return antialias(colors, fragments(ids, here, faces), here, faces)

    inputs = (picture.requires_grad_(), vertices.requires_grad_())
    assert (drawn(*inputs) != picture).any()
    assert torch.autograd.gradcheck(drawn, inputs, fast_mode=True)


def test_edges_inside_a_surface_are_left_alone():
    vertices, faces = square(-5.0, 5.0, -5.0, 5.0)
    clip = to_clip(vertices)
    seen = fragments(EmbreeRasteriser().face_ids(clip, faces, 8, 8), clip, faces)
    picture = torch.rand(1, 8, 8, 3, dtype=torch.float64)
    assert len(seen.face.unique()) == 2
    assert torch.equal(antialias(picture, seen, clip, faces), picture)


def test_a_fold_seen_from_the_side_is_a_silhouette():
    # Two faces on one edge that both lie to its left; behind them a wall.
    fold = torch.tensor([[0.1, -3, -1.0], [0.1, 3, -1.0], [-4, 0, -1.2], [-4, 0, -1.4]])
    wall = torch.tensor([[-9.0, -9, -3], [9, -9, -3], [0, 9, -3]])
    vertices = torch.cat([fold, wall]).double()
    faces = torch.tensor([[0, 1, 2], [1, 0, 3], [4, 5, 6]])
    clip = to_clip(vertices)
    seen = fragments(EmbreeRasteriser().face_ids(clip, faces, 8, 8), clip, faces)
    near = seen.picture((seen.face[:, None] < 2).double(), 0.0)
    blended = antialias(near, seen, clip, faces)
    # The fold is at 0.13 in clip space, 0.52 of a pixel right of the middle.
    assert near[0, 4, :, 0].tolist() == [1, 1, 1, 1, 1, 0, 0, 0]
    assert blended[0, 4, 4, 0].item() == pytest.approx(0.52, abs=1e-6)
    assert blended[0, 4, 5, 0].item() == 0


def test_opposite_corners_are_those_across_the_edge():
    faces = torch.tensor([[0, 1, 2], [2, 1, 3], [4, 5, 6]])
    assert opposite_corners(faces).tolist() == [[-1, 3, -1], [0, -1, -1], [-1, -1, -1]]
    # Three faces on one edge: nobody knows which continues which.
    fan = torch.tensor([[0, 1, 2], [1, 0, 3], [0, 1, 4]])
    assert (opposite_corners(fan) == -1).all()


def test_nothing_seen_is_nothing_changed():
    vertices, faces = square(5.0, 6.0)
    assert mask(vertices, faces).sum() == 0
