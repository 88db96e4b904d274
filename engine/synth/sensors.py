"""What a real camera makes of a perfect picture: noise, holes, blur, drifting exposure.

Depth follows the Kinect measurements of Nguyen, Izadi and Lovell (3DIMPVT 2012): axial noise
1.2 mm + 1.9 mm/m^2 (z - 0.4 m)^2, more at grazing angles, and a lateral spread below a pixel. Every
draw is a function of the seed and the frame's number alone.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from engine.core.poses import Pose
from engine.synth.raycast import Pinhole
from engine.synth.render import Renderer, Views, encode_srgb

# Disparity is measured in steps: 1/32 pixel at 640 pixels of focal length and 5 cm of baseline.
INVERSE_DEPTH_STEP = 1 / (32 * 640 * 0.05)
LATERAL_PX = 0.5
EDGE_RATIO = 0.04
SHINY = 0.55
BLUR_TAPS = 5


@dataclass(frozen=True, slots=True)
class SensorModel:
    """How bad the camera is; `noise` scales everything, 0 is perfect, 1 an ordinary depth camera.

    Attributes:
        seed: changes every draw.
        noise: factor on all errors of depth and colour.
        min_m: nearer depth is unknown.
        max_m: farther depth is unknown.
        exposure_s: how long the shutter is open.
        drift: factor on the errors of the poses; 1 wanders about a centimetre, as phones do.
    """

    seed: int = 0
    noise: float = 1.0
    min_m: float = 0.3
    max_m: float = 6.0
    exposure_s: float = 0.01
    drift: float = 0.0

    def dice(self, index: int, what: int) -> torch.Generator:
        """Return the dice of one frame and one purpose."""
        key = np.random.SeedSequence((self.seed, index, what)).generate_state(1, np.uint64)[0]
        return torch.Generator().manual_seed(int(key >> 1))

    def depth(self, views: Views, index: int) -> Tensor:
        """Return measured depth (h, w) of the first of the views; 0 where the sensor gives up."""
        true = views.depth_m[0]
        if self.noise == 0:
            return true
        dice, device = self.dice(index, 0), true.device
        shape = true.shape

        def normal() -> Tensor:
            return torch.randn(shape, generator=dice).to(device)

        def uniform() -> Tensor:
            return torch.rand(shape, generator=dice).to(device)

        z = _jitter(true, normal() * LATERAL_PX * self.noise, normal() * LATERAL_PX * self.noise)
        far = _window(true, largest=True)
        near = _window(torch.where(true > 0, true, 1e3), largest=False)
        # On a slanted plane the neighbours lie evenly round the middle; at a step they do not.
        edge = ((far + near - 2 * true).abs() > EDGE_RATIO * near) & (near < 1e3)
        # At a step the sensor's window sees both sides and sometimes reports neither.
        part = uniform()
        flying = edge & (uniform() < 0.3 * self.noise)
        z = torch.where(flying, near + (far - near) * part, z)
        angle = torch.arccos(views.facing[0].clamp(0.02, 1.0))
        spread = 0.0012 + 0.0019 * (z - 0.4) ** 2
        spread = (
            spread + 0.0001 * torch.rsqrt(z.clamp(min=0.1)) * (angle / (torch.pi / 2 - angle)) ** 2
        )
        coarse = torch.randn(1, 1, shape[0] // 4 + 1, shape[1] // 4 + 1, generator=dice)
        blotch = F.interpolate(coarse.to(device), size=shape, mode="bilinear")[0, 0]
        measured = z + spread * self.noise * (0.85 * normal() + 0.75 * blotch)
        step = INVERSE_DEPTH_STEP * self.noise
        measured = 1 / (torch.round(1 / measured.clamp(min=0.05) / step) * step)
        lost = edge & (uniform() < 0.25 * self.noise)
        lost |= uniform() < 0.002 * self.noise
        lost |= uniform() < ((0.3 - views.facing[0]) / 0.2).clamp(0, 1) * min(1.0, self.noise)
        # Shiny stuff reflects the pattern away; it fails in patches, not pixel by pixel.
        shine = (views.gloss[0] - SHINY).clamp(min=0) * self.noise
        lost |= (shine > 0) & (blotch > 1.5 - 5 * shine)
        lost |= (z <= 0) | (measured < self.min_m) | (measured > self.max_m)
        return torch.where(lost, 0.0, measured)

    def color(
        self,
        renderer: Renderer,
        views: Views,
        camera: Pinhole,
        shutter: tuple[Pose, Pose],
        index: int,
        time_s: float,
    ) -> Tensor:
        """Return uint8 sRGB (h, w, 3) of the first view, blurred between the shutter's poses."""
        light = views.radiance[0]
        if self.noise == 0:
            return renderer.develop(light)
        light = _blur(light, views.depth_m[0], camera, shutter)
        linear = renderer.tone(light * self._gain(time_s).to(light))
        noise = torch.randn(linear.shape, generator=self.dice(index, 1)).to(linear)
        # Photon noise grows with the root of light, read noise does not.
        spread = torch.sqrt(0.00012 * linear + 3e-6)
        return encode_srgb(linear + noise * spread * self.noise)

    def pose(self, T_world_cam: Pose, time_s: float) -> Pose:
        """Return the pose as the device believes it."""
        if self.drift == 0:
            return T_world_cam
        dice = np.random.default_rng((self.seed, 7))
        periods = dice.uniform(9, 40, (6, 3))
        phases = dice.uniform(0, 2 * np.pi, (6, 3))
        size = np.array([0.002] * 3 + [0.007] * 3) * self.drift
        start = np.sin(phases).mean(axis=1)
        wander = np.sin(2 * np.pi * time_s / periods + phases).mean(axis=1) - start
        error = Pose.exp(wander * size)
        return Pose.from_parts(
            error.rotation @ T_world_cam.rotation, T_world_cam.translation + error.translation
        )

    def _gain(self, time_s: float) -> Tensor:
        """Return exposure and white balance (3,) at a time: near 1, slowly wandering."""
        dice = np.random.default_rng((self.seed, 8))
        a, b = dice.uniform(0, 2 * np.pi, 2)
        common = 0.045 * np.sin(2 * np.pi * time_s / 11 + a) + 0.02 * np.sin(
            2 * np.pi * time_s / 4 + b
        )
        tint = 0.012 * np.sin(2 * np.pi * time_s / 17 + dice.uniform(0, 2 * np.pi, 3))
        return torch.tensor(np.exp((common + tint) * self.noise), dtype=torch.float32)


