import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.core.faults import BadFrame, BadInput, Cancelled
from engine.core.grid import pack, unpack
from engine.core.poses import Pose
from engine.core.settings import RefineSettings, VolumeSettings
from engine.recon.bricks import ABSENT, voxels_of
from engine.recon.chunks import KeyframeView, region
from engine.recon.compute import ON_CPU
from engine.recon.lattice import part_of_world
from engine.recon.live import LiveRecon
from engine.recon.offline import OfflineSettings, reconstruct
from engine.recon.refiner import Refiner
from engine.runtime.progress import run_job
from engine.volume.features import FeatureLattice
from engine.volume.volume import Volume
from tests.recon.small import CONFIG, HEIGHT, WIDTH, measured_network, network, view_of
from tests.scenes import look_at, orbit

# Round the ball, in blocks; two chunks meet within, along every axis.
LOW, HIGH = (-2, -2, 2), (1, 0, 4)
ALL = RefineSettings(halo_vox=32, best_views=100, features_mb=64, keyframes_mb=64)
# Little to refine, with blocks where there is a surface.
NEAR = RefineSettings(
    halo_vox=4, allocation="surface", reach_m=2.0, features_mb=64, keyframes_mb=16
)
FRAMES = orbit(3)


@pytest.fixture(scope="module")
def small():
    return network()


def started(net, settings=ALL, resolution_m=0.02, box=(LOW, HIGH)):
    live = LiveRecon(net, ON_CPU, settings, resolution_m, WIDTH, HEIGHT)
    if box is not None:
        shift = (0.04 - resolution_m) / 2
        live.lattice = FeatureLattice(
            CONFIG.image_feature_dim, CONFIG.guidance_margin_m, shift, settings, box=box
        )
    return live, Refiner(net, ON_CPU, settings, resolution_m)


def fed(live, refiner, frames=FRAMES):
    for frame in frames:
        for message in live.add_keyframe(frame):
            refiner.tell(message)


def everywhere(live):
    """Let every block be looked up in every keyframe: a corner of it may be in any of them."""
    numbers = np.array(live.keyframes, np.int32)

    def views(where):
        blocks = (where.core[1] - where.core[0]) // 8
        return np.broadcast_to(numbers, (*blocks, len(numbers))).copy()

    live._block_views = views


def refined(live, refiner):
    chunks = []
    while (request := live.next_request()) is not None:
        chunk = refiner.refine(pickle.loads(pickle.dumps(request)))
        live.applied(pickle.loads(pickle.dumps(chunk)))
        chunks.append(chunk)
    return chunks


def tsdf_of(chunks, resolution_m=0.02):
    """Return the signed distances of all samples of the box, NaN where there are none."""
    rate = round(0.04 / resolution_m)
    dims = tuple((np.array(HIGH) - LOW + 1) * 8)
    cells = np.full((*dims, rate, rate, rate), np.nan, np.float32)
    for chunk in chunks:
        voxels, samples = voxels_of(chunk.brick_keys, chunk.values, rate)
        i, j, k = (voxels - np.array(LOW) * 8).T
        cells[i, j, k] = samples / 32767
    return cells


def offline(net, resolution_m=0.02, frames=FRAMES):
    dims = tuple(int(n) for n in (np.array(HIGH) - LOW + 1) * 8)
    where = part_of_world([n * 8 for n in LOW], dims, 0.04, resolution_m)
    rate = round(0.04 / resolution_m)
    job = reconstruct(net, [view_of(f) for f in frames], where, OfflineSettings(rate))
    return run_job(job, lambda _: None, lambda: False)


@pytest.mark.parametrize(
    ("changes", "resolution_m"),
    [({}, 0.02), ({"is_residual": True, "counts_views": True}, 0.04)],
)
def test_with_full_halo_and_all_views_live_is_offline(changes, resolution_m):
    net = network(replace(CONFIG, **changes))
    live, refiner = started(net, resolution_m=resolution_m)
    fed(live, refiner)
    everywhere(live)
    found = tsdf_of(refined(live, refiner), resolution_m)
    made = offline(net, resolution_m)
    wanted = np.full_like(found, np.nan)
    i, j, k = made.surface.voxels.T.numpy()
    wanted[i, j, k] = 2 * made.surface.values.numpy() - 1
    assert 0 < len(i) < wanted[..., 0, 0, 0].size
    # An occupancy within rounding of the threshold may fall on either side.
    unsure = (made.logits_xyz.abs() < 1e-3).numpy()
    assert (np.isnan(found) == np.isnan(wanted))[~unsure].all()
    known = ~(np.isnan(found) | np.isnan(wanted))
    assert np.abs(found - wanted)[known].max() < 1e-4


