"""What the engine's names are called on the screen, gathered so that they can be translated."""

from engine.core.news import ScanState, ScanStats, Tracking, TrackView

STATES = {
    ScanState.READY: ("Ready", "Press the round button or Space to begin."),
    ScanState.SCANNING: ("Scanning", "Space pauses. Finish makes the mesh."),
    ScanState.PAUSED: ("Paused", "Space goes on. Finish makes the mesh."),
    ScanState.FINISHING: ("Finishing", "Making the final mesh."),
    ScanState.DONE: ("Done", "The mesh is ready to be exported."),
    ScanState.FAILED: ("Stopped", "The scan could not be finished."),
    ScanState.ABORTED: ("Stopped", "The scan was closed."),
}

# Stages of long jobs, as `Progress` names them.
STAGES = {
    "depth": "Estimating depth",
    "moves": "Moving frames",
    "refine": "Refining what is left",
    "views": "Reading the pictures",
    "tiles": "Going through the room",
    "volume": "Filling in the room",
    "points": "Placing the surface",
    "mesh": "Making triangles",
    "final": "Putting the final surface in place",
    "weld": "Joining the pieces",
    "clean": "Tidying the mesh",
    "simplify": "Reducing triangles",
    "colour": "Colouring",
    "unwrap": "Unwrapping the mesh",
    "paint": "Painting the texture",
    "fill": "Filling gaps in the texture",
    "write": "Writing",
    "check": "Reading back and checking",
    "replace": "Putting the file in place",
}

# Steps of a scan, as `StageNews` names them.
STEPS = {
    "capture": "Read a frame",
    "record": "Record a frame",
    "frame": "Frame, in all",
    "idle": "Between frames",
    "clean": "Clean depth",
    "depth": "Estimate depth",
    "fuse": "Fuse",
    "mesh": "Make triangles",
    "move": "Move frames",
    "features": "Read a keyframe",
    "gather": "Gather a place",
    "refine": "Refine a place",
    "refine ChunkRequest": "Refiner at work",
    "refine KeyframeView": "Note a keyframe",
    "refine KeyframeMoved": "Move a keyframe",
    "refine KeyframeGone": "Drop a keyframe",
    "supersede": "Put in place",
    "tidy": "Tidy the mesh",
    "simplify": "Reduce triangles",
    "texture": "Texture",
    "weld": "Join the pieces",
    "bounds": "Measure the room",
    "coarse": "Look at a picture",
    "volume": "Fill in the room",
    "fine": "Look closely",
    "points": "Place the surface",
}

CHANNELS = {
    "frames": "Frames",
    "patches": "Patches to show",
    "refine": "To be refined",
    "results": "Refined",
    "record": "To be recorded",
    "commands": "Commands",
}


def named(name: str, words: dict[str, str]) -> str:
    """Return what a name is called; one that is not among the words, with a capital."""
    return words.get(name) or name[:1].upper() + name[1:]


def still_to_do(state: ScanState, stats: ScanStats) -> str:
    """Return what goes on beside the scan in a few words; empty when nothing does."""
    if state not in (ScanState.SCANNING, ScanState.PAUSED):
        return ""
    if stats.moves_waiting:
        return f"Moving {_counted(stats.moves_waiting, 'frame')}"
    if stats.chunks_waiting:
        return f"Refining: {_counted(stats.chunks_waiting, 'place')} left"
    return ""


def ready_steps(track: TrackView | None) -> str:
    """Return what is there already before a scan begins, a line each."""
    if track is None:
        return "✓ Camera found\n… Waiting for its first picture"
    steps = ["✓ Camera found", "✓ Picture" if track.preview is not None else "✗ No picture"]
    health = track.health
    if health is not None:
        if health.depth_share is None:
            steps.append("– No depth camera: depth is estimated")
        else:
            steps.append("✓ Depth" if health.depth_share else "✗ No depth")
        is_lost = health.state is Tracking.LOST
        steps.append("✗ Place unknown" if is_lost else "✓ Place known")
    return "\n".join(steps)


def coverage_words(state: ScanState, share: float | None) -> str:
    """Return how much of what is on the screen is measured well; empty while nothing is."""
    if share is None or state not in (ScanState.SCANNING, ScanState.PAUSED):
        return ""
    return f"{100 * share:.0f} % of what you see is measured well."


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"
