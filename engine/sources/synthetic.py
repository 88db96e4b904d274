"""A synthetic world as a camera: `synthetic:room?seed=3&frames=150&size=320x240`."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import torch

from engine.core.camera import Intrinsics
from engine.core.faults import BadInput
from engine.core.frames import Frame
from engine.core.poses import Pose
from engine.sources.base import SourceInfo
from engine.synth import paths
from engine.synth.objects import build_object
from engine.synth.render import Picture, Renderer, pinhole, poses_tensor
from engine.synth.rooms import MAX_AREA_M2, MIN_AREA_M2, build_room
from engine.synth.sensors import SensorModel
from engine.synth.world import World

SCHEME = "synthetic:"
# About 63 degrees across, like common depth cameras.
FOCAL_PER_WIDTH = 0.82
# A live camera's pictures, and its walk: twelve seconds, in which the gaze goes round the room.
LIVE_HZ = 30.0
LIVE_FRAMES = 360
# Half as many pixels are drawn in half the time.
LIVE_SIZE = "240x180"
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class SyntheticSpec:
    """What a `synthetic:` text asks for."""

    kind: str = "room"
    seed: int = 0
    frames: int = 150
    width: int = 320
    height: int = 240
    noise: float = 1.0
    area_m2: float = 20.0
    drift: float = 0.0
    rate_hz: float | None = None
    is_live: bool = False
    has_chest: bool = False


class SyntheticSource:
    """Frames of a world that does not exist, but whose every distance is known.

    Frames are drawn when asked for, one at a time; a frame depends on the text and its number
    alone. Depth is registered to colour.
    """

    def __init__(self, spec: str, device: torch.device | str = "cpu") -> None:
        """Read the text; the world is built on first use.

        Raises:
            BadInput: an unknown world, key or value.
        """
        self.spec = parse_spec(spec)
        self.skipped: dict[str, int] = {}
        self._text = spec
        self._device = device
        self._world: World | None = None
        self._renderer: Renderer | None = None
        self._path: paths.CameraPath | None = None
        s = self.spec
        focal = FOCAL_PER_WIDTH * s.width
        self.camera = Intrinsics(s.width, s.height, focal, focal, s.width / 2, s.height / 2)
        self._sensor = SensorModel(seed=s.seed, noise=s.noise, drift=s.drift)

    @property
    def world(self) -> World:
        """The world; `world.distance` is the truth about its surface."""
        if self._world is None:
            s = self.spec
            self._world = (
                build_room(s.seed, s.area_m2, s.has_chest)
                if s.kind == "room"
                else build_object(s.seed)
            )
        return self._world

    @property
    def path(self) -> paths.CameraPath:
        """The true way of the camera."""
        if self._path is None:
            lay = paths.walk if self.spec.kind == "room" else paths.orbit
            self._path = lay(self.world, self.spec.seed, self.spec.frames, self.spec.rate_hz)
        return self._path

    @property
    def renderer(self) -> Renderer:
        """What draws the world."""
        if self._renderer is None:
            # Texture pixels smaller than picture pixels are not worth painting.
            wide = self.spec.width
            edge_px = 128 if wide <= 160 else 256 if wide <= 400 else 512
            self._renderer = Renderer(self.world, self._device, edge_px)
        return self._renderer

    def describe(self) -> SourceInfo:
        """Return what is known before reading."""
        s = self.spec
        return SourceInfo(
            name=self._text,
            layout="synthetic",
            frame_count=s.frames,
            has_color=True,
            has_depth=True,
            has_poses=True,
            color_camera=self.camera,
            depth_camera=self.camera,
            convention="Camera to world, OpenCV axes: exact by construction.",
            details={"kind": s.kind, "seed": s.seed, "area_m2": s.area_m2, "noise": s.noise},
        )

    def frames(self) -> Iterator[Frame]:
        """Yield the frames in order of time."""
        for index in range(self.spec.frames):
            yield self.frame(index)

    def frame(self, index: int) -> Frame:
        """Return one frame as the imperfect camera delivers it."""
        time_s = self.path.stamps_s[index]
        pose = self.path.pose(time_s)
        camera = pinhole(self.camera)
        views = self.renderer.views(camera, poses_tensor([pose]))
        half_s = self._sensor.exposure_s / 2
        shutter = (self.path.pose(time_s - half_s), self.path.pose(time_s + half_s))
        color = self._sensor.color(self.renderer, views, camera, shutter, index, time_s)
        depth = self._sensor.depth(views, index)
        return Frame(
            index=index,
            t_ns=round(time_s * 1e9),
            intrinsics=self.camera,
            color=color.cpu().numpy(),
            depth_m=depth.cpu().numpy(),
            depth_intrinsics=self.camera,
            T_world_cam=self._sensor.pose(pose, time_s),
        )

    def truth_frame(self, index: int) -> Picture:
        """Return the perfect picture at a frame's true pose."""
        return self.truth_at(self.true_pose(index))

    def true_pose(self, index: int) -> Pose:
        """Return the true T_world_cam of a frame."""
        return self.path.pose(self.path.stamps_s[index])

    def truth_at(self, T_world_cam: Pose) -> Picture:
        """Return the perfect picture from any pose."""
        return self.renderer.render(self.camera, [T_world_cam])[0]

    def heldout_poses(self, count: int) -> list[Pose]:
        """Return poses near the path that no frame has, evenly along it."""
        return paths.between(self.path, self.world, self.spec.seed, count)

    def close(self) -> None:
        """Forget the drawn world; harmless to repeat."""
        self._renderer = None

    def __enter__(self) -> "SyntheticSource":
        """Return self."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Close."""
        self.close()


