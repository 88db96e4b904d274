"""Fusers of a small world and what they hold, for tests that move frames and refine surface."""

from dataclasses import replace
from functools import cache

import numpy as np

from app.final import LastPass
from app.live import LivePipeline
from app.pipeline import ScanPipeline
from app.refining import Refining
from engine.core.settings import (
    KeyframeSettings,
    MeshSettings,
    RefineSettings,
    Settings,
    TextureSettings,
    VolumeSettings,
)
from engine.depth.base import DepthMap
from engine.recon.compute import ON_CPU
from engine.recon.live import LiveRecon
from engine.recon.refiner import Refiner
from engine.sources.base import SourceInfo
from engine.volume.history import History
from tests.recon.small import HEIGHT, WIDTH, measured_network
from tests.scenes import orbit

# Frames this far apart in time.
STEP_S = 0.033
SETTINGS = Settings(
    keyframes=KeyframeSettings(min_move_m=0.01, min_turn_deg=0.5),
    volume=VolumeSettings(voxel_m=0.04, memory_mb=96),
    mesh=MeshSettings(min_island_faces=20),
    refine=RefineSettings(
        halo_vox=4,
        best_views=2,
        allocation="surface",
        reach_m=2.0,
        features_mb=96,
        keyframes_mb=16,
    ),
    texture=TextureSettings(size_px=256, max_views=10),
)


@cache
def walk(count=9):
    """Frames round a ball before a wall, each a keyframe."""
    return orbit(count)


class Walk:
    """These frames as a recording, delivered as often as wanted."""

    def __init__(self, frames=None, is_live=False, before=lambda frame: None):
        self.skipped = {}
        self._frames = walk() if frames is None else frames
        self._is_live = is_live
        self._before = before

    def describe(self):
        has_depth = self._frames[0].depth_m is not None
        count = None if self._is_live else len(self._frames)
        return SourceInfo("ball", "test", count, True, has_depth, True, is_live=self._is_live)

    def frames(self):
        for frame in self._frames:
            self._before(frame)
            yield frame

    def close(self):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        pass


class KnowsTheBall:
    """Gives the exact depth of a frame, and remembers whom it was to compare with."""

    source_count = 2

    def __init__(self, frames=None):
        self.asked = []
        self._frames = {frame.index: frame for frame in frames or walk()}

    def estimate(self, reference, sources):
        self.asked.append((reference.index, [(one.index, one.T_world_cam) for one in sources]))
        frame = self._frames[reference.index]
        return DepthMap(frame.depth_m, np.ones_like(frame.depth_m), frame.depth_intrinsics)


def pipeline(settings=SETTINGS, **options):
    """Return a pipeline that fuses and remembers."""
    history = History(settings.history.memory_mb, settings.history.disk_mb)
    return ScanPipeline(settings, **{"with_texture": False, "history": history} | options)


def live_pipeline(settings=SETTINGS, network=None, memory_mb=4096, **options):
    """Return one that refines too, with a small network that believes what was measured."""
    network = network or measured_network()
    resolution_m = settings.volume.voxel_m
    recon = LiveRecon(network, ON_CPU, settings.refine, resolution_m, WIDTH, HEIGHT)
    refiner = Refiner(network, ON_CPU, settings.refine, resolution_m)
    history = History(settings.history.memory_mb, settings.history.disk_mb)
    return LivePipeline(
        settings,
        recon,
        Refining(refiner),
        LastPass(network, ON_CPU, memory_mb),
        **{"with_texture": False, "history": history} | options,
    )


def colour_only(frames):
    """The same frames from a camera without depth."""
    return [replace(f, depth_m=None, depth_intrinsics=None) for f in frames]


def held(pool, names=None):
    """Return what a pool holds by key and layer, without cells that hold nothing at all."""
    keys = pool.keys()
    pool.begin(pool.center_m)
    slots = pool.slots(keys)
    layers = {name: layer for name, layer in pool.layers.items() if names is None or name in names}
    cells = {
        key: {name: layer[slot].copy() for name, layer in layers.items()}
        for key, slot in zip(keys.tolist(), slots.tolist(), strict=True)
    }
    return {key: cell for key, cell in cells.items() if any(part.any() for part in cell.values())}


def same_cells(one, other):
    """Return whether two pools hold the same, to the bit."""
    return one.keys() == other.keys() and all(
        np.array_equal(layer, other[key][name])
        for key, cell in one.items()
        for name, layer in cell.items()
    )


def same_state(one, other):
    """Return whether two pipelines hold the same volume and, if they have one, lattice."""
    pairs = [(one.volume.pool, other.volume.pool)]
    if isinstance(one, LivePipeline):
        pairs.append((one.recon.lattice._pool, other.recon.lattice._pool))
    return all(same_cells(held(a), held(b)) for a, b in pairs)


class Shown:
    """What a window shows: the newest patch of every cell."""

    def __init__(self):
        self.patches = {}

    def take(self, patches):
        for patch in patches:
            if len(patch.faces):
                self.patches[patch.key] = patch
            else:
                self.patches.pop(patch.key, None)

    @property
    def grades(self):
        return {patch.grade for patch in self.patches.values()}