def _jitter(depth: Tensor, across: Tensor, down: Tensor) -> Tensor:
    """Return depth read at shifted places, whole pixels."""
    h, w = depth.shape
    rows = torch.arange(h, device=depth.device)[:, None] + down.round().long()
    columns = torch.arange(w, device=depth.device)[None, :] + across.round().long()
    return depth[rows.clamp(0, h - 1), columns.clamp(0, w - 1)]


def _window(depth: Tensor, largest: bool) -> Tensor:
    sign = 1.0 if largest else -1.0
    return sign * F.max_pool2d(sign * depth[None, None], 3, 1, 1)[0, 0]


def _blur(light: Tensor, depth: Tensor, camera: Pinhole, shutter: tuple[Pose, Pose]) -> Tensor:
    """Return the picture averaged along the way each pixel's point travels while it is exposed."""
    opened, closed = shutter
    motion = torch.tensor((closed.inverse @ opened).matrix).to(light)
    h, w = depth.shape
    u = torch.arange(w, device=light.device) + 0.5
    v = (torch.arange(h, device=light.device) + 0.5)[:, None]
    z = torch.where(depth > 0, depth, 10.0)
    points = torch.stack([(u - camera.cx) / camera.fx * z, (v - camera.cy) / camera.fy * z, z], -1)
    moved = points @ motion[:3, :3].T + motion[:3, 3]
    ahead = moved[..., 2].clamp(min=0.05)
    du = moved[..., 0] / ahead * camera.fx + camera.cx - u
    dv = moved[..., 1] / ahead * camera.fy + camera.cy - v
    # Half of a pixel is no blur; most frames of a steady hand stop here.
    if float(torch.hypot(du, dv).quantile(0.9)) < 0.5:
        return light
    total = torch.zeros_like(light)
    picture = light.permute(2, 0, 1)[None]
    for tap in range(BLUR_TAPS):
        share = (tap + 0.5) / BLUR_TAPS - 0.5
        x = (u + du * share) / w * 2 - 1
        y = (v + dv * share) / h * 2 - 1
        grid = torch.stack([x, y], -1)[None]
        sample = F.grid_sample(picture, grid, padding_mode="border", align_corners=False)
        total += sample[0].permute(1, 2, 0)
    return total / BLUR_TAPS
