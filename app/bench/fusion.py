"""The benchmark command: our volume beside Open3D's, kernels beside plain twins, in one run."""

import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
import open3d as o3d

from app.bench.nets import nets
from app.diagnostics import machine, peak_rss_mb, version
from app.options import checked
from engine.core.faults import BadInput
from engine.core.frames import Frame
from engine.core.grid import BRICK_VOXELS, Grid, unpack
from engine.core.news import Progress
from engine.core.poses import Pose
from engine.core.settings import DepthSettings, VolumeSettings
from engine.core.surface import Mesh
from engine.depth.sensor import clean
from engine.evaluation.geometry import compare
from engine.evaluation.reference import MeshReference
from engine.kernels import integrate as plain
from engine.kernels import integrate_numba as fast
from engine.kernels.integrate import Layers, View
from engine.meshing.blocks import BlockMesher
from engine.meshing.seams import weld
from engine.sources.detect import open_source
from engine.volume.volume import Volume

DEFAULT_SOURCE = "synthetic:room?seed=7&frames=60&size=640x480"
MIN_WEIGHT = 3.0
EVERY = 10
# A scan this many times longer: the recording again and again, each time beside the last.
LONGER, APART_M = 10, 20.0
WARM_UP = 5

Report = Callable[[Progress], object]


def run_suite(
    suite: str,
    source: str | None,
    voxel_m: float,
    truncation_vox: float,
    frames: int,
    on_progress: Report,
) -> dict[str, Any]:
    """Return one row of figures with the machine they were measured on.

    Raises:
        BadInput: no such suite, a voxel or truncation out of range, or a source without depth.
    """
    suites = {"fusion": fusion, "kernels": kernels}
    if suite == "nets":
        # Networks read no recording.
        return nets(on_progress)
    if suite not in suites:
        known = ", ".join([*suites, "nets", "live", "window"])
        raise BadInput(f"There is no suite {suite!r}.", f"Choose one of {known}.")
    spec = source or DEFAULT_SOURCE
    # Before any frame is drawn: a wrong voxel should not cost a minute.
    Grid(voxel_m)
    settings = checked(
        VolumeSettings,
        {
            "voxel_m": voxel_m,
            "truncation_vox": truncation_vox,
            "weighting": "constant",
            "memory_mb": 4096,
        },
    )
    row: dict[str, Any] = {"suite": suite, "source": spec, "voxel_m": voxel_m}
    row |= {"truncation_vox": truncation_vox, "version": version(), "machine": machine()}
    return row | suites[suite](spec, settings, frames, on_progress)


def fusion(spec: str, settings: VolumeSettings, limit: int, on_progress: Report) -> dict[str, Any]:
    """Return how long fusing and keeping the mesh up to date takes, beside Open3D.

    Both fuse the same depth pictures at the same poses, in turn frame by frame, so that a change
    in the machine's speed hits both. Ours is up to date when every changed brick is meshed again;
    Open3D's when its whole mesh is extracted, the only way it offers.
    """
    frames = _load(spec, limit, on_progress)
    row: dict[str, Any] = {"frames": len(frames)}
    each, meshes = _race(frames, settings, 1, on_progress)
    tenth, _ = _race(frames, settings, EVERY, on_progress)
    row["ours_ms"], row["open3d_ms"] = (float(t.mean()) for t in each)
    row["speedup_vs_open3d"] = row["open3d_ms"] / row["ours_ms"]
    row["ours_every10_ms"], row["open3d_every10_ms"] = (float(t.mean()) for t in tenth)
    row["speedup_vs_open3d_every10"] = row["open3d_every10_ms"] / row["ours_every10_ms"]
    row["longest_stall_ms"], row["open3d_longest_stall_ms"] = (float(t.max()) for t in each)
    row["stall_ratio"] = row["open3d_longest_stall_ms"] / row["longest_stall_ms"]
    row["frames_per_second"] = 1e3 / row["ours_ms"]
    started = time.perf_counter()
    ours = weld(meshes[0])
    row["weld_whole_mesh_ms"] = (time.perf_counter() - started) * 1e3
    row["faces"], row["open3d_faces"] = len(ours.faces), len(meshes[1].faces)
    score = compare(ours, MeshReference(meshes[1]), thresholds_m=(0.01,))
    row["f1_1cm_vs_open3d"] = score.f1[0]
    # In a process of its own: memory is that of our volume alone.
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        row |= pool.submit(growth, spec, settings, limit).result()
    return row


def growth(spec: str, settings: VolumeSettings, limit: int) -> dict[str, Any]:
    """Return how frame time and memory grow in a scan ten times longer.

    The ratio compares median frame times of the last tenth with those of the first: both fuse
    the same pictures, the last one into a volume that already holds nine times as much.
    """
    frames = _load(spec, limit, lambda _: None)
    volume = Volume(settings)
    mesher = BlockMesher(volume, MIN_WEIGHT)
    tenths = []
    _ours(frames[0], volume, mesher, is_meshing=True)
    for repeat in range(LONGER):
        aside = Pose.from_parts(np.eye(3), [repeat * APART_M, 0.0, 0.0])
        tenths.append([
            _ours(replace(f, T_world_cam=aside @ _pose(f)), volume, mesher, is_meshing=True)
            for f in frames
        ])  # fmt: skip
    volume.close()
    return {
        "growth_ratio": float(np.median(tenths[-1]) / np.median(tenths[0])),
        "growth_frames": LONGER * len(frames),
        "growth_volume_mb": volume.used_mb,
        "volume_ceiling_mb": settings.memory_mb,
        "peak_rss_mb": peak_rss_mb(),
    }


