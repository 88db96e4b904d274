"""What of a sensor's depth picture is believed."""

from dataclasses import replace

import numba
import numpy as np

from engine.core.frames import Frame
from engine.core.settings import DepthSettings
from engine.kernels.parallel import over_slices

ALL_SURE = np.zeros((1, 1), np.float32)


def clean(frame: Frame, settings: DepthSettings) -> Frame:
    """Return the frame without depth that is out of range, unsure, or on a depth edge.

    Between a near and a far surface sensors report points that hang in the air. A pixel goes when
    a 4-neighbour with depth differs by more than `edge_ratio` of the smaller of the two.
    """
    if frame.depth_m is None:
        return frame
    depth, sure = frame.depth_m, frame.confidence if frame.confidence is not None else ALL_SURE
    cleaned = np.empty_like(depth)
    over_slices(
        lambda start, stop: _clean(
            depth,
            sure,
            frame.confidence is not None,
            settings.min_m,
            settings.max_m,
            settings.edge_ratio,
            settings.min_confidence,
            cleaned,
            start,
            stop,
        ),
        len(depth),
        min_slice=64,
    )
    return replace(frame, depth_m=cleaned)


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _clean(  # type: ignore[no-untyped-def]
    depth, sure, has_sure, nearest, farthest, ratio, least_sure, cleaned, start, stop
):
    height, width = depth.shape
    for v in range(start, stop):
        for u in range(width):
            z = depth[v, u]
            keep = (z >= nearest) & (z <= farthest)
            if has_sure:
                keep &= sure[v, u] >= least_sure
            for dv, du in ((0, 1), (0, -1), (1, 0), (-1, 0)):
                y, x = v + dv, u + du
                if keep and 0 <= y < height and 0 <= x < width:
                    other = depth[y, x]
                    keep = not (other > 0 and abs(other - z) > ratio * min(other, z))
            cleaned[v, u] = z if keep else np.float32(0)
