"""The surface that the network gives chunk by chunk, held against the batch system's."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.bench.live_kit import Figures, Kit
from app.bundled import bundled
from app.chosen_weights import finerecon
from engine.core.arrays import F32, I16, I64
from engine.core.faults import BadInput
from engine.core.frames import Frame
from engine.core.grid import BRICK_VOXELS, FEATURE_VOXEL_M, FEATURE_VOXELS, pack
from engine.core.settings import RefineSettings, VolumeSettings
from engine.core.surface import Mesh
from engine.depth.sensor import clean
from engine.evaluation.geometry import compare
from engine.evaluation.reference import MeshReference
from engine.meshing.blocks import BlockMesher
from engine.meshing.seams import weld
from engine.nets.finerecon.model import FineRecon
from engine.nets.finerecon.unet3d import reach_voxels
from engine.recon.bounds import bounds
from engine.recon.bricks import ABSENT, CHUNK_VOXELS, ONE, SILENT
from engine.recon.chunks import KeyframeView
from engine.recon.compute import ON_CPU
from engine.recon.final_bricks import final_bricks
from engine.recon.finalise import finalise
from engine.recon.lattice import Lattice, part_of_world, shift_m
from engine.recon.live import LiveRecon
from engine.recon.offline import OfflineSettings, Reconstruction, reconstruct
from engine.recon.refiner import Refiner
from engine.recon.views import View
from engine.runtime.progress import run_job
from engine.volume.features import FeatureLattice
from engine.volume.volume import Volume

# What the network says counts whatever was measured.
MIN_WEIGHT = 1.0
THRESHOLD_M = 0.02
Blocks = tuple[tuple[int, int, int], tuple[int, int, int]]


@dataclass(frozen=True, slots=True)
class _Case:
    """What both systems are given: the box is that of all blocks, lowest and highest."""

    network: FineRecon
    frames: Sequence[Frame]
    resolution_m: float
    size_px: tuple[int, int]


def agreement(kit: Kit) -> Figures:
    """Return how far live refinement is from `finerecon-offline` over the same keyframes.

    `tsdf_max_abs`: full halo, all views, and the dense update of the published system; largest
    difference of a sample both know. `f1_2cm`: as a live scan does it by default, surface against
    surface. `final`: what the last pass writes into the volume, all of it.

    Raises:
        BadInput: the network has a reach that no halo covers.
    """
    frames = [
        clean(frame, kit.settings.depth)
        for frame in kit.frames("tour10", size=None, stop=kit.plan.compared)
    ]
    name = bundled("finerecon")
    assert frames[0].color is not None
    height, width, _ = frames[0].color.shape
    case = _Case(finerecon(name), frames, kit.settings.volume.voxel_m, (width, height))
    default = kit.settings.refine
    views = [message.view() for message in _views(case, default)]
    box = _box(views, case, kit.method.max_depth_m)
    started = time.process_time()
    made = _batch(case, views, box)
    offline_s = time.process_time() - started
    mesh = run_job(made.surface.mesh(), lambda _: None, lambda: False)
    reach = -(-reach_voxels(case.network.config) // 4) * 4
    exact = default.model_copy(update={"halo_vox": reach, "best_views": len(frames)})
    started = time.process_time()
    volume, exact_keys = _live(case, exact, box, kit.plan.exact)
    exact_s = time.process_time() - started
    row: Figures = _difference(made, volume, box, exact_keys)
    started = time.process_time()
    final = _finished(case, default, box)
    final_s = time.process_time() - started
    row["final"] = _difference(made, final, box, None)
    started = time.process_time()
    shown, chunks = _live(case, default, None)
    live_s = time.process_time() - started
    reference = MeshReference(mesh)
    row |= {
        "f1_2cm": _f1(shown, reference),
        "keyframes": len(frames),
        "chunks": len(chunks),
        "chunks_exact": len(exact_keys),
        "halo_vox": default.halo_vox,
        "best_views": default.best_views,
        "offline_cpu_s": offline_s,
        "live_cpu_s": live_s,
        "live_exact_cpu_s": exact_s,
        "final_cpu_s": final_s,
    }
    return row


def _views(case: _Case, settings: RefineSettings) -> list[KeyframeView]:
    """Return the keyframes as both systems see them."""
    live = LiveRecon(case.network, ON_CPU, settings, case.resolution_m, *case.size_px)
    found = [message for frame in case.frames for message in live.add_keyframe(frame)]
    live.close()
    return [message for message in found if isinstance(message, KeyframeView)]


def _box(views: Sequence[View], case: _Case, max_depth_m: float) -> Blocks:
    """Return the blocks round what the batch system would fill."""
    depths = (view.depth for view in views if view.depth is not None)
    around = bounds(depths, FEATURE_VOXEL_M, max_depth_m)
    shift = shift_m(FEATURE_VOXEL_M, case.resolution_m)
    low = np.floor((np.array(around.origin_m) - shift) / FEATURE_VOXEL_M / FEATURE_VOXELS)
    high = low + np.ceil(np.array(around.dims) / FEATURE_VOXELS)
    first, last = low.astype(int).tolist(), high.astype(int).tolist()
    return (first[0], first[1], first[2]), (last[0], last[1], last[2])


def _lattice(case: _Case, box: Blocks) -> tuple[Lattice, int]:
    """Return the voxels of a box of blocks, and how many samples each has an axis."""
    low, high = np.array(box[0]), np.array(box[1])
    x, y, z = ((high - low + 1) * FEATURE_VOXELS).tolist()
    first = (low * FEATURE_VOXELS).tolist()
    lattice = part_of_world(first, (x, y, z), FEATURE_VOXEL_M, case.resolution_m)
    return lattice, round(FEATURE_VOXEL_M / case.resolution_m)


def _batch(case: _Case, views: Sequence[View], box: Blocks) -> Reconstruction:
    lattice, rate = _lattice(case, box)
    job = reconstruct(case.network, views, lattice, OfflineSettings(rate))
    return run_job(job, lambda _: None, lambda: False)


def _finished(case: _Case, settings: RefineSettings, box: Blocks) -> Volume:
    """Return a volume that holds what the last pass of a live scan makes of its keyframes."""
    live = LiveRecon(case.network, ON_CPU, settings, case.resolution_m, *case.size_px)
    for frame in case.frames:
        live.add_keyframe(frame)
    lattice, rate = _lattice(case, box)
    job = finalise(case.network, live.shots(), lattice, rate)
    made = run_job(job, lambda _: None, lambda: False)
    live.close()
    volume = Volume(VolumeSettings(voxel_m=case.resolution_m))
    for keys, values in final_bricks(made.surface):
        volume.refine(keys, values)
    return volume


def _live(
    case: _Case, settings: RefineSettings, box: Blocks | None, limit: int | None = None
) -> tuple[Volume, I64]:
    """Return a volume that holds nothing but refined chunks, and their keys.

    With a box, features are kept in all of it and nowhere else.
    """
    live = LiveRecon(case.network, ON_CPU, settings, case.resolution_m, *case.size_px)
    if box is not None:
        config = case.network.config
        live.lattice = FeatureLattice(
            config.image_feature_dim,
            config.guidance_margin_m,
            shift_m(FEATURE_VOXEL_M, case.resolution_m),
            settings,
            box=box,
        )
    refiner = Refiner(case.network, ON_CPU, settings, case.resolution_m)
    volume = Volume(VolumeSettings(voxel_m=case.resolution_m))
    for frame in case.frames:
        for message in live.add_keyframe(frame):
            refiner.tell(message)
    keys: list[int] = []
    while len(keys) != limit and (request := live.next_request()) is not None:
        refined = refiner.refine(request)
        refined.write(volume)
        live.applied(refined)
        keys.append(refined.key)
    live.close()
    refiner.close()
    return volume, np.array(keys, np.int64)


def _difference(made: Reconstruction, volume: Volume, box: Blocks, chunks: I64 | None) -> Figures:
    """Return the largest difference in some chunks or all, and how many samples only one knows."""
    rate = made.surface.rate
    voxels = made.surface.voxels.numpy() + np.array(box[0]) * FEATURE_VOXELS
    inside = np.ones(len(voxels), bool)
    if chunks is not None:
        inside = np.isin(pack(voxels // CHUNK_VOXELS), chunks)
    voxels = voxels[inside]
    steps = np.stack(np.unravel_index(np.arange(rate**3), (rate,) * 3), axis=1)
    samples = (voxels[:, None, :] * rate + steps).reshape(-1, 3)
    theirs: F32 = (2 * made.surface.values.numpy()[inside] - 1).reshape(-1)
    ours = _refined_at(volume, samples)
    known = (ours != SILENT) & (ours != ABSENT)
    if not known.any():
        raise BadInput("The batch system and the live one share no sample.")
    off = np.abs(ours[known].astype(np.float64) / ONE - theirs[known])
    held = volume.layers.refined[volume.slots(volume.pool.keys())]
    count = int(((held != SILENT) & (held != ABSENT)).sum())
    return {
        "tsdf_max_abs": float(off.max()),
        "tsdf_p99_abs": float(np.percentile(off, 99)),
        "samples": int(known.sum()),
        "samples_only_offline": int((~known).sum()),
        "samples_only_live": count - int(known.sum()),
    }


def _refined_at(volume: Volume, samples: I64) -> I16:
    """Return what the network said of samples (n, 3) of the surface lattice."""
    keys, brick = np.unique(pack(samples // BRICK_VOXELS), return_inverse=True)
    slots = volume.slots(keys)[brick]
    i, j, k = (samples % BRICK_VOXELS).T
    values: I16 = np.where(slots >= 0, volume.layers.refined[slots, i, j, k], np.int16(SILENT))
    return values


def _f1(volume: Volume, reference: MeshReference) -> float:
    mesher = BlockMesher(volume, MIN_WEIGHT)
    mesher.update(volume.pool.keys())
    mesh: Mesh = weld(mesher.patches.values())
    return compare(mesh, reference, (THRESHOLD_M,)).f1[0]
