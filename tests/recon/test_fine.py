import pytest
import torch

from engine.recon import fine as fine_module
from engine.recon.compute import ON_CPU
from engine.recon.fine import Keyframes, points_of, portions
from tests.recon.small import CONFIG, LATTICE, network, views

VOLUME = torch.zeros(CONFIG.unet_up_widths[-1], *LATTICE.dims)


def read(pictures, guidance, points, group=32, monkeypatch=None):
    if monkeypatch is not None:
        monkeypatch.setattr(fine_module, "GROUP", group)
    keyframes = Keyframes(network(), ON_CPU, guidance)
    for view in pictures:
        keyframes.add(view)
    return keyframes.read(points, VOLUME, LATTICE)


@pytest.fixture(scope="module")
def points():
    index = torch.arange(0, LATTICE.size, 7)
    return LATTICE.points()[index] + 0.013


def counts_of(points, pictures):
    """Return how many depth pictures count at each point, and the sum of what they say."""
    total, count = 0, 0
    for view in pictures:
        said, counted = network().guidance_sums(
            view.depth.depth_hw[None], points, view.depth.K, view.depth.T_cam_world[None]
        )
        total, count = total + said, count + counted
    return total, count


def test_compatible_guidance_is_divided_by_the_count_twice(points):
    pictures = views(5)
    right = read(pictures, "consistent", points).guidance_n
    fault = read(pictures, "compatible", points).guidance_n
    _, count = counts_of(points, pictures)
    seen = count > 0
    assert seen.any()
    assert not seen.all()
    assert torch.allclose(fault[seen], (right / count)[seen], atol=1e-6)
    assert (right[~seen] == 1).all()
    assert (fault[~seen] == 1).all()


def test_compatible_guidance_adds_the_means_of_its_groups(points, monkeypatch):
    pictures = views(5)
    fault = read(pictures, "compatible", points, 2, monkeypatch).guidance_n
    means = 0
    for part in (pictures[:2], pictures[2:4], pictures[4:]):
        total, count = counts_of(points, part)
        means = means + total / count.clamp(min=1)
    _, count = counts_of(points, pictures)
    seen = count > 0
    assert torch.allclose(fault[seen], (means / count)[seen], atol=1e-6)


def test_order_and_groups_of_keyframes_do_not_matter_to_consistent(points, monkeypatch):
    pictures = views(5)
    right = read(pictures, "consistent", points)
    other = read(pictures[::-1], "consistent", points, 2, monkeypatch)
    for ours, theirs in zip(
        (right.image_mean_cn, right.guidance_n),
        (other.image_mean_cn, other.guidance_n),
        strict=True,
    ):
        assert torch.allclose(ours, theirs, atol=1e-5)


def test_a_view_without_depth_still_gives_features(points):
    from dataclasses import replace

    blind = [replace(view, depth=None) for view in views(3)]
    reading = read(blind, "consistent", points)
    assert (reading.guidance_n == 1).all()
    assert torch.equal(reading.image_mean_cn, read(views(3), "consistent", points).image_mean_cn)


def test_sample_points_lie_inside_their_voxel():
    voxels = torch.tensor([[0, 0, 0], [5, 2, 9]])
    for rate in (1, 2, 4):
        points = points_of(LATTICE, voxels, rate).view(2, -1, 3)
        middle = LATTICE.points_at(voxels)
        assert points.shape[1] == rate**3
        assert torch.allclose(points.mean(1), middle, atol=1e-6)
        assert (points - middle[:, None]).abs().max() < 0.02
    # z runs fastest, as the samples of a voxel are stored.
    assert points[0, 1, 2] - points[0, 0, 2] == pytest.approx(0.01, abs=1e-6)


def test_portions_cover_everything_once():
    assert [(p.start, p.stop) for p in portions(10, 4)] == [(0, 4), (4, 8), (8, 10)]
    assert list(portions(0, 4)) == []