def parse_spec(text: str) -> SyntheticSpec:
    """Return what a text such as `synthetic:room?seed=3&size=640x480` asks for.

    Raises:
        BadInput: an unknown world, key or value; the message names what is allowed.
    """
    if not text.startswith(SCHEME):
        raise BadInput(f"'{text}' is not a synthetic world.", f"Begin with '{SCHEME}room'.")
    kind, _, query = text[len(SCHEME) :].partition("?")
    if kind not in ("room", "object"):
        raise BadInput(
            f"There is no synthetic world called '{kind}'.",
            "Use 'synthetic:room' or 'synthetic:object'.",
        )
    allowed = ["seed", "frames", "size", "noise", "drift", "rate"]
    if kind == "room":
        allowed += ["area", "live", "chest"]
    given: dict[str, str] = {}
    for part in query.split("&") if query else []:
        key, equals, value = part.partition("=")
        if key not in allowed or not equals or key in given:
            raise BadInput(
                f"'{part}' cannot be used in a synthetic {kind}.",
                f"Allowed, once each, as key=value: {', '.join(allowed)}.",
            )
        given[key] = value
    is_live = _number("live", given.get("live", "0"), int, 0, 1) == 1
    if is_live and "rate" in given:
        raise BadInput(
            f"A live camera has a rate of its own, {LIVE_HZ:g} Hz.", "Leave out rate or live."
        )
    width, height = _size(given.get("size", LIVE_SIZE if is_live else "320x240"))
    rate = f"{LIVE_HZ:g}" if is_live else given.get("rate")
    frames = given.get("frames", f"{LIVE_FRAMES if is_live else 150}")
    return SyntheticSpec(
        kind,
        _number("seed", given.get("seed", "0"), int, 0, 2**31 - 1),
        _number("frames", frames, int, 1, 1_000_000),
        width,
        height,
        _number("noise", given.get("noise", "1"), float, 0, 10),
        _number("area", given.get("area", "20"), float, MIN_AREA_M2, MAX_AREA_M2),
        _number("drift", given.get("drift", "0"), float, 0, 100),
        None if rate is None else _number("rate", rate, float, 0.1, 1000),
        is_live,
        _number("chest", given.get("chest", "0"), int, 0, 1) == 1,
    )


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    return _number("size", width, int, 16, 4096), _number("size", height, int, 16, 4096)


def _number(key: str, text: str, kind: Callable[[str], Value], low: float, high: float) -> Value:
    try:
        value = kind(text)
        fits = low <= float(text) <= high
    except ValueError:
        fits = False
    if not fits:
        example = " as in size=320x240" if key == "size" else ""
        raise BadInput(
            f"'{text}' is no value for {key} of a synthetic world.",
            f"Use {low:g} to {high:g}{example}.",
        )
    return value
