"""How near the live surface comes to the offline one, against what the live one is allowed."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from engine.core.frames import Frame
from engine.core.grid import FEATURE_VOXEL_M, FEATURE_VOXELS
from engine.core.news import Job, Result
from engine.core.settings import RefineSettings
from engine.core.surface import Mesh
from engine.evaluation.reference import sample_surface
from engine.kernels.raster import MeshScene
from engine.nets.finerecon.model import FineRecon
from engine.recon.bricks import ONE, voxels_of
from engine.recon.compute import Compute
from engine.recon.finalise import finalise, scene
from engine.recon.lattice import part_of_world
from engine.recon.live import LiveRecon
from engine.recon.refiner import Refiner
from engine.recon.surface import FineSurface
from engine.recon.views import NETWORK_HEIGHT, NETWORK_WIDTH
from engine.runtime.progress import run_job

WITHIN_M = 0.02
SAMPLES = 100_000


@dataclass(frozen=True, slots=True)
class Agreement:
    """One row of the table.

    Attributes:
        f1_2cm: of the live mesh against the offline one.
        tsdf_mean: mean difference of signed distances where both have a surface.
        settings: what the live engine was allowed.
        same_voxels: share of the voxels occupied in either that are occupied in both.
        chunks: how many were refined.
        seconds: processor time a chunk.
        lattice_mb: what the feature lattice takes.
    """

    settings: RefineSettings
    f1_2cm: float
    tsdf_mean: float
    same_voxels: float
    chunks: int
    seconds: float
    lattice_mb: float


def agreements(
    network: FineRecon,
    frames: Sequence[Frame],
    choices: Iterable[RefineSettings],
    compute: Compute,
    resolution_m: float = 0.02,
    size_px: tuple[int, int] = (NETWORK_WIDTH, NETWORK_HEIGHT),
) -> Iterator[Agreement]:
    """Yield a row for each choice: all frames are keyframes, then every changed chunk is refined.

    The offline surface takes the same keyframes, all at once.
    """
    offline: FineSurface | None = None
    for settings in choices:
        live = LiveRecon(network, compute, settings, resolution_m, *size_px)
        refiner = Refiner(network, compute, settings, resolution_m)
        for frame in frames:
            for message in live.add_keyframe(frame):
                refiner.tell(message)
        if offline is None:
            shots = live.shots()
            lattice = scene(shots, FEATURE_VOXEL_M, resolution_m)
            rate = round(FEATURE_VOXEL_M / resolution_m)
            offline = _run(finalise(network, shots, lattice, rate, compute)).surface
            offline_mesh = _run(offline.mesh())
        yield _row(live, refiner, offline, offline_mesh, resolution_m)
        live.close()
        refiner.close()


def table(rows: Iterable[Agreement], out: Callable[[str], object] = print) -> None:
    """Write rows as they come."""
    out("| allocation | halo | views | F1 2 cm | TSDF | voxels | chunks | s a chunk | lattice MB |")
    out("|---|---|---|---|---|---|---|---|---|")
    for row in rows:
        s = row.settings
        out(
            f"| {s.allocation} | {s.halo_vox} | {s.best_views} | {row.f1_2cm:.4f} "
            f"| {row.tsdf_mean:.4f} | {row.same_voxels:.4f} | {row.chunks} | {row.seconds:.2f} "
            f"| {row.lattice_mb:.0f} |"
        )


def agreement(first: Mesh, second: Mesh, within_m: float = WITHIN_M, seed: int = 0) -> float:
    """Return the harmonic mean of the shares of either mesh that lie near the other."""
    shares = []
    for mesh, other in ((first, second), (second, first)):
        points, _ = sample_surface(mesh, SAMPLES, seed)
        shares.append(float((MeshScene(other).closest(points)[0] <= within_m).mean()))
    return 2 * shares[0] * shares[1] / max(sum(shares), 1e-9)


def _row(
    live: LiveRecon,
    refiner: Refiner,
    offline: FineSurface,
    offline_mesh: Mesh,
    resolution_m: float,
) -> Agreement:
    rate = round(FEATURE_VOXEL_M / resolution_m)
    box = live.lattice.box()
    assert box is not None  # frames were added
    low = box[0].astype(np.int64) * FEATURE_VOXELS
    x, y, z = ((box[1] - box[0] + 1) * FEATURE_VOXELS).tolist()
    found, seconds, chunks = [], 0.0, 0
    while (request := live.next_request()) is not None:
        started = time.process_time()
        chunk = refiner.refine(request)
        seconds += time.process_time() - started
        chunks += 1
        live.applied(chunk)
        found.append(voxels_of(chunk.brick_keys, chunk.values, rate))
    voxels = np.concatenate([v for v, _ in found])
    tsdf = np.concatenate([s for _, s in found]).astype(np.float32) / ONE
    surface = FineSurface(
        part_of_world(low.tolist(), (x, y, z), FEATURE_VOXEL_M, resolution_m),
        rate,
        torch.from_numpy(voxels - low),
        torch.from_numpy(0.5 * tsdf + 0.5),
    )
    difference, same = _difference(voxels, surface.values, offline)
    return Agreement(
        live.settings,
        agreement(_run(surface.mesh()), offline_mesh),
        difference,
        same,
        chunks,
        seconds / max(chunks, 1),
        live.lattice.used_mb,
    )


def _difference(
    voxels: np.ndarray, values: torch.Tensor, offline: FineSurface
) -> tuple[float, float]:
    lattice = offline.lattice
    first = np.floor(np.array(lattice.origin_m) / lattice.voxel_m + 1e-6).astype(np.int64)
    theirs = offline.voxels.numpy() + first
    rows = {tuple(voxel): row for row, voxel in enumerate(theirs.tolist())}
    pairs = [
        (row, rows[tuple(voxel)])
        for row, voxel in enumerate(voxels.tolist())
        if tuple(voxel) in rows
    ]
    ours, other = np.array(pairs).T
    # Values run from 0 to 1, signed distances from -1 to 1.
    difference = 2 * (values[ours] - offline.values[other]).abs().mean()
    return float(difference), len(pairs) / (len(voxels) + len(theirs) - len(pairs))


def _run(job: Job[Result]) -> Result:
    return run_job(job, lambda _: None, lambda: False)
