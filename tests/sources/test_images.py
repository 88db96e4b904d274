import zlib
from pathlib import Path

import cv2
import numpy as np
import OpenEXR
import pytest

from engine.core.faults import BadFrame
from engine.sources import images

RANDOM = np.random.default_rng(0)
COLOR = RANDOM.integers(0, 255, (24, 32, 3), np.uint8)
UNITS = RANDOM.integers(1, 65535, (24, 32), np.uint16)


def write(path: Path, picture: np.ndarray) -> Path:
    assert cv2.imwrite(str(path), picture)
    return path


def cut(path: Path, share: float = 0.6) -> Path:
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    return path


def test_colour_comes_as_rgb(tmp_path: Path) -> None:
    path = write(tmp_path / "a.png", COLOR[..., ::-1])
    np.testing.assert_array_equal(images.read_color(path), COLOR)
    assert images.read_size(path) == (32, 24)


def test_jpeg_size_is_known_before_decoding(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jpg", COLOR)
    assert images.read_size(path) == (32, 24)
    assert images.read_color(path).shape == (24, 32, 3)


def test_a_rotation_tag_is_not_applied(tmp_path: Path) -> None:
    plain = cv2.imencode(".jpg", COLOR)[1].tobytes()
    # Orientation 6, a quarter turn, in the shortest EXIF there is.
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    tagged = plain[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2) + exif + plain[2:]
    (tmp_path / "a.jpg").write_bytes(tagged)
    assert cv2.imread(str(tmp_path / "a.jpg")).shape == (32, 24, 3)
    assert images.read_color(tmp_path / "a.jpg").shape == (24, 32, 3)


def test_depth_comes_in_metres_with_the_unknown_at_zero(tmp_path: Path) -> None:
    units = UNITS.copy()
    units[0, :2] = 65535, 0
    depth = images.read_depth_png(write(tmp_path / "d.png", units), 0.001, (65535,))
    assert depth.dtype == np.float32
    assert depth[0, 0] == depth[0, 1] == 0
    np.testing.assert_allclose(depth[1:], units[1:] * 0.001, rtol=1e-6)


@pytest.mark.parametrize(
    ("picture", "sentence"),
    [
        (UNITS.astype(np.uint8), "has 8 bits where depth needs 16"),
        (COLOR, "is in colour where depth was expected"),
        (UNITS[:1, :1], "is only 1x1 pixels"),
    ],
)
def test_pictures_that_are_no_depth(tmp_path: Path, picture: np.ndarray, sentence: str) -> None:
    with pytest.raises(BadFrame, match=f"d.png {sentence}"):
        images.read_depth_png(write(tmp_path / "d.png", picture), 0.001)


def test_depth_is_no_colour(tmp_path: Path) -> None:
    with pytest.raises(BadFrame, match="16-bit grey where colour was expected"):
        images.read_color(write(tmp_path / "d.png", UNITS))


def test_confidence_must_be_8_bit_grey(tmp_path: Path) -> None:
    grey = UNITS.astype(np.uint8)
    np.testing.assert_array_equal(images.read_grey(write(tmp_path / "c.png", grey)), grey)
    for wrong in (UNITS, COLOR):
        with pytest.raises(BadFrame, match="not 8-bit grey"):
            images.read_grey(write(tmp_path / "c.png", wrong))


@pytest.mark.parametrize("share", [0.05, 0.6, 0.95])
@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_cut_off_pictures_are_refused(tmp_path: Path, suffix: str, share: float) -> None:
    path = cut(write(tmp_path / f"a.{suffix}", COLOR), share)
    with pytest.raises(BadFrame, match=rf"a\.{suffix} is (cut off|damaged)"):
        images.read_color(path)


def test_missing_empty_and_foreign_files(tmp_path: Path) -> None:
    with pytest.raises(BadFrame, match=r"a\.png is missing"):
        images.read_color(tmp_path / "a.png")
    (tmp_path / "b.png").touch()
    with pytest.raises(BadFrame, match="is empty"):
        images.read_color(tmp_path / "b.png")
    (tmp_path / "c.png").write_text("no picture at all")
    with pytest.raises(BadFrame, match="neither PNG nor JPEG"):
        images.read_color(tmp_path / "c.png")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(BadFrame, match="cannot be read"):
        images.read_color(tmp_path / "folder.png")


@pytest.mark.parametrize("side", [0, 1, 70_000, 2**31])
def test_sizes_no_camera_has_are_refused_before_decoding(tmp_path: Path, side: int) -> None:
    path = write(tmp_path / "a.png", COLOR)
    data = bytearray(path.read_bytes())
    data[16:20] = side.to_bytes(4)
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4)
    path.write_bytes(data)
    with pytest.raises(BadFrame, match="pixels"):
        images.read_color(path)


@pytest.mark.parametrize("at", [20, 60, -30])
def test_a_changed_byte_is_noticed_quietly(
    tmp_path: Path, at: int, capfd: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "a.png", COLOR)
    data = bytearray(path.read_bytes())
    data[at] ^= 0x10
    path.write_bytes(data)
    with pytest.raises(BadFrame, match="is damaged"):
        images.read_color(path)
    assert capfd.readouterr() == ("", "")


def test_noise_after_a_header_is_refused(tmp_path: Path) -> None:
    for start in (b"\x89PNG\r\n\x1a\n", b"\xff\xd8"):
        (tmp_path / "a").write_bytes(start + RANDOM.bytes(400) + b"IEND\xff\xd9")
        with pytest.raises(BadFrame):
            images.read_color(tmp_path / "a")


def test_npy_depth(tmp_path: Path) -> None:
    np.save(tmp_path / "d.npy", UNITS)
    np.testing.assert_allclose(
        images.read_depth_npy(tmp_path / "d.npy", 0.001), UNITS * 0.001, rtol=1e-6
    )
    np.save(tmp_path / "p.npy", np.array([{"a": 1}], object), allow_pickle=True)
    np.save(tmp_path / "c.npy", COLOR)
    (tmp_path / "t.npy").write_bytes((tmp_path / "d.npy").read_bytes()[:200])
    for name in ("p.npy", "c.npy", "t.npy", "none.npy"):
        with pytest.raises(BadFrame, match=name):
            images.read_depth_npy(tmp_path / name)


def test_exr_depth(tmp_path: Path) -> None:
    depth = RANDOM.uniform(0.3, 4, (24, 32)).astype(np.float16)
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    with OpenEXR.File(header, {"Z": depth}) as file:
        file.write(str(tmp_path / "d.exr"))
    found = images.read_depth_exr(tmp_path / "d.exr")
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, depth.astype(np.float32))
    with pytest.raises(BadFrame, match="missing"):
        images.read_depth_exr(tmp_path / "none.exr")
    (tmp_path / "bad.exr").write_bytes(b"no exr")
    with pytest.raises(BadFrame, match="damaged"):
        images.read_depth_exr(tmp_path / "bad.exr")
