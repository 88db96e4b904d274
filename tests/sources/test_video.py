import contextlib
import functools
import struct
import tempfile
from pathlib import Path

import av
import numpy as np
import pytest

from engine.core.faults import BadFrame, BadInput
from engine.sources.video import Video

COUNT = 30


def shade(number: int) -> int:
    return 20 + 7 * number


def make(
    path: Path, codec: str = "libx264", size: tuple[int, int] = (64, 48), **muxer: str
) -> Path:
    """Write a video whose every frame has its own brightness, noisy enough to be large."""
    path.write_bytes(encoded(codec, size, tuple(muxer.items())))
    return path


@functools.cache
def encoded(codec: str, size: tuple[int, int], muxer: tuple[tuple[str, str], ...]) -> bytes:
    noise = np.random.default_rng(1).integers(-9, 9, (COUNT, size[1], size[0], 3), np.int8)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.mp4"
        with av.open(str(path), "w", options=dict(muxer)) as container:
            stream = container.add_stream(codec, rate=30)
            stream.width, stream.height = size
            stream.pix_fmt = "yuv420p"
            stream.bit_rate = 4_000_000
            if codec == "libx265":
                stream.options = {"x265-params": "log-level=none:pools=1"}
            for number in range(COUNT):
                picture = np.clip(shade(number) + noise[number].astype(int), 0, 255)
                shown = av.VideoFrame.from_ndarray(picture.astype(np.uint8), format="rgb24")
                container.mux(stream.encode(shown))
            container.mux(stream.encode(None))
        return path.read_bytes()


def number_of(picture: np.ndarray) -> int:
    return round((float(picture.mean()) - shade(0)) / 7)


@pytest.mark.parametrize("codec", ["libx264", "libx265", "mpeg4"])
def test_every_frame_is_found_by_its_number(tmp_path: Path, codec: str) -> None:
    video = Video(make(tmp_path / "a.mp4", codec))
    assert (video.width, video.height, video.frame_count) == (64, 48, COUNT)
    for number in (0, 1, 2, 7, 7, 29):
        picture = video.frame(number)
        assert picture.shape == (48, 64, 3)
        assert picture.dtype == np.uint8
        assert number_of(picture) == number
    video.close()


def test_going_back_starts_again(tmp_path: Path) -> None:
    video = Video(make(tmp_path / "a.mp4"))
    assert [number_of(video.frame(n)) for n in (20, 3, 4, 0, 29, 28)] == [20, 3, 4, 0, 29, 28]
    video.close()
    video.close()
    assert number_of(video.frame(5)) == 5
    video.close()


def test_a_frame_is_handed_out_so_that_nobody_can_spoil_it(tmp_path: Path) -> None:
    video = Video(make(tmp_path / "a.mp4"))
    with pytest.raises(ValueError, match="read-only"):
        video.frame(3)[0, 0] = 0
    video.close()


@pytest.mark.parametrize("number", [-1, COUNT, 10_000])
def test_a_frame_that_is_not_there_is_a_bad_frame(tmp_path: Path, number: int) -> None:
    video = Video(make(tmp_path / "a.mp4"))
    for _ in range(2):
        with pytest.raises(BadFrame, match=f"no readable frame {number}"):
            video.frame(number)
    assert number_of(video.frame(29)) == 29
    video.close()


def test_a_video_cut_off_at_the_end_gives_its_first_frames(tmp_path: Path) -> None:
    path = make(tmp_path / "a.mp4", size=(320, 240), movflags="faststart")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    video = Video(path)
    readable = []
    for number in range(COUNT):
        with contextlib.suppress(BadFrame):
            readable.append(number_of(video.frame(number)))
    assert 3 < len(readable) < COUNT
    assert readable == list(range(len(readable)))
    # What is readable stays so.
    assert number_of(video.frame(2)) == 2
    video.close()


@pytest.mark.parametrize("keep", [0, 1, 40, 5000, -200])
def test_a_video_without_its_index_is_refused(tmp_path: Path, keep: int) -> None:
    path = make(tmp_path / "a.mp4", size=(320, 240))
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(BadInput, match="damaged or was cut off"):
        Video(path)


def test_what_is_no_video_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is missing"):
        Video(tmp_path / "none.mp4")
    with pytest.raises(BadInput, match="is missing"):
        Video(tmp_path)
    (tmp_path / "text.mp4").write_text("hello " * 1000)
    with pytest.raises(BadInput, match="cannot be read"):
        Video(tmp_path / "text.mp4")


def test_a_file_with_sound_only_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        sound = av.AudioFrame.from_ndarray(
            np.zeros((1, 800), np.int16), format="s16", layout="mono"
        )
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
    with pytest.raises(BadInput, match="cannot be read"):
        Video(path)


def test_a_rotation_tag_is_told_and_not_applied(tmp_path: Path) -> None:
    path = make(tmp_path / "a.mp4")
    data = bytearray(path.read_bytes())
    # The track header's matrix: 16.16 fixed point but for the last column, 2.30.
    at = data.index(b"tkhd") + 44
    turned = (0, 1 << 16, 0, -(1 << 16), 0, 0, 48 << 16, 0, 1 << 30)
    data[at : at + 36] = struct.pack(">9i", *turned)
    path.write_bytes(data)
    video = Video(path)
    assert abs(video.rotation_deg) == 90
    assert video.frame(0).shape == (48, 64, 3)
    video.close()


def test_colours_come_back_right(tmp_path: Path) -> None:
    colors = np.array([[220, 30, 30], [30, 200, 40], [40, 50, 210], [230, 220, 40]], np.uint8)
    picture = np.repeat(np.repeat(colors[None], 48, axis=0), 16, axis=1)
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    video = Video(path)
    found = video.frame(1)[8:40].reshape(32, 4, 16, 3)[:, :, 4:12].mean(axis=(0, 2))
    np.testing.assert_allclose(found, colors, atol=6)
    video.close()


@pytest.mark.parametrize(
    ("size", "center", "stated"),
    [
        ((1920, 1440), (955.0, 717.0), (1920, 1440)),
        ((1280, 960), (955.0, 717.0), (1920, 1440)),
        ((480, 360), (955.0, 717.0), (1920, 1440)),
        ((480, 360), (239.5, 169.2), (480, 360)),
        ((1280, 960), (640.0, 478.0), (1280, 960)),
        ((480, 360), (5000.0, 170.0), (480, 360)),
    ],
)
def test_a_principal_point_tells_which_size_it_was_written_for(
    tmp_path: Path, size: tuple[int, int], center: tuple[float, float], stated: tuple[int, int]
) -> None:
    video = Video(make(tmp_path / "a.mp4"))
    video.width, video.height = size
    assert video.stated_size([center] * 3) == stated
    assert video.stated_size([]) == size
    video.close()
