"""Colours on their way into files: encoded pictures, linear light, one colour a vertex."""

import io
import warnings
from typing import Literal

import numpy as np
from PIL import Image

from engine.core.arrays import F32, U8
from engine.core.faults import BadInput
from engine.core.surface import Mesh, TexturedMesh

PictureKind = Literal["jpeg", "png"]

# Visually lossless on photographs, about a seventh of PNG; chroma is not subsampled because
# charts of an atlas meet at hard edges and would bleed into each other.
JPEG_QUALITY = 92
# Above any texture we write; a larger one is refused rather than unpacked into all memory.
MAX_PICTURE_BYTES = 1 << 30


def encode(picture: U8, kind: PictureKind) -> bytes:
    """Return the (h, w, 3) RGB picture as the bytes of a JPEG or PNG file."""
    buffer = io.BytesIO()
    image = Image.fromarray(picture)
    if kind == "jpeg":
        image.save(buffer, format="JPEG", quality=JPEG_QUALITY, subsampling=0)
    else:
        image.save(buffer, format="PNG", compress_level=4)
    return buffer.getvalue()


def at_most(picture: U8, edge_px: int) -> U8:
    """Return the picture with its longer side at most `edge_px`, averaged down where larger."""
    height, width = picture.shape[:2]
    scale = edge_px / max(height, width)
    if scale >= 1:
        return picture
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    return np.array(Image.fromarray(picture).resize(size, Image.Resampling.BOX))


def open_picture(data: bytes) -> U8:
    """Return the (h, w, 3) RGB picture in the bytes of an image file.

    Raises:
        BadInput: no picture, or one of more than 89 million pixels.
    """
    try:
        with warnings.catch_warnings():
            # The library only warns of pictures that would unpack into a gigabyte; we refuse them.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data)) as image:
                return np.array(image.convert("RGB"))
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise BadInput("A texture is too large.", "At most 89 million pixels are read.") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise BadInput("A texture cannot be decoded.", "The file may be damaged.") from error


def linear_from_srgb(colors: U8) -> F32:
    """Return linear light in 0..1 of sRGB bytes (IEC 61966-2-1)."""
    value = colors.astype(np.float64) / 255
    bent = ((value + 0.055) / 1.055) ** 2.4
    return np.where(value <= 0.04045, value / 12.92, bent).astype(np.float32)


def srgb_from_linear(light: np.ndarray) -> U8:
    """Return sRGB bytes of linear light in 0..1; inverse of `linear_from_srgb`."""
    value = np.clip(light.astype(np.float64), 0, 1)
    bent = 1.055 * value ** (1 / 2.4) - 0.055
    encoded = np.where(value <= 0.0031308, value * 12.92, bent)
    return np.asarray(np.round(encoded * 255), np.uint8)


def vertex_colors(surface: Mesh | TexturedMesh) -> U8 | None:
    """Return one RGB colour a vertex (n, 3): its own, or its texel; None without."""
    mesh = surface if isinstance(surface, Mesh) else surface.mesh
    if mesh.colors is not None:
        return mesh.colors
    if isinstance(surface, Mesh):
        return None
    height, width = surface.texture.shape[:2]
    column = np.clip(surface.uv[:, 0] * width, 0, width - 1).astype(np.int64)
    row = np.clip((1 - surface.uv[:, 1]) * height, 0, height - 1).astype(np.int64)
    return np.asarray(surface.texture[row, column], np.uint8)
