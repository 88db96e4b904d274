"""The whole network: names, sizes, flips, half precision and export."""

from dataclasses import replace

import pytest
import torch

from engine.nets.simplerecon.augment import mirrored_scene
from engine.nets.simplerecon.cost_volume import DotVolume
from engine.nets.simplerecon.model import SimpleRecon, mirror, normalised
from tests.nets.simplerecon.small import SMALL, network, views


def test_checkpoint_of_one_size_serves_another():
    state = network(replace(SMALL, image_width=512, image_height=384)).state_dict()
    other = SimpleRecon(replace(SMALL, image_width=320, image_height=256)).eval()
    other.load_state_dict(state)
    assert other.cost_volume.backprojector.pix_coords_13N.shape[-1] == 80 * 64
    scene = views(width=320, height=256).tensors()
    with torch.no_grad():
        at_home = network(replace(SMALL, image_width=320, image_height=256))(*scene)
        elsewhere = other(*scene)
        # Not even the configuration binds the size of pictures.
        small = other(*views().tensors())
        own = network()(*views().tensors())
    assert torch.equal(at_home.log_depths[0], elsewhere.log_depths[0])
    assert torch.equal(small.log_depths[0], own.log_depths[0])


def test_a_missing_grid_is_missing():
    state = network().state_dict()
    del state["compute_normals.backproject.pix_coords_13N"]
    with pytest.raises(RuntimeError, match=r"compute_normals\.backproject"):
        SimpleRecon(SMALL).load_state_dict(state)


def test_pictures_are_normalised_by_imagenet():
    grey = normalised(torch.full((2, 3, 1, 1), 255, dtype=torch.uint8))
    wanted = [(1 - m) / s for m, s in ((0.485, 0.229), (0.456, 0.224), (0.406, 0.225))]
    assert torch.allclose(grey[1, :, 0, 0], torch.tensor(wanted))


def test_mirrored_pass_shows_the_networks_mirrored_pictures():
    images, K, T = views().tensors()
    model = network()
    with torch.no_grad():
        found = model(images, K, T, is_mirrored=True)
        levels = model.encoder(mirror(images[:, 0]))
        features = mirror(model.match(mirror(images)))
        volume = model.sweep(features, model.cameras(K, T))
        wanted = mirror(model.decode(mirror(volume.cost_bdhw), levels)[0])
        plain = model(images, K, T)
    assert torch.equal(found.log_depths[0], wanted)
    assert (found.log_depths[0] - plain.log_depths[0]).abs().max() > 1e-3


def test_mirrored_scene_has_the_mirrored_volume():
    """The geometry of a mirrored scene is that of the scene: same dots, left and right swapped."""
    images, K, T = views().tensors()
    depth = torch.rand(1, 4, 1, 48, 64)
    images_m, depth_m, K_m, T_m = mirrored_scene(images, depth, K, T)
    assert torch.equal(mirror(images_m), images)
    assert torch.equal(mirror(depth_m), depth)
    assert torch.allclose(K_m[..., 0, 2], 128 - K[..., 0, 2])
    twice = mirrored_scene(images_m, depth_m, K_m, T_m)
    assert all(torch.allclose(a, b) for a, b in zip(twice, (images, depth, K, T), strict=True))
    model, dots = network(), DotVolume(SMALL)
    with torch.no_grad():
        features = model.match(images)
        plain = dots(features[:, 0], features[:, 1:], model.cameras(K, T))
        seen = mirror(features)
        swapped = dots(seen[:, 0], seen[:, 1:], model.cameras(K_m, T_m))
    assert torch.allclose(mirror(swapped.cost_bdhw), plain.cost_bdhw, atol=2e-3)
    assert torch.linalg.det(model.cameras(K_m, T_m).T_src_ref_bv44).min() > 0.99


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
def test_half_precision_stays_near(half):
    scene = views().tensors()
    with torch.no_grad():
        single = network()(*scene)
        with torch.autocast("cpu", half):
            found = network()(*scene)
    assert found.log_depths[0].dtype == torch.float32
    assert found.volume.cost_bdhw.dtype == torch.float32
    error = (found.log_depths[0] - single.log_depths[0]).abs()
    assert error.mean() < 0.1 * single.log_depths[0].std()
    assert torch.equal(found.volume.mask_bhw, single.volume.mask_bhw)


def parts_and_inputs() -> dict[str, tuple[torch.nn.Module, tuple[object, ...]]]:
    model = network()
    images, K, T = views().tensors()
    levels, features = model.encoder(images[:, 0]), model.match(images)
    cameras = model.cameras(K, T)
    volume = model.sweep(features, cameras)
    joined = model.cost_volume_net(volume.cost_bdhw, levels[1:])
    return {
        "encoder": (model.encoder, (images[:, 0],)),
        "matching": (model.matching_model, (images[0],)),
        "volume": (model.cost_volume, (features[:, 0], features[:, 1:], cameras)),
        "volume encoder": (model.cost_volume_net, (volume.cost_bdhw, levels[1:])),
        "decoder": (model.depth_decoder, ((levels[0], *joined),)),
        "whole": (model, (images, K, T)),
    }


PARTS = ("encoder", "matching", "volume", "volume encoder", "decoder", "whole")


@pytest.mark.parametrize("name", PARTS)
def test_exported_parts_give_the_same(name):
    with torch.no_grad():
        part, given = parts_and_inputs()[name]
        exported = torch.export.export(part, given).module()
        ours, theirs = (torch.utils._pytree.tree_leaves(f(*given)) for f in (part, exported))
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert torch.allclose(a.float(), b.float(), atol=1e-5)


# Strict tracing refuses graph breaks; it reads the Python code itself and takes its time.
@pytest.mark.parametrize(
    "name",
    [n if n in ("matching", "volume") else pytest.param(n, marks=pytest.mark.slow) for n in PARTS],
)
def test_no_graph_breaks(name):
    with torch.no_grad():
        part, given = parts_and_inputs()[name]
        assert torch.export.export(part, given, strict=True).graph_signature.user_outputs