def kernels(spec: str, settings: VolumeSettings, limit: int, on_progress: Report) -> dict[str, Any]:
    """Return the compiled kernel's time for one view beside the plain torch definition's."""
    frame = _load(spec, min(limit, WARM_UP), on_progress)[0]
    volume = Volume(settings)
    volume.add(frame)
    keys = volume.pool.keys()
    slots, cells, view = volume.slots(keys), unpack(keys), View.of(frame)
    shape = (len(keys), *(BRICK_VOXELS,) * 3)
    own = np.arange(len(keys), dtype=np.int32)
    ours = [_once(lambda: fast.integrate(volume.layers, slots, cells, view, volume.rule))
            for _ in range(20)]  # fmt: skip
    twin_layers = Layers(
        np.zeros(shape, np.int32),
        np.zeros(shape, np.int32),
        np.zeros((*shape, 4), np.int32),
        np.zeros(shape, np.int16),
        np.zeros(len(keys), bool),
    )
    twin = [_once(lambda: plain.integrate(twin_layers, own, cells, view, volume.rule))
            for _ in range(3)]  # fmt: skip
    return {
        "voxels": int(np.prod(shape)),
        "integrate_ms": float(np.median(ours)),
        "integrate_plain_ms": float(np.median(twin)),
        "integrate_speedup_vs_plain": float(np.median(twin) / np.median(ours)),
    }


def _load(spec: str, limit: int, on_progress: Report) -> list[Frame]:
    frames = []
    with open_source(spec) as source:
        for frame in islice(source.frames(), limit):
            if frame.depth_m is not None and frame.T_world_cam is not None:
                frames.append(clean(frame, DepthSettings()))
            on_progress(Progress("load", len(frames), limit))
    if len(frames) < WARM_UP:
        raise BadInput(f"A benchmark needs {WARM_UP} frames with depth and pose.")
    return frames


def _race(
    frames: list[Frame], settings: VolumeSettings, every: int, on_progress: Report
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[list[Any], Mesh]]:
    """Return milliseconds a frame of both, without warm-up, and both meshes at the end."""
    volume = Volume(settings)
    mesher = BlockMesher(volume, MIN_WEIGHT)
    peer = Open3DPeer(settings)
    # Compiling and first touches belong to nobody's frame.
    for frame in frames[:WARM_UP]:
        _ours(frame, volume, mesher, is_meshing=True)
        peer.add(frame, is_meshing=True)
    ours, theirs = [], []
    for number, frame in enumerate(frames[WARM_UP:], start=1):
        is_meshing = number % every == 0
        ours.append(_ours(frame, volume, mesher, is_meshing))
        theirs.append(peer.add(frame, is_meshing))
        on_progress(Progress(f"every {every}", number, len(frames) - WARM_UP))
    mesher.update(volume.ledger.take("mesh"))
    volume.close()
    return (np.array(ours), np.array(theirs)), (list(mesher.patches.values()), peer.mesh())


def _ours(frame: Frame, volume: Volume, mesher: BlockMesher, is_meshing: bool) -> float:
    def step() -> None:
        volume.add(frame)
        if is_meshing:
            mesher.update(volume.ledger.take("mesh"))

    return _once(step)


def _once(step: Callable[[], object]) -> float:
    started = time.perf_counter()
    step()
    return (time.perf_counter() - started) * 1e3


def _pose(frame: Frame) -> Pose:
    assert frame.T_world_cam is not None
    return frame.T_world_cam


class Open3DPeer:
    """The peer: a voxel block grid of the same voxels and truncation."""

    def __init__(self, settings: VolumeSettings) -> None:
        self._settings = settings
        self._grid = o3d.t.geometry.VoxelBlockGrid(
            ("tsdf", "weight", "color"),
            (o3d.core.float32, o3d.core.float32, o3d.core.float32),
            ((1,), (1,), (3,)),
            settings.voxel_m,
            BRICK_VOXELS,
            12_000,
            o3d.core.Device("CPU:0"),
        )

    def add(self, frame: Frame, is_meshing: bool) -> float:
        """Fuse a frame and return the milliseconds it took; preparing tensors is not counted."""
        assert frame.depth_m is not None
        assert frame.depth_intrinsics is not None
        assert frame.T_world_depth is not None
        depth = o3d.t.geometry.Image(o3d.core.Tensor(np.ascontiguousarray(frame.depth_m)))
        depth_K = o3d.core.Tensor(frame.depth_intrinsics.opencv_matrix())
        T_depth_world = o3d.core.Tensor(np.array(frame.T_world_depth.inverse.matrix))
        color_K = o3d.core.Tensor(frame.intrinsics.opencv_matrix())
        color = None
        if frame.color is not None:
            picture = frame.color.astype(np.float32) / 255
            color = o3d.t.geometry.Image(o3d.core.Tensor(picture))
        vox, farthest = self._settings.truncation_vox, 10.0

        def step() -> None:
            blocks = self._grid.compute_unique_block_coordinates(
                depth, depth_K, T_depth_world, 1.0, farthest, vox
            )
            if color is None:
                self._grid.integrate(blocks, depth, depth_K, T_depth_world, 1.0, farthest, vox)
            else:
                self._grid.integrate(
                    blocks, depth, color, depth_K, color_K, T_depth_world, 1.0, farthest, vox
                )
            if is_meshing:
                self._grid.extract_triangle_mesh(MIN_WEIGHT)

        return _once(step)

    def mesh(self) -> Mesh:
        """Return the whole mesh."""
        found = self._grid.extract_triangle_mesh(MIN_WEIGHT)
        return Mesh(
            found.vertex.positions.numpy().astype(np.float32),
            found.triangle.indices.numpy().astype(np.int32),
        )
