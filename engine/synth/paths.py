"""How a person carries a camera: through a room looking about, or round an object.

The way is laid over the floor where nothing is near, smoothed, and walked at human speed. The gaze
sweeps round and up and down; steps and hands add wobble. A path is a function of time, so that
shutters, and poses between frames, can be asked for too.
"""

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from engine.core.arrays import F64, Bool
from engine.core.poses import Pose
from engine.synth.world import World

TICK_HZ = 30
CLEARANCE_M = 0.3
# The way keeps this much more, since smoothing and wobble use some of it up.
MARGINS_M = (0.2, 0.12, 0.07, 0.03)
KEPT_SHARE = 0.5
REACH_M = 1.15
CELL_M = 0.12
EYE_LOW_M, EYE_HIGH_M = 1.25, 1.6
BODY_M = (0.4, 0.65, 0.9, 1.15, 1.35, 1.55, 1.75)
SPEED_M_S = 0.45
TURN_DEG_S = 26.0
LINGER_M = 1.7
# Looking into every corner takes longer than walking past it once.
SURVEY_S, SURVEY_S_PER_M2 = 30.0, 1.5


@dataclass(frozen=True, slots=True)
class CameraPath:
    """A camera's way through time: dense samples, `TICK_HZ` a second, read in between.

    Attributes:
        position: (n, 3) metres, world.
        angles: (n, 3) radians: yaw about +Z from +X, pitch upwards, roll; unwrapped.
        stamps_s: the moments at which frames are taken.
    """

    position: F64
    angles: F64
    stamps_s: tuple[float, ...]

    def pose(self, time_s: float) -> Pose:
        """Return T_world_cam at any time; before the start and after the end it stands still."""
        ticks = np.arange(len(self.position))
        at = [float(np.interp(time_s * TICK_HZ, ticks, column)) for column in self.position.T]
        yaw, pitch, roll = (
            float(np.interp(time_s * TICK_HZ, ticks, column)) for column in self.angles.T
        )
        return _look(np.array(at), yaw, pitch, roll)

    def poses(self) -> list[tuple[Pose, int]]:
        """Return T_world_cam and t_ns of every frame."""
        return [(self.pose(t), round(t * 1e9)) for t in self.stamps_s]


def walk(world: World, seed: int, frames: int, rate_hz: float | None = None) -> CameraPath:
    """Return a walk through a room that never comes nearer than `CLEARANCE_M` to anything.

    Without a rate, the frames are spread over as many rounds as it takes to look everywhere, as if
    only every n-th picture of a 30 Hz camera were kept; with more frames than that has pictures,
    the walk goes on. With a rate, frames follow each other at that rate from the start.
    """
    dice = np.random.default_rng((seed, 1))
    way = _lay_way(world, dice)
    step = np.linalg.norm(np.diff(way, axis=0, append=way[:1]), axis=1)
    length = float(step.sum())
    once_s = max(length / SPEED_M_S, 4.0)
    enough_s = max(SURVEY_S, SURVEY_S_PER_M2 * world.area_m2())
    round_s = once_s * max(1, math.ceil(enough_s / once_s))
    stamps = _stamps(frames, round_s, rate_hz)
    ticks = int(stamps[-1] * TICK_HZ) + 3
    time = np.arange(ticks) / TICK_HZ
    pace = length / once_s * (time + 0.5 * np.sin(2 * np.pi * time / 9.0 + dice.uniform(0, 6)))
    knots = np.concatenate([[0.0], np.cumsum(step)])
    closed = np.concatenate([way, way[:1]])
    position = np.stack(
        [np.interp(pace % length, knots, closed[:, axis]) for axis in range(3)], axis=1
    )
    sweep = _sweep(world, position, float(dice.uniform(0, 6)), dice.random() < 0.5)
    yaw = sweep + 0.25 * np.sin(2 * np.pi * time / 5.3)
    # Later rounds look a little higher or lower than the first.
    pitch = np.radians(-16 + 24 * np.sin(2 * np.pi * time / 7.7 + dice.uniform(0, 6)))
    angles = np.stack([yaw, pitch, np.zeros(ticks)], axis=1)
    shake, tremble = _wobble(time, dice)
    return CameraPath(position + shake, angles + tremble, stamps)