def test_requests_and_answers_cross_as_records_and_say_what_each_voxel_is():
    net = measured_network()
    live, refiner = started(net)
    fed(live, refiner)
    request = live.next_request()
    chunk = refiner.refine(request)
    assert chunk.key == request.key
    assert chunk.revision == request.revision
    # This network calls every voxel occupied.
    assert chunk.occupied == np.prod(request.core_vox[1] - request.core_vox[0])
    assert (chunk.values != ABSENT).any()
    assert chunk.seconds > 0
    for record in (request, chunk):
        again = pickle.loads(pickle.dumps(record))
        with pytest.raises((AttributeError, TypeError)):
            again.key = 1


def test_free_space_is_denied_and_the_unknown_passed_over(small):
    with torch.no_grad():
        small = network()
        for value in small.occ_predictor.parameters():
            value.zero_()
        small.occ_predictor[-1].bias -= 1  # nothing is occupied
    live, refiner = started(small)
    fed(live, refiner)
    # What was measured stays, unless the settings let the network deny it.
    chunks = refined(live, refiner)
    assert sum(chunk.occupied for chunk in chunks) == 0
    assert sum(len(chunk.absent_keys) for chunk in chunks) == 0
    live, refiner = started(small, ALL.model_copy(update={"denies": True}))
    fed(live, refiner)
    chunks = refined(live, refiner)
    assert sum(chunk.occupied for chunk in chunks) == 0
    assert sum(len(chunk.absent_keys) for chunk in chunks) > 0
    volume = Volume(VolumeSettings(memory_mb=64))
    for frame in FRAMES:
        volume.add(frame)
    before = volume.pool.resident
    for chunk in chunks:
        chunk.write(volume)
    # Empty space is no reason for a brick, and denies what was there.
    assert volume.pool.resident == before
    keys = np.concatenate([chunk.absent_keys for chunk in chunks])
    slots = volume.slots(keys)
    assert (volume.layers.refined[slots[slots >= 0]] == ABSENT).any()


def test_a_chunk_of_which_nothing_is_known_costs_nothing_and_says_nothing(small, monkeypatch):
    live, refiner = started(small, NEAR, box=None)
    fed(live, refiner, FRAMES[:1])
    request = live.next_request()
    live.applied(refiner.refine(request))
    (gone,) = live.drop_keyframe(FRAMES[0].index)
    refiner.tell(gone)
    monkeypatch.setattr(small, "unet", None)
    chunks = refined(live, refiner)
    assert request.key in {chunk.key for chunk in chunks}
    for chunk in chunks:
        assert len(chunk.brick_keys) == len(chunk.absent_keys) == 0
        assert len(chunk.silent_keys) == 64
    assert live.lattice.box() is None


def sums_of(live):
    low, end = live._box()
    sums = live.lattice.region(low.astype(np.int32), tuple((end - low).tolist()))
    return low, sums


def same_state(one, other):
    (low, first), (other_low, second) = sums_of(one), sums_of(other)
    assert (low == other_low).all()
    for name in ("features_cxyz", "views_xyz", "guidance_xyz", "depths_xyz"):
        assert (getattr(first, name) == getattr(second, name)).all()
    blocks = one.lattice.keys().tolist()
    assert (one._best.best(blocks, 9) == other._best.best(blocks, 9)).all()


def test_a_moved_keyframe_is_as_if_it_had_always_been_there(small):
    settings = NEAR
    right = FRAMES[1].T_world_cam
    wrong = right @ Pose.exp(np.array([0.02, 0.05, 0, 0.1, 0, -0.05]))
    live, refiner = started(small, settings, box=None)
    fed(live, refiner, [FRAMES[0], replace(FRAMES[1], T_world_cam=wrong), FRAMES[2]])
    for message in live.move_keyframe(1, right):
        refiner.tell(pickle.loads(pickle.dumps(message)))
    other, other_refiner = started(small, settings, box=None)
    fed(other, other_refiner, FRAMES[:3])
    same_state(live, other)
    first, second = (_requests(recon) for recon in (live, other))
    # What had a surface before the move is refined again.
    assert set(second) <= set(first)
    for key in list(second)[:2]:
        mine, theirs = refiner.refine(first[key]), other_refiner.refine(second[key])
        assert (mine.brick_keys == theirs.brick_keys).all()
        assert (mine.values == theirs.values).all()


def _requests(live):
    found = {}
    while (request := live.next_request()) is not None:
        found[request.key] = request
    return found


