"""Each dataset layout, written here by hand from a known walk, opens to that walk."""

import json
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.core.camera import Intrinsics
from engine.core.faults import BadInput
from engine.core.poses import Pose, interpolate
from engine.sources.detect import detect, open_source
from engine.sources.upright import turn_upright
from tests.sources.boxroom import depth_in_box
from tests.sources.walk import speckled, walk

# Half the published size: matrices are written for 640x480 and must be rescaled.
HALF = Intrinsics(320, 240, 262.5, 262.5, 160.0, 120.0)
POSES = walk(8)
Y_UP_FROM_OURS = turn_upright(np.array([0.0, 1.0, 0.0])).inverse


def pictures(
    camera: Intrinsics, units_per_m: float, depth_camera: Intrinsics | None = None
) -> Iterator[tuple[int, Pose, np.ndarray, np.ndarray]]:
    """Yield number, pose, BGR picture and 16-bit depth of every frame."""
    for number, pose in enumerate(POSES):
        color, depth_m = painted(camera, number)[0], painted(depth_camera or camera, number)[1]
        yield number, pose, color, np.rint(depth_m * units_per_m).astype(np.uint16)


@lru_cache
def painted(camera: Intrinsics, number: int) -> tuple[np.ndarray, np.ndarray]:
    depth_m = depth_in_box(camera, POSES[number])
    return speckled(camera, POSES[number], depth_m)[..., ::-1], depth_m


def save(path: Path, picture: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), picture)


def matrix_3x3(camera: Intrinsics) -> np.ndarray:
    return camera.opencv_matrix()


def tum_row(stamp: str, pose: Pose) -> str:
    numbers = [*pose.translation, *pose.quaternion()]
    return f"{stamp} " + " ".join(f"{number:.9f}" for number in numbers)


def write_seven_scenes(folder: Path) -> None:
    full = HALF.scaled_to(640, 480)
    for number, pose, color, depth in pictures(HALF, 1000):
        stem = folder / f"frame-{number:06d}"
        save(Path(f"{stem}.color.png"), color)
        depth[0, 0] = 65535
        save(Path(f"{stem}.depth.png"), depth)
        np.savetxt(f"{stem}.pose.txt", (Y_UP_FROM_OURS @ pose).matrix)
    np.savetxt(folder / "camera-intrinsics.txt", matrix_3x3(full))
    (folder / "gravity-direction.txt").write_text("0 -1 0")