def orbit(world: World, seed: int, frames: int, rate_hz: float | None = None) -> CameraPath:
    """Return a path round the object of a world: three rings, each higher than the last."""
    dice = np.random.default_rng((seed, 1))
    focus = np.zeros(3) if world.focus_m is None else np.array(world.focus_m)
    radius = 0.62
    round_s = 3 * 2 * math.pi * radius / SPEED_M_S
    stamps = _stamps(frames, round_s, rate_hz)
    ticks = int(stamps[-1] * TICK_HZ) + 3
    time = np.arange(ticks) / TICK_HZ
    around = dice.uniform(0, 6) + 6 * np.pi * time / round_s
    phase = (time % round_s) / round_s
    high = np.radians(12 + 48 * 0.5 * (1 - np.cos(2 * np.pi * phase)))
    away = radius * np.stack(
        [np.cos(around) * np.cos(high), np.sin(around) * np.cos(high), np.sin(high)], axis=1
    )
    shake, tremble = _wobble(time, dice)
    position = focus + away + shake
    look = focus - position
    yaw = np.unwrap(np.arctan2(look[:, 1], look[:, 0]))
    pitch = np.arctan2(look[:, 2], np.linalg.norm(look[:, :2], axis=1))
    angles = np.stack([yaw, pitch, np.zeros(ticks)], axis=1)
    return CameraPath(position, angles + tremble, stamps)


def between(
    path: CameraPath, world: World, seed: int, count: int, shift_m: float = 0.06
) -> list[Pose]:
    """Return poses near the path but on none of its frames: other places, other directions."""
    dice = np.random.default_rng((seed, 2))
    stamps = path.stamps_s
    result: list[Pose] = []
    for i in range(count):
        k = min(int((i + 0.5) / count * (len(stamps) - 1)), len(stamps) - 2)
        first, second = (stamps[k], stamps[k + 1]) if len(stamps) > 1 else (0.0, 0.0)
        base = path.pose((first + second) / 2)
        pose = base
        for shrink in (1.0, 0.6, 0.3, 0.1):
            move = dice.uniform(-1, 1, 3) * shift_m * shrink
            turn = dice.uniform(-1, 1, 3) * math.radians(3)
            pose = base @ Pose.exp(np.concatenate([turn, move]))
            if world.distance(pose.translation) >= CLEARANCE_M:
                break
        result.append(pose)
    return result


