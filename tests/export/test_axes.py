import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.faults import BadInput
from engine.export.axes import TARGETS, UNIT_NAMES, FileFrame, file_frame, target_named
from engine.export.formats import FORMATS, format_of

EVERY = [(f, t) for f in FORMATS.values() for t in TARGETS.values()]


def test_y_up_is_a_rotation_that_lifts_z_to_y():
    points = np.array([[1.0, 2.0, 3.0]], np.float32)
    assert FileFrame("y", 1.0).to_file(points).tolist() == [[1.0, 3.0, -2.0]]
    axes = FileFrame("y", 1.0).to_file(np.eye(3, dtype=np.float32))
    assert np.linalg.det(axes) == pytest.approx(1.0), "a mirror would turn the mesh inside out"


@given(
    st.sampled_from(EVERY),
    st.lists(st.floats(-100, 100, width=32), min_size=3, max_size=3),
)
def test_every_frame_is_undone(pair, point):
    frame = file_frame(*pair)
    points = np.array([point], np.float32)
    assert np.abs(frame.to_world(frame.to_file(points)) - points).max() < 2e-5


@pytest.mark.parametrize(
    ("target", "name", "up", "unit"),
    [
        ("unreal", "obj", "z", "cm"),
        ("print", "stl", "z", "mm"),
        ("blender", "obj", "y", "m"),
        ("blender", "ply", "z", "m"),
        ("unity", "obj", "y", "m"),
        ("finescan", "ply", "z", "m"),
        ("print", "glb", "y", "m"),
        ("unreal", "usdz", "y", "m"),
    ],
)
def test_targets_get_what_their_importers_expect(target, name, up, unit):
    frame = file_frame(FORMATS[name], TARGETS[target])
    assert (frame.up, UNIT_NAMES[frame.unit_m]) == (up, unit)


def test_unknown_names_list_the_choices(tmp_path):
    with pytest.raises(BadInput, match=r"'maya'.*blender, unity"):
        target_named("maya")
    with pytest.raises(BadInput, match=r"'\.fbx'.*\.glb, \.obj"):
        format_of(tmp_path / "room.fbx")
    with pytest.raises(BadInput, match="without an ending"):
        format_of(tmp_path / "room")
    assert format_of(tmp_path / "ROOM.GLB").name == "glb"
