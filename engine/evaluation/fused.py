"""A recording's depth fused into a reference mesh, by another program's volume than ours.

Single measurements scatter over centimetres, so no mesh could lie on all of them; averaging them
along their rays is what fusing does. Open3D's volume does it here, so that mistakes of our own
volume do not cancel against the reference.
"""

from collections.abc import Sequence

import numpy as np

from engine.core.faults import BadInput
from engine.core.late import open3d
from engine.core.surface import Mesh
from engine.evaluation.views import View

VOXEL_M = 0.01
# Wide enough to hold the noise of a depth camera at four metres.
_TRUNCATION_VOX = 8.0
# A surface must be seen more often than this; one or two pictures alone have no choice.
_MIN_SEEN = 2.5
_BLOCK_VOXELS = 16
_FIRST_BLOCKS = 20_000


def fuse(views: Sequence[View], voxel_m: float = VOXEL_M) -> Mesh:
    """Return the surface that the depth pictures agree on.

    Raises:
        BadInput: they agree on none.
    """
    o3d = open3d()
    grid = o3d.t.geometry.VoxelBlockGrid(
        ("tsdf", "weight"),
        (o3d.core.float32, o3d.core.float32),
        ((1), (1)),
        voxel_m,
        _BLOCK_VOXELS,
        _FIRST_BLOCKS,
    )
    for view in views:
        depth = o3d.t.geometry.Image(o3d.core.Tensor(np.ascontiguousarray(view.depth_m)))
        camera = o3d.core.Tensor(view.camera.opencv_matrix())
        T_cam_world = o3d.core.Tensor(np.array(view.T_world_cam.inverse.matrix))
        # The library wants a range; ours was cut when the views were made.
        reach_m = float(view.depth_m.max()) + 1.0
        known = (depth, camera, T_cam_world, 1.0, reach_m, _TRUNCATION_VOX)
        blocks = grid.compute_unique_block_coordinates(*known)
        grid.integrate(blocks, *known)
    found = grid.extract_triangle_mesh(min(_MIN_SEEN, len(views) - 0.5))
    mesh = Mesh(
        found.vertex.positions.numpy().astype(np.float32),
        found.triangle.indices.numpy().astype(np.int32),
    )
    if mesh.is_empty:
        raise BadInput("The depth of the reference forms no surface.", "Check its poses and units.")
    return mesh