def _sweep(world: World, position: F64, start: float, leftwards: bool) -> F64:
    """Return a yaw for every tick that goes round and round, quickly past what is near.

    People who scan a room linger on views with something in them, not on a wall before their nose.
    """
    every, bearings = TICK_HZ, 16
    spots = position[::every]
    angle = np.arange(bearings) * (2 * np.pi / bearings)
    toward = np.stack([np.cos(angle), np.sin(angle), np.full(bearings, -0.25)], axis=1)
    ahead = np.zeros((len(spots), bearings))
    for _ in range(10):
        points = spots[:, None] + ahead[..., None] * toward
        ahead += np.maximum(world.distance(points), 0) / 1.04
    goal = np.radians(TURN_DEG_S) * np.clip(LINGER_M / np.maximum(ahead, 0.1), 0.6, 1.9)
    yaw = np.zeros(len(position))
    yaw[0], rate = start, math.radians(TURN_DEG_S)
    for tick in range(1, len(position)):
        bearing = round(yaw[tick - 1] / (2 * np.pi) * bearings) % bearings
        # Heads do not start and stop at once.
        rate += 0.12 * (float(goal[tick // every, bearing]) - rate)
        yaw[tick] = yaw[tick - 1] + (rate if leftwards else -rate) / TICK_HZ
    return yaw


def _stamps(frames: int, round_s: float, rate_hz: float | None) -> tuple[float, ...]:
    if rate_hz is not None:
        return tuple(i / rate_hz for i in range(frames))
    every = max(1, int(round_s * TICK_HZ / max(frames, 1)))
    return tuple(i * every / TICK_HZ for i in range(frames))


def _wobble(time: F64, dice: np.random.Generator) -> tuple[F64, F64]:
    """Return what steps and hands add: metres (n, 3) and radians (n, 3)."""

    def sway(hertz: Sequence[float], size: float) -> F64:
        waves = [
            np.sin(2 * np.pi * h * dice.uniform(0.85, 1.15) * time + dice.uniform(0, 6))
            for h in hertz
        ]
        return np.asarray(size * np.sum(waves, axis=0) / len(waves))

    shake = np.stack([sway((0.4, 0.9), 0.02), sway((0.4, 0.9), 0.02), sway((0.9, 1.8), 0.016)], 1)
    tremble = np.stack(
        [sway((0.5, 1.1, 2.6), 0.02), sway((0.5, 1.3, 2.9), 0.016), sway((0.3, 0.8), 0.03)], 1
    )
    return shake, tremble


def _look(position: F64, yaw: float, pitch: float, roll: float) -> Pose:
    forward = np.array(
        [math.cos(yaw) * math.cos(pitch), math.sin(yaw) * math.cos(pitch), math.sin(pitch)]
    )
    right = np.array([math.sin(yaw), -math.cos(yaw), 0.0])
    down = np.cross(forward, right)
    x = right * math.cos(roll) + down * math.sin(roll)
    y = down * math.cos(roll) - right * math.sin(roll)
    return Pose.from_parts(np.stack([x, y, forward], axis=1), position)


def _lay_way(world: World, dice: np.random.Generator) -> F64:
    """Return a closed way (n, 3) at eye height that visits all of the free floor."""
    low, high = world.bounds_m
    xs = np.arange(low[0] + CELL_M / 2, high[0], CELL_M)
    ys = np.arange(low[1] + CELL_M / 2, high[1], CELL_M)
    grid = np.stack(np.meshgrid(xs, ys, indexing="ij"), axis=-1)
    floor_m2 = world.area_m2()
    for lowest in (BODY_M[0], REACH_M):
        clear = np.full(grid.shape[:2], np.inf)
        for height in BODY_M:
            if lowest <= height < high[2] - CLEARANCE_M:
                level = np.concatenate([grid, np.full((*grid.shape[:2], 1), height)], axis=-1)
                clear = np.minimum(clear, world.distance(level))
        pieces = [_largest_piece(clear > CLEARANCE_M + margin) for margin in MARGINS_M]
        # In a crowded room the camera is held out over tables and chairs instead.
        if pieces[-1].sum() * CELL_M**2 > 0.25 * floor_m2:
            break
    # Keeping far from things is pleasant, but not at the price of half the room.
    free = next(p for p in pieces if p.sum() >= KEPT_SHARE * pieces[-1].sum())
    cells = np.argwhere(free)
    stops = _tour(_spread(cells, int(np.clip(floor_m2 / 2.2, 5, 70)), dice))
    cells_way: list[tuple[int, int]] = []
    for start, end in zip(stops, [*stops[1:], stops[0]], strict=True):
        cells_way += _shortest(free, clear, start, end)[:-1]
    rough = np.array([grid[c] for c in cells_way]) if cells_way else grid[stops[0]][None]
    rough = _resample(rough, 0.05)
    along = np.linspace(0, 2 * np.pi, len(rough), endpoint=False)
    eye = (EYE_LOW_M + EYE_HIGH_M) / 2 + (EYE_HIGH_M - EYE_LOW_M) / 2 * np.sin(3 * along)
    for sigma in (8.0, 5.0, 3.0, 1.5, 0.0):
        smooth = np.column_stack([_smooth(rough, sigma), eye])
        # The wobble of the hands may use up to two centimetres.
        if world.distance(smooth).min() >= CLEARANCE_M + 0.025:
            break
    return np.asarray(smooth)


def _largest_piece(mask: Bool) -> Bool:
    count, label, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=4)
    if count < 2:
        return mask
    return np.asarray(label == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA])))


