"""The plane sweep: what it finds, and that it does not depend on how it is cut."""

from contextlib import nullcontext

import pytest
import torch

from engine.nets.simplerecon import cost_volume, geometry
from engine.nets.simplerecon.cost_volume import Cameras, DotVolume, MetadataVolume
from tests.nets.simplerecon.small import SMALL, network, views


@pytest.fixture
def swept() -> tuple[torch.Tensor, Cameras, torch.nn.Module]:
    """Return matching features, their cameras and the network."""
    model = network()
    images, K, T = views().tensors()
    with torch.no_grad():
        return model.match(images), model.cameras(K, T), model


def test_planes_are_uniform_in_log_depth():
    planes = MetadataVolume(SMALL).planes_m()
    ratios = planes[1:] / planes[:-1]
    assert torch.allclose(planes[[0, -1]], torch.tensor([0.25, 5.0]))
    assert torch.allclose(ratios, torch.full((15,), 20.0 ** (1 / 15)))


@pytest.mark.parametrize("chunk", [1, 3, 5, 16, 100])
def test_chunks_do_not_change_the_numbers(swept, chunk):
    features, cameras, model = swept
    with torch.no_grad():
        whole = model.sweep(features, cameras)
        model.cost_volume.chunk_planes = chunk
        cut = model.sweep(features, cameras)
    assert torch.allclose(whole.cost_bdhw, cut.cost_bdhw, atol=1e-6)
    assert torch.equal(whole.mask_bhw, cut.mask_bhw)


def test_training_keeps_no_chunk_and_has_the_same_gradients(swept):
    features, cameras, model = swept

    def gradients() -> tuple[int, list[torch.Tensor]]:
        kept = []
        asked = features.clone().requires_grad_()
        model.zero_grad()
        with torch.autograd.graph.saved_tensors_hooks(
            lambda t: (kept.append(t.numel()), t)[1], lambda t: t
        ):
            loss = model.sweep(asked, cameras).cost_bdhw.square().mean()
        loss.backward()
        return sum(kept), [asked.grad, *(p.grad for p in model.cost_volume.parameters())]

    whole_size, whole = gradients()
    model.cost_volume.train()
    size, again = gradients()
    assert size < 0.05 * whole_size
    assert all(torch.equal(a, b) for a, b in zip(whole, again, strict=True))


def test_a_batch_is_its_members(swept):
    features, cameras, model = swept
    other = features.flip(-1), Cameras(*(each.clone() for each in cameras))
    other[1].T_src_ref_bv44[..., 0, 3] += 0.05
    with torch.no_grad():
        alone = [model.sweep(features, cameras), model.sweep(*other)]
        both = model.sweep(
            torch.cat([features, other[0]]),
            Cameras(*(torch.cat(pair) for pair in zip(cameras, other[1], strict=True))),
        )
    for k, one in enumerate(alone):
        assert torch.allclose(both.cost_bdhw[k], one.cost_bdhw[0], atol=1e-5)
        assert torch.equal(both.mask_bhw[k], one.mask_bhw[0])


def test_metadata_of_one_cell_by_hand(swept):
    features, cameras, model = swept
    row, column, plane = 9, 20, 6
    depth = model.cost_volume.planes_m()[plane, None]
    with torch.no_grad():
        seen = model.cost_volume.sweep(depth, cameras, 24, 32)
        cell = model.cost_volume.compare(
            seen, features[:, 0], features[:, 1:], cameras.T_src_ref_bv44
        )[0, 0, row * 32 + column].double()
    K = cameras.K_ref_b33[0].double()
    ray = torch.linalg.inv(K) @ torch.tensor([column + 0.5, row + 0.5, 1]).double()
    point = ray * depth.double()
    reference = features[0, 0, :, row, column].double()
    wanted: dict[str, list[torch.Tensor]] = {name: [] for name in cost_volume.METADATA}
    rays = [point / point.norm()]
    for k in range(3):
        T = cameras.T_src_ref_bv44[0, k].double()
        there = K @ (T[:3, :3] @ point + T[:3, 3])
        feat = geometry.sample(
            features[0, k + 1][None].double(), (there[:2] / there[2])[None, :, None]
        )[0, :, 0]
        T_ref_src = torch.linalg.inv(T)
        towards = point - T_ref_src[:3, 3]
        rays.append(towards / towards.norm())
        distance = geometry.pose_distance(T_ref_src)
        wanted["warped"].append(feat)
        wanted["masks"].append((there[2:] > 0).double())
        wanted["depths"].append(there[2:])
        wanted["dots"].append((feat * reference).sum()[None] * (there[2] > 0))
        wanted["cosines"].append((rays[0] * rays[-1]).sum()[None])
        for name, part in zip(("combined", "rotation", "translation"), distance, strict=True):
            wanted[f"pose_{name}"].append(part[None])
    wanted |= {"reference": [reference], "plane": [depth.double()], "rays": rays}
    vector = torch.cat([part for name in cost_volume.METADATA for part in wanted[name]])
    assert len(vector) == SMALL.mlp_widths[0]
    assert (cell - vector).abs().max() < 1e-3


