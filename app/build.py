"""Settings become steps: the one place that decides which parts make a scan."""

from app.pipeline import ScanPipeline
from engine.core.faults import BadInput
from engine.core.settings import Settings
from engine.sources.base import SourceInfo


def make_fuser(
    settings: Settings, info: SourceInfo, with_texture: bool = True, hold_out: int = 0
) -> ScanPipeline:
    """Return the pipeline for a source; every `hold_out`-th frame, if not 0, only judges.

    Raises:
        BadInput: the source lacks depth or poses, so nothing can be fused from it, or the memory
            asked for is more than the machine can give.
    """
    if not info.has_depth:
        raise BadInput(
            f"{info.name} has no metric depth, so its surface cannot be fused.",
            "Use a recording with depth, such as RGB-D or LiDAR.",
        )
    if not info.has_poses:
        raise BadInput(
            f"{info.name} has no camera poses, so its frames cannot be put together.",
            "Use a recording that was tracked.",
        )
    try:
        return ScanPipeline(settings, with_texture and info.has_color, hold_out)
    except (MemoryError, ValueError) as error:
        raise BadInput(
            f"This machine cannot give the volume {settings.volume.memory_mb} MB of memory.",
            "Choose a lower ceiling with --memory-mb; what is beyond it moves to disk.",
        ) from error