def _spread(cells: np.ndarray, count: int, dice: np.random.Generator) -> list[tuple[int, int]]:
    """Return cells far from one another: each next is the farthest from those taken."""
    taken = [int(dice.integers(len(cells)))]
    far = np.full(len(cells), np.inf)
    while len(taken) < min(count, len(cells)):
        far = np.minimum(far, np.linalg.norm(cells - cells[taken[-1]], axis=1))
        taken.append(int(np.argmax(far)))
    return [(int(cells[i][0]), int(cells[i][1])) for i in taken]


def _tour(stops: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the stops in an order that makes a short round (nearest next, then uncrossed)."""
    order = [stops[0]]
    rest = set(stops[1:])
    while rest:
        order.append(min(rest, key=lambda c: (math.dist(c, order[-1]), c)))
        rest.discard(order[-1])
    improved = True
    while improved:
        improved = False
        for i in range(len(order) - 1):
            for j in range(i + 2, len(order)):
                a, b = order[i], order[i + 1]
                c, d = order[j], order[(j + 1) % len(order)]
                if math.dist(a, c) + math.dist(b, d) < math.dist(a, b) + math.dist(c, d) - 1e-9:
                    order[i + 1 : j + 1] = reversed(order[i + 1 : j + 1])
                    improved = True
    return order


def _shortest(
    free: Bool, clear: F64, start: tuple[int, int], end: tuple[int, int]
) -> list[tuple[int, int]]:
    """Return the cheapest chain of free cells, ends included; keeping away from things is cheap."""
    least = 1 + 0.6 / float(clear[free].max())
    cost = {start: 0.0}
    came: dict[tuple[int, int], tuple[int, int]] = {}
    done: set[tuple[int, int]] = set()
    queue = [(0.0, start)]
    while queue:
        _, cell = heapq.heappop(queue)
        if cell == end:
            break
        if cell in done:
            continue
        done.add(cell)
        for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            near = (cell[0] + dx, cell[1] + dy)
            if not (0 <= near[0] < free.shape[0] and 0 <= near[1] < free.shape[1] and free[near]):
                continue
            total = cost[cell] + 1 + 0.6 / max(float(clear[near]), 0.05)
            if total < cost.get(near, math.inf):
                cost[near], came[near] = total, cell
                to_go = abs(near[0] - end[0]) + abs(near[1] - end[1])
                heapq.heappush(queue, (total + least * to_go, near))
    chain = [end]
    while chain[-1] != start:
        chain.append(came[chain[-1]])
    return chain[::-1]


def _resample(way: F64, step_m: float) -> F64:
    closed = np.concatenate([way, way[:1]])
    knots = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(closed, axis=0), axis=1))])
    places = np.linspace(0, knots[-1], max(4, int(knots[-1] / step_m)), endpoint=False)
    return np.stack([np.interp(places, knots, closed[:, a]) for a in range(2)], axis=1)


def _smooth(way: F64, sigma: float) -> F64:
    """Return the closed way with its corners rounded by a Gaussian of so many samples."""
    if sigma == 0:
        return way
    reach = int(3 * sigma)
    weight = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    padded = np.take(way, np.arange(-reach, len(way) + reach), axis=0, mode="wrap")
    columns = [np.convolve(padded[:, a], weight / weight.sum(), "valid") for a in range(2)]
    return np.stack(columns, axis=1)