def test_a_dropped_keyframe_was_never_there(small):
    settings = NEAR
    live, refiner = started(small, settings, box=None)
    fed(live, refiner, FRAMES[:3])
    live.drop_keyframe(1)
    other, other_refiner = started(small, settings, box=None)
    fed(other, other_refiner, [FRAMES[0], FRAMES[2]])
    same_state(live, other)
    assert live.keyframes == (0, 2)


def test_what_cannot_be_added_moved_or_dropped_is_refused(small):
    live, _ = started(small, box=None)
    with pytest.raises(BadFrame, match="no colour"):
        live.add_keyframe(replace(FRAMES[0], color=None))
    live.add_keyframe(FRAMES[0])
    with pytest.raises(BadInput, match="already"):
        live.add_keyframe(FRAMES[0])
    for change in (live.drop_keyframe, lambda n: live.move_keyframe(n, Pose.identity())):
        with pytest.raises(BadInput, match="not a keyframe"):
            change(7)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"guidance": "density"}, "guided by 'density'"),
        ({"guidance": "none", "point_guidance": False}, "guided by 'none'"),
        ({"voxel_m": 0.05}, "voxels of 0.05 m"),
    ],
)
def test_weights_that_cannot_run_live_are_refused(changes, says):
    net = network(replace(CONFIG, **changes))
    for make in (LiveRecon, Refiner):
        with pytest.raises(BadInput, match=says):
            make(net, ON_CPU, ALL, 0.02)


def test_a_tiny_budget_for_keyframes_changes_nothing(small):
    results = []
    for keyframes_mb in (16, 512):
        settings = RefineSettings(halo_vox=4, features_mb=64, keyframes_mb=keyframes_mb)
        live, refiner = started(small, settings)
        if keyframes_mb == 16:  # the smallest that settings allow still holds this scan
            for kept in (live._kept, refiner._views, refiner._features):
                kept._limit = 30_000
        fed(live, refiner)
        results.append(refined(live, refiner))
        if keyframes_mb == 16:
            assert refiner.used_mb < 0.2
            assert live.on_disk_mb > 0
        live.close()
        refiner.close()
    for one, two in zip(*results, strict=True):
        assert (one.values == two.values).all()


def test_refining_can_be_stopped_between_steps(small):
    live, refiner = started(small)
    fed(live, refiner)
    request = live.next_request()
    asked = []

    def is_cancelled():
        asked.append(len(asked))
        return len(asked) > 1

    with pytest.raises(Cancelled):
        refiner.refine(request, is_cancelled)
    assert len(asked) == 2
    waiting = live.chunks_waiting
    live.failed(request)
    assert live.chunks_waiting == waiting + 1


def test_the_chunk_in_view_comes_first(small):
    live, refiner = started(small)
    fed(live, refiner)
    for side, chunk in ((-1, -1), (1, 0)):
        eye, aim = np.array([0.3 * side, -0.1, 1.0]), np.array([2.0 * side, 0.1, 1.0])
        request = live.next_request(look_at(eye, aim))
        live.failed(request)
        assert unpack(np.array([request.key]))[0, 0] == chunk


cells = st.tuples(*[st.integers(-5, 5)] * 3)


@given(cells, st.sampled_from([0, 4, 16, 32]), cells, st.tuples(*[st.integers(1, 9)] * 3))
def test_a_region_is_the_chunk_and_its_halo_within_the_box(chunk, halo, low, size):
    low = np.array(low, np.int64) * 8
    end = low + np.array(size) * 8
    where = region(int(pack(np.array([chunk]))[0]), halo, low, end)
    first = np.array(chunk) * 32
    core_low, core_end = np.maximum(first, low), np.minimum(first + 32, end)
    if (core_low >= core_end).any():
        assert where.dims == (0, 0, 0)
        return
    assert (where.low + where.core[0] == core_low).all()
    assert (where.low + where.core[1] == core_end).all()
    assert all(n % 4 == 0 for n in where.dims)
    assert (where.low % 4 == 0).all()
    assert (where.low == np.maximum(core_low - halo, low)).all()
    assert (where.low + where.dims == np.minimum(core_end + halo, end)).all()


def test_a_keyframe_is_the_same_view_after_the_crossing():
    view = view_of(FRAMES[0])
    back = pickle.loads(pickle.dumps(KeyframeView.of(3, view))).view()
    assert torch.equal(back.image_3hw, view.image_3hw)
    assert torch.equal(back.K, view.K)
    assert torch.equal(back.T_cam_world, view.T_cam_world)
    assert torch.equal(back.depth.depth_hw, view.depth.depth_hw)
    assert torch.equal(back.depth.T_cam_world, view.depth.T_cam_world)
    blind = KeyframeView.of(3, replace(view, depth=None))
    assert blind.view().depth is None
