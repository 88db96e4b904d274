import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.grid import pack, unpack
from engine.recon.bricks import ABSENT, CHUNK_VOXELS, ONE, SILENT, bricks, quantised, voxels_of

CHUNK = np.array([-2, 0, 3])
KEY = int(pack(CHUNK[None])[0])


def chunk(seed, rate, occupied=40, informed_share=0.3):
    rng = np.random.default_rng(seed)
    informed = np.zeros((CHUNK_VOXELS,) * 3, bool)
    informed[:20] = rng.random((20, CHUNK_VOXELS, CHUNK_VOXELS)) < informed_share
    voxels = np.unique(rng.integers(0, CHUNK_VOXELS, (occupied, 3)), axis=0)
    samples = rng.integers(-ONE, ONE, (len(voxels), rate, rate, rate)).astype(np.int16)
    samples[samples == SILENT] = 1
    return informed, voxels, samples


@pytest.mark.parametrize("rate", [1, 2, 4, 8])
def test_every_brick_of_the_chunk_is_in_one_list(rate):
    found = bricks(KEY, rate, *chunk(1, rate))
    keys = np.concatenate([found.keys, found.absent_keys, found.silent_keys])
    per_chunk = CHUNK_VOXELS * rate // 16
    assert len(np.unique(keys)) == len(keys) == per_chunk**3
    assert (unpack(keys) // per_chunk == CHUNK).all()


@given(st.integers(0, 99), st.sampled_from([1, 2, 4]))
def test_samples_come_back_from_bricks(seed, rate):
    informed, voxels, samples = chunk(seed, rate)
    found = bricks(KEY, rate, informed, voxels, samples)
    back, values = voxels_of(found.keys, found.values, rate)
    order = np.lexsort(back.T[::-1])
    assert (back[order] == voxels + CHUNK * CHUNK_VOXELS).all()
    assert (values[order] == samples).all()


@pytest.mark.parametrize("rate", [1, 2, 4])
def test_each_sample_says_what_its_voxel_is(rate):
    informed, voxels, samples = chunk(2, rate)
    found = bricks(KEY, rate, informed, voxels, samples)
    said = np.where(informed, ABSENT, SILENT)
    expected = said.repeat(rate, 0).repeat(rate, 1).repeat(rate, 2)
    for voxel, values in zip(voxels * rate, samples, strict=True):
        i, j, k = voxel
        expected[i : i + rate, j : j + rate, k : k + rate] = values
    for key, values in zip(unpack(found.keys), found.values, strict=True):
        i, j, k = key * 16 - CHUNK * CHUNK_VOXELS * rate
        assert (expected[i : i + 16, j : j + 16, k : k + 16] == values).all()
    for keys, wanted in ((found.absent_keys, {ABSENT, SILENT}), (found.silent_keys, {SILENT})):
        for key in unpack(keys):
            i, j, k = key * 16 - CHUNK * CHUNK_VOXELS * rate
            here = set(np.unique(expected[i : i + 16, j : j + 16, k : k + 16]).tolist())
            assert here <= wanted
            assert (here == {SILENT}) == (wanted == {SILENT})


def test_distances_are_never_mistaken_for_words():
    tsdf = np.array([-1, -1e-9, 0, 1e-9, 0.5, 1], np.float32)
    assert quantised(tsdf).tolist() == [-ONE, 1, 1, 1, 16384, ONE]
