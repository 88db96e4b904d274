"""The second training stage in small: pictures of the mesh move what the mesh was made from."""

import pytest
import torch

from engine.evaluation.parity.recipe import NormalRecipe, fill
from engine.kernels.diff_marching import extract
from engine.kernels.raster_embree import EmbreeRasteriser
from engine.nets.gtr.grid import density_grid
from engine.nets.gtr.losses import Rendered, Wanted, stage2_terms
from engine.nets.gtr.model import Gtr
from engine.objects.mesh_render import render_mesh
from engine.objects.reconstruct import to_box
from tests.objects.test_mesh_render import camera, matrices
from tests.objects.test_reconstruct import SMALL

VIEWS = [camera(angle) for angle in (0.2, 1.8, 3.3, 5.0)]
POINTS, SIDE = 12, 64


def ball(radius):
    axis = torch.linspace(-1, 1, POINTS)
    x, y, z = torch.meshgrid(axis, axis, axis, indexing="ij")
    return (x**2 + y**2 + z**2).sqrt() - radius


def pictures(sdf):
    surface = extract(sdf)
    return render_mesh(
        to_box(surface.vertices, len(sdf)),
        surface.faces,
        *matrices(*VIEWS),
        SIDE,
        SIDE,
        EmbreeRasteriser(),
        lambda points: points.detach() / 2 + 0.5,
    )


def loss_of(sdf, target):
    drawn = pictures(sdf)
    rendered = Rendered(drawn.color, drawn.mask, drawn.depth, drawn.normal)
    return sum(stage2_terms(rendered, target).values())


@pytest.fixture(scope="module")
def target():
    drawn = pictures(ball(0.62))
    return Wanted(drawn.color, drawn.mask, drawn.depth, drawn.normal)


def test_a_ball_grows_until_it_fits_its_pictures(target):
    sdf = ball(0.5).requires_grad_()
    optimiser = torch.optim.Adam([sdf], lr=0.01)
    losses = []
    for _ in range(25):
        optimiser.zero_grad()
        loss = loss_of(sdf, target)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]
    surface = extract(sdf.detach())
    radius = to_box(surface.vertices, POINTS).norm(dim=-1)
    assert 0.56 < radius.median() < 0.66


def test_gradient_reaches_triplane_and_density_network(target):
    network = Gtr(SMALL)
    fill(network.state_dict(), NormalRecipe(7))
    triplane = torch.randn(
        3, 4, 8, 8, generator=torch.Generator().manual_seed(0), requires_grad=True
    )
    loss = loss_of(10 - density_grid(network.field, triplane, POINTS), target)
    loss.backward()
    assert torch.isfinite(triplane.grad).all()
    assert triplane.grad.abs().max() > 0
    sigma = network.field.decoder.field.mlp_sigma
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in sigma.parameters())
