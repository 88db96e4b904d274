"""Which triangle each pixel sees: ray casting on the CPU through Open3D's Embree scene."""

from dataclasses import dataclass

import numpy as np

from engine.core.arrays import F32, F64, I32, Bool
from engine.core.camera import Intrinsics
from engine.core.late import open3d
from engine.core.poses import Pose
from engine.core.surface import Mesh


@dataclass(frozen=True, slots=True)
class Hits:
    """What a picture of a mesh shows; all arrays (h, w) or (h, w, 2), row by row.

    Attributes:
        face: int32 face index, -1 where nothing is hit.
        bary: float32 weights of the face's second and third corner; the first has the rest.
        depth_m: float32 depth along the camera axis, 0 where nothing is hit.
    """

    face: I32
    bary: F32
    depth_m: F32


class MeshScene:
    """A mesh ready for rays. Building costs about half a second a million faces."""

    def __init__(self, mesh: Mesh) -> None:
        """Build the acceleration structure; the mesh must not be empty."""
        o3d = open3d()
        self._tensor = o3d.core.Tensor
        self._scene = o3d.t.geometry.RaycastingScene()
        self._scene.add_triangles(
            self._tensor(np.ascontiguousarray(mesh.vertices, np.float32)),
            self._tensor(np.ascontiguousarray(mesh.faces, np.uint32)),
        )

    def render(self, camera: Intrinsics, T_world_cam: Pose) -> Hits:
        """Return what the camera sees; rays leave through pixel centres."""
        directions = camera.directions() @ T_world_cam.rotation.T
        face, bary, distance = self.cast(
            np.broadcast_to(T_world_cam.translation, directions.shape), directions
        )
        # Directions have depth one along the axis, so the ray parameter is the depth.
        return Hits(face, bary, np.where(face >= 0, distance, 0).astype(np.float32))

    def cast(self, origins: F64, directions: F64) -> tuple[I32, F32, F32]:
        """Return face (-1 for none), barycentrics (..., 2) and ray parameter of the first hits."""
        rays = np.concatenate([origins, directions], axis=-1).astype(np.float32)
        answer = self._scene.cast_rays(self._tensor(np.ascontiguousarray(rays)))
        distance = answer["t_hit"].numpy()
        face = np.where(np.isfinite(distance), answer["primitive_ids"].numpy(), -1).astype(np.int32)
        return face, answer["primitive_uvs"].numpy(), distance

    def visible(self, points_world: F64, eye_world: F64, slack_m: float) -> Bool:
        """Return whether nothing nearer by over the slack hides each point (n, 3) from an eye."""
        directions = points_world - eye_world
        distance = np.linalg.norm(directions, axis=1)
        _, _, hit = self.cast(np.broadcast_to(eye_world, directions.shape), directions)
        return np.asarray(hit * distance > distance - slack_m)

    def closest(self, points_world: F64) -> tuple[F64, I32]:
        """Return distance (n,) to the surface, and the nearest face (n,), for points (n, 3)."""
        query = self._tensor(np.ascontiguousarray(points_world, np.float32))
        answer = self._scene.compute_closest_points(query)
        distance = np.linalg.norm(
            answer["points"].numpy().astype(np.float64) - points_world, axis=1
        )
        return distance, answer["primitive_ids"].numpy().astype(np.int32)

    def closest_on(self, points_world: F64) -> tuple[I32, F32]:
        """Return the face nearest to each point (n, 3), and where on it: (n, 2) as `Hits.bary`."""
        query = self._tensor(np.ascontiguousarray(points_world, np.float32))
        answer = self._scene.compute_closest_points(query)
        return answer["primitive_ids"].numpy().astype(np.int32), answer["primitive_uvs"].numpy()


def interpolate(hits: Hits, faces: I32, values: np.ndarray) -> np.ndarray:
    """Return a per-vertex quantity (n, c) at every pixel (h, w, c); zero where nothing is hit."""
    seen = hits.face >= 0
    corners = faces[hits.face[seen]]
    u, v = hits.bary[seen, 0, None], hits.bary[seen, 1, None]
    picture = np.zeros((*hits.face.shape, values.shape[1]), np.float32)
    picture[seen] = (
        (1 - u - v) * values[corners[:, 0]] + u * values[corners[:, 1]] + v * values[corners[:, 2]]
    )
    return picture
