"""Endless training samples from worlds that exist only on the device.

A batch is a function of the seed and its index alone, so a run that is resumed sees what it would
have seen. Rooms are laid out by the processor (some ten milliseconds each) and then only looked at:
rays, light, lens and noise are arithmetic on the device, of fixed shape, without asking back. Each
room serves several batches before the next takes its place.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from engine.core.faults import BadInput
from engine.synth import packed as at
from engine.synth.bank import Bank, build_bank
from engine.synth.cast_many import Cameras
from engine.synth.depth_camera import sensor_depth
from engine.synth.edges_many import look_smooth
from engine.synth.film import DRAWS, Film, expose
from engine.synth.interiors import build_interior
from engine.synth.looks import dress
from engine.synth.packed import Packed, pack
from engine.synth.raycast import TILE_PX
from engine.synth.shade_many import light_up, median_exposure
from engine.synth.stage import Stage
from engine.training.views import MOMENTS, Draws, send, tuples
from engine.training.walks import walk, walk_draws

# First numbers of the dice: what is judged is never drawn for training, whatever the seed.
LEARNED, JUDGED = 1, 2
HELD_OUT_WORLDS = 20
# How the views of a sample stand: about a reference, or along a walk. Chance depends on it.
MATCHED, WALKED = 0, 2


@dataclass(frozen=True, slots=True)
class Plan:
    """How samples are made.

    Attributes:
        batch: samples a batch.
        views: pictures a sample, the reference first.
        height: of pictures, a multiple of 8; for portrait batches it is the width.
        width: likewise.
        solids: places for solids in a world.
        worlds_last: batches a room serves.
        portrait_share: of batches.
        clean_share: of samples whose pictures and poses are without fault.
        pose_noise: factor on errors of poses; 1 is a phone's.
        oversample: rays a pixel along each side on a GPU, for colour only.
        stride: how many processes share the indices; each draws every so many-th.
    """

    batch: int = 4
    views: int = 5
    height: int = 128
    width: int = 160
    solids: int = 288
    worlds_last: int = 8
    portrait_share: float = 0.25
    clean_share: float = 0.25
    pose_noise: float = 1.0
    oversample: int = 2
    stride: int = 1

    def __post_init__(self) -> None:
        """Refuse sizes the renderer has no tiles for.

        Raises:
            BadInput: a size that is no multiple of 8, too few or too many views.
        """
        if self.height % TILE_PX or self.width % TILE_PX:
            raise BadInput(
                f"Pictures of {self.width}x{self.height} cannot be drawn.",
                f"Both sides must be multiples of {TILE_PX}.",
            )
        if not 2 <= self.views <= MOMENTS + 1 or self.batch < 1:
            raise BadInput(
                f"A batch of {self.batch} samples with {self.views} views cannot be made.",
                f"Use 1 sample or more, and 2 to {MOMENTS + 1} views.",
            )


@dataclass(frozen=True, slots=True)
class WorldSample:
    """Posed views of b worlds; all metres, world +Z up, cameras x right, y down, z forward.

    Attributes:
        pictures: (b, v, 3, h, w) sRGB 0..1.
        depth: (b, v, h, w) exact, along the axis; every pixel of a room has one.
        K: (b, v, 3, 3) pixels counted from the picture's corner, centres at halves.
        T_world_cam: (b, v, 4, 4) as a phone believes them.
        T_true: (b, v, 4, 4) as the pictures were drawn.
        measured: (b, v, h, w) as a depth camera would see it, 0 unknown.
        worlds: the worlds themselves.
    """

    pictures: Tensor
    depth: Tensor
    K: Tensor
    T_world_cam: Tensor
    T_true: Tensor
    measured: Tensor
    worlds: Packed

    def distance(self, points_bn3: Tensor) -> Tensor:
        """Return the exact distance (b, n) of world points to the surface, negative in matter."""
        return at.distance(self.worlds, points_bn3)

    def tsdf(self, points_bn3: Tensor, truncation_m: float) -> Tensor:
        """Return the distance in units of the truncation, -1..1."""
        return (self.distance(points_bn3) / truncation_m).clamp(-1, 1)

    def occupancy(self, points_bn3: Tensor, within_m: float) -> Tensor:
        """Return 1 where a surface is nearer than `within_m`, else 0; (b, n)."""
        return (self.distance(points_bn3).abs() < within_m).float()


class TrainingWorlds:
    """Makes batches by their index; `held_out` are the worlds that judge."""

    def __init__(
        self,
        device: torch.device | str,
        seed: int,
        texture_folder: Path | None = None,
        plan: Plan | None = None,
    ) -> None:
        """Paint the pictures that surfaces wear, a few seconds; photographs need the folder.

        Raises:
            BadInput: a folder without `index.csv`, or a picture that cannot be read.
        """
        self.plan = plan or Plan()
        self.device = torch.device(device)
        self.seed = seed
        self._folder = texture_folder
        self._banks: dict[int, Bank] = {}
        self._stages: OrderedDict[tuple[int, ...], Stage] = OrderedDict()
        self._bank(LEARNED)

    def batch(self, index: int) -> WorldSample:
        """Return the samples of an index for depth, the same whenever asked."""
        return self._sample(LEARNED, self._keys(index), index, MATCHED)

    def walk(self, index: int) -> WorldSample:
        """Return samples whose views follow each other, as a person scans a piece of a room."""
        return self._sample(LEARNED, self._keys(index), index, WALKED)

    def held_out(self, number: int) -> WorldSample:
        """Return one sample (b = 1) of a world that no batch ever shows; landscape.

        Raises:
            BadInput: a number that is not 0..19.
        """
        return self._judged(number, MATCHED, self.plan.views)

    def held_out_walk(self, number: int, frames: int) -> WorldSample:
        """Return one sample of such a world: so many views, one after the other along a walk.

        Raises:
            BadInput: a number that is not 0..19, or fewer than 2 frames.
        """
        if frames < 2:
            raise BadInput(f"{frames} pictures are no walk.", "Ask for 2 or more.")
        return self._judged(number, WALKED, frames)

    def _judged(self, number: int, manner: int, views: int) -> WorldSample:
        if not 0 <= number < HELD_OUT_WORLDS:
            raise BadInput(
                f"There are {HELD_OUT_WORLDS} held-out worlds; {number} is none of them."
            )
        return self._sample(JUDGED, [(JUDGED, number)], number, manner, views)

    def _keys(self, index: int) -> list[tuple[int, ...]]:
        """Return which worlds a batch shows; not all of them change at once."""
        plan = self.plan
        turn, part = divmod(index, plan.stride)
        return [
            (
                LEARNED,
                self.seed,
                ((turn + slot) // plan.worlds_last * plan.stride + part) * plan.batch + slot,
            )
            for slot in range(plan.batch)
        ]

    def _bank(self, purpose: int) -> Bank:
        if purpose not in self._banks:
            self._banks[purpose] = build_bank(self.device, self._folder, purpose == JUDGED)
        return self._banks[purpose]

    def _sample(
        self,
        purpose: int,
        keys: Sequence[tuple[int, ...]],
        index: int,
        manner: int,
        views: int | None = None,
    ) -> WorldSample:
        plan, device = self.plan, self.device
        with torch.no_grad(), _one_thread(device):
            stage = self._staged(purpose, keys)
            seed = 0 if purpose == JUDGED else self.seed
            words = np.random.SeedSequence((purpose, seed, index, manner)).generate_state(2)
            dice = torch.Generator().manual_seed(int(words[0]))
            noise = torch.Generator(device).manual_seed(int(words[1]))
            portrait = purpose == LEARNED and float(torch.rand(1, generator=dice)) < (
                plan.portrait_share
            )
            hw = (plan.width, plan.height) if portrait else (plan.height, plan.width)
            b, v = len(keys), views or plan.views
            K = send(_lenses(b, hw, dice), device)
            if manner == WALKED:
                T, speed = walk(stage.packed, K, hw, v, walk_draws(dice, b, v, device))
            else:
                T, speed = tuples(stage.packed, K, hw, v, Draws.make(dice, b, device))
            unit = send(torch.rand(b, 1 + v, DRAWS, generator=dice), device)
            normal = send(torch.randn(b, 1 + v, DRAWS, generator=dice), device)
            wrong = send(torch.randn(b, v, 6, generator=dice), device)
            cameras = Cameras(K[:, None].expand(b, v, 3, 3), T, *hw)
            textures = self._bank(purpose).textures
            seen = look_smooth(stage, cameras, textures, plan.oversample)
            film = Film.draw(unit, normal, plan.clean_share)
            meter = median_exposure(seen.light[:, 0])
            pictures = expose(seen, cameras, speed, meter, film, noise)
            believed = _believed(T, wrong, unit[:, 0], plan)
            measured = sensor_depth(seen, noise)
        return WorldSample(pictures, seen.depth_m, cameras.K, believed, T, measured, stage.packed)

    def _staged(self, purpose: int, keys: Sequence[tuple[int, ...]]) -> Stage:
        missing = [key for key in dict.fromkeys(keys) if key not in self._stages]
        if missing:
            bank = self._bank(purpose)
            worlds = [_furnish(key, bank, self.plan.solids) for key in missing]
            parts = [np.stack(some) for some in zip(*worlds, strict=True)]
            table, lamps, bounds = (send(torch.from_numpy(p), self.device) for p in parts)
            fresh = light_up(Packed(table, lamps, bounds[:, 0], bounds[:, 1]), bank.textures)
            for row, key in enumerate(missing):
                self._stages[key] = fresh.rows(slice(row, row + 1))
        for key in keys:
            self._stages.move_to_end(key)
        while len(self._stages) > 2 * max(self.plan.batch, HELD_OUT_WORLDS):
            self._stages.popitem(last=False)
        return Stage.join([self._stages[key] for key in keys])


@contextmanager
def _one_thread(device: torch.device) -> Iterator[None]:
    """Keep a processor's threads from waiting for each other: the pieces of work are too small."""
    if device.type != "cpu":
        yield
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _furnish(
    key: tuple[int, ...], bank: Bank, solids: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return one world's numbers: laid out, dressed, scaled."""
    dice = np.random.default_rng(key)
    world = build_interior(dice)
    looks = dress(world, bank, dice)
    return pack(world, looks, solids, float(np.exp(dice.uniform(-0.35, 0.3))))


def _lenses(worlds: int, hw: tuple[int, int], dice: torch.Generator) -> Tensor:
    """Return K (w, 3, 3): focal lengths 0.6 to 1.4 of the longer side, mostly as phones have."""
    unit, normal = torch.rand(worlds, 4, generator=dice), torch.randn(worlds, 4, generator=dice)
    usual = 0.72 + 0.3 * unit[:, 0]
    any_lens = 0.6 * (1.4 / 0.6) ** unit[:, 0]
    focal = torch.where(unit[:, 1] < 0.6, usual, any_lens) * max(hw)
    K = torch.zeros(worlds, 3, 3)
    K[:, 0, 0] = focal
    K[:, 1, 1] = focal * (1 + 0.004 * normal[:, 0])
    K[:, 0, 2] = hw[1] * (0.5 + 0.012 * normal[:, 1])
    K[:, 1, 2] = hw[0] * (0.5 + 0.012 * normal[:, 2])
    K[:, 2, 2] = 1
    return K


def _believed(T: Tensor, wrong: Tensor, unit: Tensor, plan: Plan) -> Tensor:
    """Return poses with a phone's errors: up to some millimetres and half a degree."""
    dirty = (unit[:, 20] >= plan.clean_share).float() * plan.pose_noise
    turn_deg = dirty * (0.05 + 0.3 * unit[:, 21])
    move_m = dirty * (0.0005 + 0.004 * unit[:, 22])
    twist = wrong[..., :3].clamp(-2, 2) * torch.deg2rad(turn_deg)[:, None, None] / 3**0.5
    x, y, z = twist.unbind(-1)
    zero = torch.zeros_like(x)
    W = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(*x.shape, 3, 3)
    # Rodrigues' formula; sinc stays finite where nothing turns.
    angle = twist.square().sum(-1).sqrt()[..., None, None]
    sine = torch.sinc(angle / torch.pi)
    half = torch.sinc(angle / (2 * torch.pi))
    R = torch.eye(3, device=T.device) + sine * W + 0.5 * half.square() * (W @ W)
    believed = T.clone()
    believed[..., :3, :3] = R @ T[..., :3, :3]
    believed[..., :3, 3] += wrong[..., 3:].clamp(-2, 2) * move_m[:, None, None] / 3**0.5
    return believed
