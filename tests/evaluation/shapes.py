"""Shapes whose distances are known in closed form."""

import numpy as np

from engine.core.camera import Intrinsics
from engine.core.poses import Pose
from engine.core.surface import Mesh
from engine.evaluation.views import View
from tests.scenes import look_at

CAMERA = Intrinsics(96, 72, 90.0, 90.0, 48.0, 36.0)


def grid_mesh(points: np.ndarray) -> Mesh:
    """A mesh over a (rows, columns, 3) grid of points; degenerate triangles are left out."""
    rows, columns = points.shape[:2]
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]
    faces = np.stack([a, b, c, a, c, d], axis=-1).reshape(-1, 3).astype(np.int32)
    mesh = Mesh(points.reshape(-1, 3).astype(np.float32), faces)
    return Mesh(mesh.vertices, faces[np.linalg.norm(mesh.face_normals(), axis=1) > 1e-10])


def sphere(
    radius_m: float, center: tuple[float, float, float] = (0, 0, 0), steps: int = 120
) -> Mesh:
    v, u = np.meshgrid(
        np.linspace(0, np.pi, steps), np.linspace(0, 2 * np.pi, 2 * steps), indexing="ij"
    )
    unit = np.stack([np.sin(v) * np.cos(u), np.sin(v) * np.sin(u), np.cos(v)], axis=-1)
    return grid_mesh(unit * radius_m + center)


def plane(width_m: float, depth_m: float, z_m: float = 0.0, x_m: float = 0.0) -> Mesh:
    """A level rectangle facing up, its lower left corner at (x_m, 0)."""
    x, y = np.meshgrid(
        np.linspace(x_m, x_m + width_m, 20), np.linspace(0, depth_m, 20), indexing="ij"
    )
    return grid_mesh(np.stack([x, y, np.full_like(x, z_m)], axis=-1))


def joined(*meshes: Mesh) -> Mesh:
    starts = np.cumsum([0] + [len(mesh.vertices) for mesh in meshes[:-1]])
    return Mesh(
        np.concatenate([mesh.vertices for mesh in meshes]),
        np.concatenate(
            [mesh.faces + start for mesh, start in zip(meshes, starts, strict=True)]
        ).astype(np.int32),
    )


class BallWorld:
    """A ball round the origin: free space outside."""

    def __init__(self, radius_m: float = 1.0, camera: Intrinsics = CAMERA) -> None:
        self.radius_m = radius_m
        self.camera = camera

    def distance(self, points: np.ndarray) -> np.ndarray:
        return np.linalg.norm(points, axis=-1) - self.radius_m

    def view(self, eye: tuple[float, float, float], noise_m: float = 0.0, seed: int = 0) -> View:
        """Exact depth of the ball, or with Gaussian noise."""
        pose = look_at(np.array(eye, float), np.zeros(3))
        directions = self.camera.directions() @ pose.rotation.T
        a = (directions**2).sum(-1)
        half_b = directions @ pose.translation
        root = half_b**2 - a * (pose.translation @ pose.translation - self.radius_m**2)
        depth = np.where(root > 0, (-half_b - np.sqrt(np.maximum(root, 0))) / a, 0)
        noise = np.random.default_rng(seed).normal(size=depth.shape) * noise_m
        return View(self.camera, pose, np.where(depth > 0, depth + noise, 0).astype(np.float32))

    def all_round(self, noise_m: float = 0.0, count: int = 18) -> list[View]:
        away = 2.6 * self.radius_m
        turns = np.linspace(0, 2 * np.pi, count, endpoint=False)
        return [
            self.view((away * np.cos(t), away * np.sin(t), away / 2 * (-1) ** i), noise_m, i)
            for i, t in enumerate(turns)
        ]


def down_from(eye: tuple[float, float, float], target: tuple[float, float, float]) -> Pose:
    return look_at(np.array(eye, float), np.array(target, float))
