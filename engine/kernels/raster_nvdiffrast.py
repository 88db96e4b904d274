"""Face ids on a CUDA device through nvdiffrast: optional, never required, never bundled.

Its licence allows non-commercial use only, it is not on the package index, and it compiles CUDA
kernels when installed. It decides coverage after snapping vertices to a sixteenth of a pixel, so
pixels whose centre lies that near to an edge may differ from the free twin. Written against its
published interface; the test that compares the twins runs only where it is installed.
"""

from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from engine.core.faults import MissingPart


class NvdiffrastRasteriser:
    """A rasteriser for CUDA tensors; construct one per device and keep it."""

    def __init__(self) -> None:
        """Load the library.

        Raises:
            MissingPart: nvdiffrast or a CUDA device is absent.
        """
        self._library = _library()
        if not torch.cuda.is_available():
            raise MissingPart(
                "nvdiffrast needs a CUDA device, and there is none.", "Use the Embree rasteriser."
            )
        self._context = self._library.RasterizeCudaContext()

    def face_ids(self, clip_bv4: Tensor, faces: Tensor, height: int, width: int) -> Tensor:
        """Return (b, height, width) int64 face numbers, -1 where nothing is seen.

        Raises:
            MissingPart: the vertices are not on a CUDA device.
        """
        if not clip_bv4.is_cuda:
            raise MissingPart("nvdiffrast draws CUDA tensors only.", "Use the Embree rasteriser.")
        if not len(faces):
            return torch.full(
                (len(clip_bv4), height, width), -1, dtype=torch.int64, device=clip_bv4.device
            )
        pictures, _ = self._library.rasterize(
            self._context,
            clip_bv4.detach().float().contiguous(),
            faces.to(torch.int32).contiguous(),
            resolution=[height, width],
            grad_db=False,
        )
        # The last channel is the face number plus one, zero where nothing is seen.
        return torch.as_tensor(pictures)[..., 3].round().long() - 1


def _library() -> Any:
    try:
        return import_module("nvdiffrast.torch")
    except ImportError as missing:
        raise MissingPart(
            "The optional rasteriser nvdiffrast is not installed.",
            "Install it from its authors' repository (non-commercial licence), or use the Embree "
            "rasteriser, which gives the same picture.",
        ) from missing
