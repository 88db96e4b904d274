import pytest
import torch

from engine.nets.gtr.grid import density_grid
from engine.nets.gtr.model import Gtr
from engine.nets.gtr.volume_render import render_rays
from tests.nets.gtr.small import tiny

VIEWS = torch.rand(2, 10, 16, 16, generator=torch.Generator().manual_seed(1))
POINTS = torch.rand(40, 3, generator=torch.Generator().manual_seed(2)) * 2 - 1


def test_released_network_has_the_published_number_of_parameters():
    with torch.device("meta"):
        network = Gtr()
    assert sum(p.numel() for p in network.parameters()) == 411_403_556
    assert len(network.state_dict()) == 335
    assert network.field.aabb.shape == (6,)


def test_box_is_the_unit_box():
    assert tiny().state_dict()["field.aabb"].tolist() == [-1, -1, -1, 1, 1, 1]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_field_keeps_full_precision_under_autocast(dtype):
    network = tiny()
    triplane = network(VIEWS).detach()
    ray = torch.tensor([[0.0, 0, -4]]), torch.tensor([[0.0, 0, 1]])

    def answers() -> list[torch.Tensor]:
        seen = render_rays(network.field, triplane, *ray)
        grid = density_grid(network.field, triplane, 4)
        return [*network.field(triplane, POINTS), grid, seen.rgb]

    plain = answers()
    with torch.autocast("cpu", dtype):
        cast, half = answers(), network(VIEWS)
        from_half = network.field(half, POINTS)
    assert half.dtype == dtype
    torch.testing.assert_close(half.float(), triplane, atol=0.05, rtol=0)
    assert all(torch.equal(a, b) for a, b in zip(plain, cast, strict=True))
    assert all(values.dtype == torch.float32 for values in from_half)


def test_everything_learns():
    network = tiny().train()
    density, color = network.field(network(VIEWS), POINTS)
    (density.sum() + color.square().sum()).backward()
    still = [name for name, p in network.named_parameters() if not p.grad.abs().sum() > 0]
    assert still == []


def test_generator_exports_for_any_number_of_views():
    network = tiny()
    exported = torch.export.export(
        network, (VIEWS,), dynamic_shapes=({0: torch.export.Dim("views", max=16)},)
    ).module()
    more = torch.rand(5, 10, 16, 16)
    torch.testing.assert_close(exported(more), network(more))


def test_field_exports_for_any_number_of_points():
    field, triplane = tiny().field, torch.randn(3, 4, 6, 6)
    exported = torch.export.export(
        field, (triplane, POINTS), dynamic_shapes=(None, {0: torch.export.Dim("points")})
    ).module()
    for ours, plain in zip(
        exported(triplane, POINTS[:7]), field(triplane, POINTS[:7]), strict=True
    ):
        torch.testing.assert_close(ours, plain)
