import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core.faults import BadInput, CannotWrite, Fault
from engine.core.settings import VolumeSettings
from engine.meshing.blocks import BlockMesher
from engine.meshing.seams import weld
from engine.volume.volume import Volume
from tests.scenes import BALL_CENTER, BALL_RADIUS, WALL_Y, ball_and_wall, orbit

SETTINGS = VolumeSettings(memory_mb=256)


def contents(volume: Volume) -> dict[int, bytes]:
    keys = volume.pool.keys()
    slots = volume.slots(keys)
    # A brick may have been touched without one of its voxels being seen: the same as no brick.
    return {
        key: b"".join(layer[slot].tobytes() for layer in volume.pool.layers.values())
        for key, slot in zip(keys.tolist(), slots.tolist(), strict=True)
        if volume.layers.weight[slot].any()
    }


@pytest.fixture(scope="module")
def frames():
    return orbit(50)


def test_fifty_frames_taken_back_in_another_order_leave_nothing(frames):
    volume = Volume(SETTINGS)
    for frame in frames:
        volume.add(frame)
    assert volume.pool.resident > 20
    for i in np.random.default_rng(3).permutation(len(frames)):
        volume.subtract(frames[i])
    assert volume.pool.resident == 0
    assert not any(layer.any() for layer in volume.pool.layers.values())


@settings(max_examples=20, deadline=None)
@given(st.permutations(range(8)))
def test_order_does_not_matter(order):
    frames = orbit(8)
    one, other = Volume(SETTINGS), Volume(SETTINGS)
    for i in range(8):
        one.add(frames[i])
        other.add(frames[order[i]])
    assert contents(one) == contents(other)


@settings(max_examples=10, deadline=None)
@given(st.sets(st.integers(0, 7)))
def test_subtracting_equals_never_adding(gone):
    frames = orbit(8)
    one, other = Volume(SETTINGS), Volume(SETTINGS)
    for i, frame in enumerate(frames):
        one.add(frame)
        if i not in gone:
            other.add(frame)
    for i in gone:
        one.subtract(frames[i])
    assert contents(one) == contents(other)


def test_frames_never_added_cannot_be_taken_back(frames):
    with pytest.raises(BadInput, match="never added"):
        Volume(SETTINGS).subtract(frames[0])


def small_volume() -> Volume:
    volume = Volume(SETTINGS)
    volume.pool.capacity = 24  # fewer bricks than the scene has, so some must leave
    return volume


def test_bricks_beyond_the_ceiling_go_to_disk_and_come_back(frames, monkeypatch):
    monkeypatch.setattr("engine.volume.pool.EVICT_AT_ONCE", 4)
    free, tight = Volume(SETTINGS), small_volume()
    pieces = [ball_and_wall(i, a) for i, a in enumerate((-1.0, 0.0, 1.0, 0.0, -1.0))]
    touched = [free.add(frame) for frame in pieces]
    tight.pool.capacity = max(touched) + 4
    assert tight.pool.capacity < free.pool.resident
    for frame in pieces:
        tight.add(frame)
    assert tight.pool.resident <= tight.pool.capacity
    assert tight.pool.spilled > 0
    assert tight.pool.keys().tolist() == free.pool.keys().tolist()
    every = tight.pool.keys()
    for key in every:  # one at a time: all of them do not fit
        tight.pool.begin(np.zeros(3))
        (ours,), (truth,) = tight.slots(np.array([key])), free.slots(np.array([key]))
        for name in tight.pool.layers:
            assert np.array_equal(tight.pool.layers[name][ours], free.pool.layers[name][truth])
    tight.close()


def test_one_picture_larger_than_the_ceiling_is_refused(frames):
    volume = small_volume()
    volume.pool.capacity = 4
    with pytest.raises(Fault, match="memory ceiling"):
        volume.add(frames[0])


def test_full_disk_is_said(monkeypatch):
    monkeypatch.setattr("engine.volume.pool.EVICT_AT_ONCE", 4)
    pieces = [ball_and_wall(i, a) for i, a in enumerate((-1.0, 0.0, 1.0))]
    volume, free = Volume(SETTINGS), Volume(SETTINGS)
    volume.pool.capacity = max(free.add(frame) for frame in pieces) + 4

    def full(self):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("engine.volume.pool.Pool._file", full)
    with pytest.raises(CannotWrite, match="No space left"):
        list(map(volume.add, pieces))


def test_incremental_mesh_equals_batch_mesh(frames):
    volume = Volume(SETTINGS)
    incremental = BlockMesher(volume, 0.5)
    for frame in frames[:12]:
        volume.add(frame)
        incremental.update(volume.ledger.take("mesh"))
    volume.subtract(frames[3])
    incremental.update(volume.ledger.take("mesh"))
    batch = BlockMesher(volume, 0.5)
    batch.update(volume.pool.keys())
    one, other = weld(incremental.patches.values()), weld(batch.patches.values())
    assert np.array_equal(one.vertices, other.vertices)
    assert np.array_equal(one.faces, other.faces)
    assert np.array_equal(one.colors, other.colors)
    assert incremental.faces == len(one.faces) > 1000


def test_mesh_lies_on_ball_and_wall_and_faces_the_camera(frames):
    volume = Volume(SETTINGS)
    for frame in frames:
        volume.add(frame)
    mesher = BlockMesher(volume, 1.0)
    mesher.update(volume.ledger.take("mesh"))
    mesh = weld(mesher.patches.values())
    to_ball = abs(np.linalg.norm(mesh.vertices - BALL_CENTER, axis=1) - BALL_RADIUS)
    to_wall = abs(mesh.vertices[:, 1] - WALL_Y)
    error = np.minimum(to_ball, to_wall)
    assert np.quantile(error, 0.9) < 0.004
    on_ball = to_ball[mesh.faces].max(axis=1) < 0.01
    center = mesh.vertices[mesh.faces].mean(axis=1)
    outward = ((center - BALL_CENTER) * mesh.face_normals()).sum(axis=1)
    assert (outward[on_ball] > 0).mean() > 0.999


def test_neighbouring_patches_share_every_border_vertex(frames):
    volume = Volume(SETTINGS)
    for frame in frames[20:30]:
        volume.add(frame)
    mesher = BlockMesher(volume, 0.5)
    mesher.update(volume.ledger.take("mesh"))
    place: dict[int, bytes] = {}
    for patch in mesher.patches.values():
        for key, vertex in zip(patch.vertex_keys.tolist(), patch.vertices, strict=True):
            assert place.setdefault(key, vertex.tobytes()) == vertex.tobytes()
    mesh = weld(mesher.patches.values())
    sides = np.sort(mesh.faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    _, count = np.unique(sides, axis=0, return_counts=True)
    assert count.max() == 2
