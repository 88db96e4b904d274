"""Colour frames into a video file."""

from pathlib import Path

import av
from av.video.reformatter import Colorspace
from av.video.stream import VideoStream

from engine.core.arrays import U8
from engine.core.faults import BadInput

# Nearly without visible loss, and readable by every player.
_OPTIONS = {"crf": "12", "preset": "veryfast", "g": "30"}


class Movie:
    """An H.264 video that grows frame by frame; all frames have the size of the first.

    FFmpeg's errors (`av.error.FFmpegError`) come through: whoever writes decides what they mean.
    """

    def __init__(self, path: Path, frames_per_second: int) -> None:
        """Start an empty video; the suffix of the path names the container."""
        self._container = av.open(str(path), "w", format="mp4")
        self._rate = frames_per_second
        self._stream: VideoStream | None = None

    def add(self, color: U8) -> None:
        """Append (h, w, 3) uint8 RGB.

        Raises:
            BadInput: not the size of the frames before.
        """
        height, width = color.shape[:2]
        if self._stream is None:
            self._stream = self._container.add_stream("libx264", rate=self._rate)
            self._stream.width, self._stream.height = width, height
            # Halved colour needs even sides.
            is_even = width % 2 == 0 and height % 2 == 0
            self._stream.pix_fmt = "yuv420p" if is_even else "yuv444p"
            self._stream.options = dict(_OPTIONS)
            # Said aloud, because players guess by size otherwise.
            self._stream.codec_context.colorspace = Colorspace.ITU601
        if (width, height) != (self._stream.width, self._stream.height):
            raise BadInput("A video cannot hold pictures of different sizes.")
        picture = av.VideoFrame.from_ndarray(color, format="rgb24")
        self._container.mux(self._stream.encode(picture))

    def finish(self) -> None:
        """Write what is still in the encoder and close the file."""
        if self._stream is not None:
            self._container.mux(self._stream.encode(None))
        self._container.close()

    def close(self) -> None:
        """Let go of the file; without `finish` it cannot be read."""
        self._container.close()