def test_textured_plane_peaks_at_its_depth():
    """Features are unit vectors painted on a wall at a plane's depth: dots are 1 only there."""
    volume = DotVolume(SMALL)
    true = volume.planes_m()[9]
    K = torch.tensor([[28.0, 0, 16], [0, 28, 12], [0, 0, 1]])
    x_steps = torch.tensor([0.0, 0.12, -0.1, 0.07])
    rays = geometry.Backprojector(24, 32)(K[None], 24, 32)[0]
    pictures = []
    for step in x_steps:
        x, y = (rays[:2] * true + torch.stack([step, -step])[:, None]).unflatten(1, (24, 32))
        phases = [9 * x + 3 * y, 14 * y - 5 * x]
        pictures.append(torch.stack([f(p) for p in phases for f in (torch.cos, torch.sin)]))
    features = torch.stack(pictures)[None]
    T_src_ref = torch.eye(4).repeat(1, 3, 1, 1)
    T_src_ref[0, :, 0, 3], T_src_ref[0, :, 1, 3] = -x_steps[1:], x_steps[1:]
    cameras = Cameras(K[None], K.expand(1, 3, 3, 3), T_src_ref)
    found = volume(features[:, 0], features[:, 1:], cameras)
    inner = found.best_depth_bhw[0, 4:-4, 4:-4]
    assert (inner == true).float().mean() > 0.95
    assert found.mask_bhw[0, 4:-4, 4:-4].all()


def test_mask_wants_depth_and_picture_but_not_from_one_source():
    seen = cost_volume.Sweep(
        torch.ones(1),
        torch.zeros(1, 1, 3, 4),
        torch.tensor([[[[[5.0, 1, 5, 5], [5, 5, 1, 5]]], [[[1.0, 5, 1, 9], [5, 5, 5, 9]]]]]),
        torch.tensor([[[[-1.0, 1, 1, -1]], [[1.0, -1, 1, -1]]]]),
    )
    # Inside one and before the other; the same the other way; inside neither; behind both.
    assert cost_volume.visible(seen, 10, 10).tolist() == [[True, True, False, False]]


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
def test_geometry_stays_single_under_autocast(swept, half, monkeypatch):
    features, cameras, model = swept
    planes = model.cost_volume.planes_m()

    def metadata(in_half: bool) -> torch.Tensor:
        kept = []
        whole = MetadataVolume.reduce
        with monkeypatch.context() as patch, torch.no_grad():
            patch.setattr(
                MetadataVolume, "reduce", lambda self, m: (kept.append(m), whole(self, m))[1]
            )
            with torch.autocast("cpu", half) if in_half else nullcontext():
                model.sweep(features, cameras)
        return torch.cat(kept, dim=1)

    single = metadata(False)
    assert metadata(True).dtype == torch.float32
    assert torch.equal(metadata(True), single)
    with torch.autocast("cpu", half):
        poses = model.cameras(*(each for each in views().tensors()[1:]))
    assert all(torch.equal(a, b) for a, b in zip(poses, cameras, strict=True))
    # The proof needs a guard that does something: without it the numbers do change.
    monkeypatch.setattr(geometry, "exact", lambda like: nullcontext())
    loose = metadata(True)
    assert (loose.float() - single).abs().max() > 1e-3
    assert planes.dtype == torch.float32