def write_tum(folder: Path) -> None:
    lists = {"rgb": ["# color"], "depth": ["# depth"]}
    full = HALF.scaled_to(640, 480)
    for number, _, color, depth in pictures(HALF, 5000):
        save(folder / "rgb" / f"{number}.png", color)
        save(folder / "depth" / f"{number}.png", depth)
        # Depth lags by 8 ms and frame 5 has none near.
        lists["rgb"].append(f"1305031000.{number}00000001 rgb/{number}.png")
        lists["depth"].append(
            f"1305031000.{number}{'50' if number == 5 else '08'}0000 depth/{number}.png"
        )
    for name, lines in lists.items():
        (folder / f"{name}.txt").write_text("\n".join(lines))
    # Motion capture at its own rate, with the walk in between.
    truth = []
    for step in range(8 * 10):
        a, b = POSES[step // 10], POSES[min(step // 10 + 1, 7)]

        truth.append(tum_row(f"1305031000.{step:02d}", interpolate(a, b, step % 10 / 10)))
    (folder / "groundtruth.txt").write_text("# ground truth\n" + "\n".join(truth))
    k = matrix_3x3(full)
    (folder / "camera.txt").write_text(f"# fx fy cx cy\n{k[0, 0]} {k[1, 1]} {k[0, 2]} {k[1, 2]}\n")


def write_scannet(folder: Path) -> None:
    color_camera = Intrinsics(324, 242, 290.0, 290.0, 162.0, 121.0)
    for number, pose, color, depth in pictures(color_camera, 1000, HALF):
        save(folder / "color" / f"{number}.jpg", color)
        save(folder / "depth" / f"{number}.png", depth)
        matrix = pose.matrix if number != 3 else np.full((4, 4), -np.inf)
        (folder / "pose").mkdir(exist_ok=True)
        np.savetxt(folder / "pose" / f"{number}.txt", matrix)
    for name, camera, size in (
        ("color", color_camera, (1296, 968)),
        ("depth", HALF, (640, 480)),
    ):
        matrix = np.eye(4)
        matrix[:3, :3] = matrix_3x3(camera.scaled_to(*size))
        (folder / "intrinsic").mkdir(exist_ok=True)
        np.savetxt(folder / "intrinsic" / f"intrinsic_{name}.txt", matrix)
        np.savetxt(folder / "intrinsic" / f"extrinsic_{name}.txt", np.eye(4))


def write_open3d(folder: Path) -> None:
    lines = []
    for number, pose, color, depth in pictures(HALF, 1000):
        save(folder / "color" / f"{number:06d}.jpg", color)
        save(folder / "depth" / f"{number:06d}.png", depth)
        lines.append(f"{number} {number} {number + 1}")
        lines += [" ".join(f"{value:.9f}" for value in row) for row in pose.matrix]
    (folder / "scene").mkdir()
    (folder / "scene" / "trajectory.log").write_text("\n".join(lines) + "\n")
    camera = {
        "width": 640,
        "height": 480,
        "intrinsic_matrix": matrix_3x3(HALF.scaled_to(640, 480)).ravel("F").tolist(),
    }
    (folder / "camera_intrinsic.json").write_text(json.dumps(camera))


def write_hololens(folder: Path) -> None:
    rows = []
    for number, pose, color, depth in pictures(HALF, 1000):
        save(folder / "images" / f"{number:05d}.png", color)
        save(folder / "depth" / f"{number:05d}.png", depth)
        rows.append((Y_UP_FROM_OURS @ pose).matrix.ravel())
    np.savetxt(folder / "poses.txt", rows)
    np.savetxt(folder / "K.txt", matrix_3x3(HALF))


WRITERS: dict[str, Callable[[Path], None]] = {
    "7-scenes": write_seven_scenes,
    "tum": write_tum,
    "scannet": write_scannet,
    "open3d": write_open3d,
    "hololens": write_hololens,
}


@pytest.fixture(params=WRITERS)
def layout(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Path]:
    WRITERS[request.param](tmp_path)
    return request.param, tmp_path


def test_a_layout_opens_to_the_walk_it_was_written_from(layout: tuple[str, Path]) -> None:
    name, folder = layout
    assert detect(str(folder)) == name
    with open_source(str(folder)) as source:
        info = source.describe()
        frames = {frame.index: frame for frame in source.frames()}
    assert info.layout == name
    assert not info.warnings
    assert "as declared: depth of" in info.convention
    assert set(frames) == set(range(8)) - ({3} if name == "scannet" else set())
    up = frames[0].T_world_cam.matrix @ np.linalg.inv(POSES[0].matrix)
    if name == "open3d":
        # The format states no up, so it was found: a degree is as good as it gets.
        assert np.rad2deg(np.arccos(up[2, 2])) < 1
    else:
        np.testing.assert_allclose(up, np.eye(4), atol=1e-6)
    for index, frame in frames.items():
        there = up @ POSES[index].matrix
        np.testing.assert_allclose(frame.T_world_cam.matrix, there, atol=2e-6)
        if name != "tum" or index != 5:
            truth = depth_in_box(frame.depth_intrinsics, POSES[index])
            known = frame.depth_m > 0
            assert known.mean() > 0.99
            assert np.abs(frame.depth_m - truth)[known].max() < 6e-4
            assert frame.depth_intrinsics.fx == pytest.approx(262.5)
            assert frame.depth_intrinsics.cx == pytest.approx(160.0)
    if name == "tum":
        assert frames[5].depth_m is None


def test_the_same_folder_inside_a_folder_opens_too(tmp_path: Path) -> None:
    (tmp_path / "download" / "scene").mkdir(parents=True)
    write_hololens(tmp_path / "download" / "scene")
    (tmp_path / "download" / ".DS_Store").touch()
    assert detect(str(tmp_path)) == "hololens"


def test_seven_scenes_colour_poses_bring_a_world_of_their_own(tmp_path: Path) -> None:
    write_seven_scenes(tmp_path)
    tilted = Pose.exp((0.05, 0.04, -0.06, 0.1, 0.2, 0.0))
    rows = ["# colour f 300.0, centre 320 240"]
    for number, pose in enumerate(POSES):
        if number != 4:
            matrix = (tilted @ Y_UP_FROM_OURS @ pose).matrix[:3].ravel()
            rows.append(f"{number:06d} " + " ".join(f"{value:.9f}" for value in matrix))
    (tmp_path / "color-poses-sfm.txt").write_text("\n".join(rows))
    source = open_source(str(tmp_path))
    frames = list(source.frames())
    assert [frame.index for frame in frames] == [0, 1, 2, 3, 5, 6, 7]
    assert source.skipped == {"no pose": 1}
    assert (frames[0].intrinsics.fx, frames[0].intrinsics.cx) == (150.0, 160.0)
    assert frames[0].T_cam_depth == Pose.identity()
    # The folder's gravity was carried over: upright to the last digits, turned only about z.
    turn = frames[0].T_world_cam @ POSES[0].inverse
    np.testing.assert_allclose(turn.rotation[2], (0, 0, 1), atol=1e-6)


def test_seven_scenes_unregistered_colour_is_placed_by_its_calibration(tmp_path: Path) -> None:
    write_seven_scenes(tmp_path)
    color_from_depth = np.eye(4)
    color_from_depth[0, 3] = -0.0245
    color = {"width": 640, "height": 480, "fx": 520, "fy": 520, "cx": 319, "cy": 237}
    content = {"color": color, "color_from_depth": color_from_depth.tolist()}
    (tmp_path / "calibration.json").write_text(json.dumps(content))
    frame = next(open_source(str(tmp_path)).frames())
    np.testing.assert_allclose(frame.T_cam_depth.matrix, color_from_depth, atol=1e-9)
    np.testing.assert_allclose(frame.T_world_depth.matrix, POSES[0].matrix, atol=1e-6)
    assert frame.intrinsics.fx == 260.0


def test_a_matrix_made_for_the_size_found_is_not_rescaled(tmp_path: Path) -> None:
    write_seven_scenes(tmp_path)
    write_scannet(tmp_path / "scannet")
    np.savetxt(tmp_path / "camera-intrinsics.txt", matrix_3x3(HALF))
    np.savetxt(tmp_path / "scannet" / "intrinsic" / "intrinsic_depth.txt", matrix_3x3(HALF))
    for folder in (tmp_path, tmp_path / "scannet"):
        camera = open_source(str(folder)).describe().depth_camera
        assert (camera.width, camera.fx) == (320, 262.5)
        assert camera.cx == pytest.approx(160)


def test_rotated_depth_bits_are_turned_back(tmp_path: Path) -> None:
    write_seven_scenes(tmp_path)
    matrix = tmp_path / "camera-intrinsics.txt"
    matrix.rename(tmp_path / "camera-intrinsics.color.txt")
    for number, pose in enumerate(POSES):
        units = np.rint(depth_in_box(HALF, pose) * 10_000).astype(np.uint32)
        rotated = ((units << 3) | (units >> 13)) & 0xFFFF
        save(tmp_path / f"frame-{number:06d}.depth.png", rotated.astype(np.uint16))
    frame = next(open_source(str(tmp_path)).frames())
    assert np.abs(frame.depth_m - depth_in_box(HALF, POSES[0])).max() < 6e-5


def test_scannet_cameras_from_its_info_file(tmp_path: Path) -> None:
    write_scannet(tmp_path)
    info = []
    for name in ("color", "depth"):
        matrix = np.loadtxt(tmp_path / "intrinsic" / f"intrinsic_{name}.txt")
        numbers = " ".join(map(str, matrix.ravel()))
        size = (1296, 968) if name == "color" else (640, 480)
        info += [f"m_{name}Width = {size[0]}", f"m_{name}Height = {size[1]}"]
        info += [f"m_calibration{name.capitalize()}Intrinsic = {numbers}"]
    with_folder = open_source(str(tmp_path)).describe()
    for file in (tmp_path / "intrinsic").iterdir():
        file.unlink()
    (tmp_path / "intrinsic").rmdir()
    (tmp_path / "_info.txt").write_text("\n".join(info))
    without = open_source(str(tmp_path)).describe()
    assert without.color_camera == with_folder.color_camera
    assert without.depth_camera == with_folder.depth_camera


def test_frames_of_a_scannet_export_bring_their_cameras_in_its_info_file(tmp_path: Path) -> None:
    write_seven_scenes(tmp_path)
    (tmp_path / "camera-intrinsics.txt").unlink()
    matrix = np.eye(4)
    matrix[:3, :3] = matrix_3x3(HALF.scaled_to(640, 480))
    numbers = " ".join(map(str, matrix.ravel()))
    offset = np.eye(4)
    offset[0, 3] = 0.03
    info = [
        f"m_{name}{side}" for name in ("color", "depth") for side in ("Width = 640", "Height = 480")
    ]
    info += [f"m_calibration{name}Intrinsic = {numbers}" for name in ("Color", "Depth")]
    info += [f"m_calibrationDepthExtrinsic = {' '.join(map(str, offset.ravel()))}"]
    (tmp_path / "_info.txt").write_text("\n".join(info))
    frame = next(open_source(str(tmp_path)).frames())
    np.testing.assert_allclose(frame.T_cam_depth.matrix, offset, atol=1e-12)
    np.testing.assert_allclose(frame.T_world_depth.matrix, POSES[0].matrix, atol=1e-6)
    assert frame.depth_intrinsics.fx == pytest.approx(262.5)


def test_tum_key_frames_with_true_poses(tmp_path: Path) -> None:
    rows = []
    for number, pose, color, depth in pictures(HALF, 5000):
        save(tmp_path / "rgb" / f"{number:04d}_rgb_raw.jpg", color)
        save(tmp_path / "depth" / f"{number:04d}_depth_raw.png", depth)
        rows.append(tum_row(f"1341841278.{number}", pose))
    (tmp_path / "truth_cam_poses.txt").write_text("\n".join(rows))
    full = matrix_3x3(HALF.scaled_to(640, 480))
    camera = zip(
        ("fx", "fy", "cx", "cy"), (full[0, 0], full[1, 1], full[0, 2], full[1, 2]), strict=True
    )
    yaml = "%YAML:1.0\n" + "\n".join(f"Camera.{key}: {value}" for key, value in camera)
    (tmp_path / "TUM3.yaml").write_text(yaml)
    source = open_source(str(tmp_path))
    assert "as declared" in source.describe().convention
    assert source.describe().color_camera.cx == pytest.approx(160)
    for frame, pose in zip(source.frames(), POSES, strict=True):
        np.testing.assert_allclose(frame.T_world_cam.matrix, pose.matrix, atol=1e-6)


def test_one_damaged_depth_picture_is_skipped(layout: tuple[str, Path]) -> None:
    name, folder = layout
    before = len(list(open_source(str(folder)).frames()))
    depth = sorted([*folder.rglob("*depth.png"), *folder.rglob("depth/*.png")])[2]
    depth.write_bytes(depth.read_bytes()[:300])
    source = open_source(str(folder))
    assert len(list(source.frames())) == before - 1
    assert source.skipped["picture not usable"] == 1, name


def every(folder: Path, pattern: str, picture: np.ndarray) -> None:
    for file in folder.glob(pattern):
        save(file, picture)


def poses(folder: Path, matrix: np.ndarray) -> None:
    np.savetxt(folder / "poses.txt", [matrix.ravel()] * 8)


DEPTH = np.full((240, 320), 1500, np.uint16)
USELESS: list[tuple[Callable[[Path], None], str]] = [
    (lambda f: every(f, "depth/*.png", DEPTH.astype(np.uint8)), "has 8 bits where depth needs 16"),
    (lambda f: every(f, "depth/*.png", np.dstack([DEPTH] * 3)), "in colour where depth was"),
    (lambda f: every(f, "depth/*.png", DEPTH[:, :240]), "240x240 pixels does not fit its camera"),
    (lambda f: every(f, "depth/*.png", 0 * DEPTH), "None of the 8 depth pictures .* holds a meas"),
    (lambda f: every(f, "images/*.png", DEPTH), "16-bit grey where colour was expected"),
    (lambda f: every(f, "images/*.png", np.zeros((1, 1, 3), np.uint8)), "is only 1x1 pixels"),
    (lambda f: poses(f, np.full((4, 4), np.nan)), "None of the 8 poses .* holds NaN"),
    (lambda f: poses(f, np.diag([2.0, 2.0, 2.0, 1.0])), "None of the 8 poses .* scales or shears"),
    (lambda f: poses(f, np.diag([1.0, 1.0, -1.0, 1.0])), "None of the 8 poses .* mirrors space"),
    (lambda f: [file.unlink() for file in f.glob("images/*")], "holds no picture"),
]


@pytest.mark.parametrize(("spoil", "sentence"), USELESS, ids=[says for _, says in USELESS])
def test_a_recording_that_cannot_be_used_says_why(
    tmp_path: Path, spoil: Callable[[Path], None], sentence: str
) -> None:
    write_hololens(tmp_path)
    spoil(tmp_path)
    with pytest.raises(BadInput, match=sentence) as caught:
        open_source(str(tmp_path))
    assert caught.value.exit_code == 2
    assert caught.value.remedy


@pytest.mark.parametrize("name", ["hololens", "open3d", "scannet"])
def test_a_damaged_first_picture_does_not_cost_the_recording(tmp_path: Path, name: str) -> None:
    WRITERS[name](tmp_path)
    first = sorted((tmp_path / ("images" if name == "hololens" else "color")).iterdir())[0]
    first.write_bytes(first.read_bytes()[:100])
    assert next(open_source(str(tmp_path)).frames()).index == 1


BROKEN = [
    ("hololens", "poses.txt", "1 2 3\n", "holds 1 rows of 3 numbers for 8 pictures"),
    ("hololens", "K.txt", "1 2 3\n", "does not begin with a 3x3 camera matrix"),
    ("hololens", "K.txt", "a b c\nd e f\ng h i\n", "is no number"),
    ("7-scenes", "camera-intrinsics.txt", "0 0 0\n0 0 0\n0 0 1\n", "are not a camera"),
    ("7-scenes", "calibration.json", "{", "not valid JSON"),
    ("7-scenes", "calibration.json", "{}", "is not a colour calibration"),
    ("7-scenes", "gravity-direction.txt", "0 0 0", "does not hold a direction"),
    ("7-scenes", "color-poses-sfm.txt", "1 2 3\n", "does not state its focal length"),
    ("tum", "rgb.txt", "# nothing\n", "needs a time stamp and a file name"),
    ("tum", "rgb.txt", "soon rgb/0.png\n", "'soon', which is no time"),
    ("tum", "groundtruth.txt", "1.0 2 3\n", "needs 8 numbers a line"),
    ("tum", "groundtruth.txt", "1.0 2 3 4 0 0 0 0\n", "None of the 1 poses"),
    ("tum", "camera.txt", "1 2 3\n", "needs 4 numbers"),
    ("open3d", "scene/trajectory.log", "0 0 1\n1 0 0 0\n", "is cut off"),
    ("open3d", "camera_intrinsic.json", "{}", "is not a camera of Open3D"),
    (
        "open3d",
        "camera_intrinsic.json",
        '{"width": 640, "height": 480, "depth_scale": 0, "intrinsic_matrix": [5,0,0,0,5,0,3,2,1]}',
        "states 0 depth units a metre",
    ),
    ("tum", "rgb.txt", "99999999999999999999 rgb/0.png\n", "which is no time"),
    ("scannet", "intrinsic/intrinsic_color.txt", "", "does not begin with a 3x3"),
]


@pytest.mark.parametrize(("name", "file", "content", "sentence"), BROKEN)
def test_damaged_files_are_refused_with_a_sentence(
    tmp_path: Path, name: str, file: str, content: str, sentence: str
) -> None:
    WRITERS[name](tmp_path)
    (tmp_path / file).write_text(content)
    with pytest.raises(BadInput, match=sentence):
        open_source(str(tmp_path))


def test_a_tum_folder_without_a_known_camera_says_what_to_add(tmp_path: Path) -> None:
    write_tum(tmp_path)
    (tmp_path / "camera.txt").unlink()
    with pytest.raises(BadInput, match=r"camera of .* is not known. Put a camera.txt beside"):
        open_source(str(tmp_path))


def test_a_tum_folder_is_known_by_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "rgbd_dataset_freiburg3_desk"
    folder.mkdir()
    write_tum(folder)
    (folder / "camera.txt").unlink()
    assert open_source(str(folder)).describe().color_camera.fx == pytest.approx(535.4 / 2)


def test_an_open3d_folder_needs_depth_for_every_picture(tmp_path: Path) -> None:
    write_open3d(tmp_path)
    (tmp_path / "depth" / "000003.png").unlink()
    with pytest.raises(BadInput, match="8 colour and 7 depth pictures"):
        open_source(str(tmp_path))


def test_an_open3d_folder_without_a_log_has_no_poses(tmp_path: Path) -> None:
    write_open3d(tmp_path)
    (tmp_path / "scene" / "trajectory.log").unlink()
    info = open_source(str(tmp_path)).describe()
    assert not info.has_poses
    assert "no poses" in info.convention
