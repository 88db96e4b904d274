"""Arguments that several commands share."""

from typing import Annotated

import typer

from engine.core.grid import SURFACE_VOXELS_M

VOXELS = ", ".join(f"{voxel_m:g}" for voxel_m in SURFACE_VOXELS_M)
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Source = Annotated[
    str, typer.Argument(help="A recording, or 'synthetic:room?seed=7&frames=200&size=640x480'.")
]
