"""The same pictures fused by Open3D's voxel block grid, in the same run as ours."""

from app.bench.fusion import Open3DPeer
from app.bench.live_kit import Figures, Kit, Report
from app.bench.live_watch import percentiles
from engine.core.news import Progress
from engine.depth.sensor import clean

# It can only extract its whole mesh: seldom enough for the run to end soon.
MESH_EVERY = 10
FRAMES = 100


def open3d_fusion(kit: Kit, name: str, on_progress: Report) -> Figures:
    """Return milliseconds a frame of fusing alone, and of fusing and extracting the mesh."""
    peer = Open3DPeer(kit.settings.volume)
    source = kit.source(name, stop=FRAMES)
    fused: list[float] = []
    meshed: list[float] = []
    for number, frame in enumerate(source.frames()):
        is_meshing = number % MESH_EVERY == MESH_EVERY - 1
        took_ms = peer.add(clean(frame, kit.settings.depth), is_meshing)
        (meshed if is_meshing else fused).append(took_ms)
        on_progress(Progress("Open3D", number, len(source)))
    return {**percentiles("fuse_ms", fused), **percentiles("fuse_and_mesh_ms", meshed)}
