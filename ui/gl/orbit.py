"""From where the view looks: a point it turns about, a direction and a distance."""

from dataclasses import dataclass, field

import numpy as np

from engine.core.arrays import F64

FOV_DEG = 60.0
HOME_DISTANCE_M = 7.0
HOME_ELEVATION_DEG = 35.0
HOME_AZIMUTH_DEG = 45.0
NEAREST_M, FARTHEST_M = 0.05, 500.0
# Nearest and farthest thing shown, as shares of the distance: what a depth buffer of 24 bit bears.
NEAR_SHARE, FAR_SHARE = 0.01, 100.0
# What is looked at whole has this much room to the sides of the picture, and counts as half a
# metre wide at least.
MARGIN = 1.06
SMALLEST_M = 0.25
_HALF = np.tan(np.radians(FOV_DEG / 2))


@dataclass(slots=True)
class Orbit:
    """Looks at `centre_m` from a distance; azimuth turns about +Z, elevation is up.

    `FOV_DEG` spans the picture from left to right.
    """

    centre_m: F64 = field(default_factory=lambda: np.array([0.0, 0.0, 1.0]))
    distance_m: float = HOME_DISTANCE_M
    azimuth_deg: float = HOME_AZIMUTH_DEG
    elevation_deg: float = HOME_ELEVATION_DEG

    def axes(self) -> F64:
        """Return right, up and back (3, 3), a row each, world."""
        a, e = np.radians(self.azimuth_deg), np.radians(self.elevation_deg)
        back = [np.cos(e) * np.cos(a), np.cos(e) * np.sin(a), np.sin(e)]
        up = [-np.sin(e) * np.cos(a), -np.sin(e) * np.sin(a), np.cos(e)]
        return np.array([[-np.sin(a), np.cos(a), 0.0], up, back])

    def eye_m(self) -> F64:
        """Return where the eye is (3,), world."""
        eye: F64 = self.centre_m + self.axes()[2] * self.distance_m
        return eye

    def T_clip_world(self, aspect: float) -> F64:
        """Return the matrix (4, 4) to OpenGL's clip space for a picture so many times as wide."""
        axes = self.axes()
        view = np.eye(4)
        view[:3, :3], view[:3, 3] = axes, -axes @ self.eye_m()
        near, far = self.distance_m * NEAR_SHARE, self.distance_m * FAR_SHARE
        lens = np.zeros((4, 4))
        lens[0, 0], lens[1, 1] = 1 / _HALF, aspect / _HALF
        lens[2, 2], lens[2, 3] = (near + far) / (near - far), 2 * near * far / (near - far)
        lens[3, 2] = -1
        matrix: F64 = lens @ view
        return matrix

    def direction(self, x: float, y: float, aspect: float) -> F64:
        """Return the unit direction (3,) seen at a place from -1 to 1, right and up, world."""
        right, up, back = self.axes()
        way = right * (x * _HALF) + up * (y * _HALF / aspect) - back
        unit: F64 = way / np.linalg.norm(way)
        return unit

    def turn(self, azimuth_deg: float, elevation_deg: float) -> None:
        """Go round the centre."""
        self.azimuth_deg += azimuth_deg
        self.elevation_deg = float(np.clip(self.elevation_deg + elevation_deg, -90, 90))

    def zoom(self, factor: float) -> None:
        """Come nearer by a factor."""
        self.distance_m = float(np.clip(self.distance_m / factor, NEAREST_M, FARTHEST_M))

    def pan(self, right_px: float, down_px: float, width_px: int) -> None:
        """Take the scene along with a pointer that moved so far."""
        metres = self.distance_m * 2 * _HALF / max(width_px, 1)
        right, up, _ = self.axes()
        self.centre_m = self.centre_m - right * right_px * metres + up * down_px * metres

    def approach(self, low: F64, high: F64, aspect: float, share: float) -> float:
        """Go a share of the way to where a box shows whole; return how far that was, in metres."""
        middle, half = (low + high) / 2, np.maximum((high - low) / 2, SMALLEST_M)
        corners = np.array([[i & 1, i >> 1 & 1, i >> 2 & 1] for i in range(8)]) * 2 - 1
        right, up, back = self.axes() @ (corners * half).T
        # From here each corner is just within the picture's sides.
        needed = back + MARGIN * np.maximum(abs(right), abs(up) * aspect) / _HALF
        gap, farther = middle - self.centre_m, needed.max() - self.distance_m
        self.centre_m = self.centre_m + gap * share
        self.distance_m += float(farther) * share
        return float(np.linalg.norm(gap) + abs(farther))
