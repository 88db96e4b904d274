"""Photographs of one room, brought to one exposure."""

from collections.abc import Sequence

import cv2
import numpy as np

from engine.core.arrays import F32
from engine.core.frames import Photo
from engine.core.surface import Mesh
from engine.texturing.views import Views

# Places compared; more changes nothing.
PLACES = 20_000
# Levels too dark to divide by, or burnt out, say nothing about exposure.
DARKEST, BRIGHTEST = 12.0, 243.0
# A photograph that shares this many places is believed as much as the wish for gain one.
PRIOR_PLACES = 50.0
# Disagreement (natural logarithm) beyond which a sample loses influence.
ROBUST_LOG = 0.15
BLUR_PX = 3.0


def gains_of(mesh: Mesh, photos: Sequence[Photo], views: Views) -> F32:
    """Return one factor a photograph and channel (v, 3) that makes shared places look alike.

    Least squares over logarithms of the levels seen at the same place by several photographs,
    reweighted so that shine and moved things lose their say. Factors average one.
    """
    if not photos:
        return np.ones((0, 3), np.float32)
    seen_by_two = np.flatnonzero(views.photo[:, 1] >= 0)
    rng = np.random.default_rng(0)
    places = rng.permutation(seen_by_two)[:PLACES]
    centers = mesh.vertices[mesh.faces[places]].mean(axis=1).astype(np.float64)
    photo_of = views.photo[places]
    logs = np.full((*photo_of.shape, 3), np.nan)
    for number, shot in enumerate(photos):
        row, slot = np.nonzero(photo_of == number)
        if len(row):
            logs[row, slot] = _log_levels(shot, centers[row])
    known = np.isfinite(logs).all(axis=2)
    place, slot = np.nonzero(known)
    gains = np.stack(
        [
            _solve(place, photo_of[place, slot], logs[place, slot, c], len(places), len(photos))
            for c in range(3)
        ],
        axis=1,
    )
    return np.asarray(np.exp(gains), np.float32)


def _log_levels(shot: Photo, points: np.ndarray) -> np.ndarray:
    """Return logarithms of a smoothed picture at world points (n, 3); NaN where useless."""
    pixels, _ = shot.intrinsics.project(shot.T_world_cam.inverse.apply(points))
    smooth = cv2.GaussianBlur(shot.color, (0, 0), BLUR_PX)
    u, v = np.clip(pixels.astype(np.int64), 0, np.array(smooth.shape[1::-1]) - 1).T
    levels = smooth[v, u].astype(np.float64)
    useless = (levels < DARKEST) | (levels > BRIGHTEST)
    return np.where(useless, np.nan, np.log(np.maximum(levels, 1)))


def _solve(
    place: np.ndarray, photo: np.ndarray, logs: np.ndarray, places: int, photos: int
) -> np.ndarray:
    """Return log gains (v,) minimising the spread of logs + gain[photo] about each place's mean."""
    gain = np.zeros(photos)
    weight = np.ones(len(logs))
    for _ in range(5):
        per_place = np.maximum(np.bincount(place, weight, places), 1e-9)
        # The place's own level is eliminated: its best value is the weighted mean of its samples.
        matrix = np.diag(np.bincount(photo, weight, photos) + PRIOR_PLACES)
        right = -np.bincount(photo, weight * logs, photos)
        mean_log = np.bincount(place, weight * logs, places) / per_place
        right += np.bincount(photo, weight * mean_log[place], photos)
        table = np.zeros((places, photos))
        np.add.at(table, (place, photo), weight)
        matrix -= table.T @ (table / per_place[:, None])
        gain = np.linalg.solve(matrix, right)
        level = np.bincount(place, weight * (logs + gain[photo]), places) / per_place
        off = np.abs(logs + gain[photo] - level[place])
        weight = 1 / (1 + (off / ROBUST_LOG) ** 2)
    return np.asarray(gain - gain.mean())
