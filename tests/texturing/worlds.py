"""Meshes with a colour known at every point, and photographs of them."""

from collections.abc import Callable, Sequence

import numpy as np
import trimesh

from engine.core.arrays import F64
from engine.core.camera import Intrinsics
from engine.core.frames import Photo
from engine.core.news import Job, Result
from engine.core.poses import Pose
from engine.core.surface import Mesh
from engine.kernels.raster import MeshScene
from tests.scenes import look_at

CAMERA = Intrinsics(200, 160, 190.0, 190.0, 100.0, 80.0)
Colouring = Callable[[F64], F64]


def waves(points: F64) -> F64:
    """Return smooth but lively colours (n, 3), levels."""
    return 128 + 90 * np.sin(points @ np.array([[9.0, 4, -3], [-2, 8, 5], [6, -3, 9]]))


def finish(job: Job[Result]) -> Result:
    """Run a job to its end and return what it returns."""
    while True:
        try:
            next(job)
        except StopIteration as end:
            return end.value


def ball(subdivisions: int = 4) -> Mesh:
    """Return a ball of half a metre without colours."""
    shape = trimesh.creation.icosphere(subdivisions=subdivisions, radius=0.5)
    return Mesh(shape.vertices.astype(np.float32), shape.faces.astype(np.int32))


def plate(y: float, half: float, cells: int) -> Mesh:
    """Return a square plate in the plane y, facing -y, centred on the origin."""
    ticks = np.linspace(-half, half, cells + 1)
    x, z = np.meshgrid(ticks, ticks, indexing="ij")
    vertices = np.stack([x, np.full_like(x, y), z], axis=-1).reshape(-1, 3)
    i, j = np.meshgrid(np.arange(cells), np.arange(cells), indexing="ij")
    a = (i * (cells + 1) + j).ravel()
    b, c, d = a + cells + 1, a + cells + 2, a + 1
    faces = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
    return Mesh(vertices.astype(np.float32), faces.astype(np.int32))


def joined(*meshes: Mesh) -> Mesh:
    starts = np.cumsum([0, *(len(m.vertices) for m in meshes[:-1])])
    faces = [m.faces + start for m, start in zip(meshes, starts, strict=True)]
    return Mesh(
        np.concatenate([m.vertices for m in meshes]),
        np.concatenate(faces).astype(np.int32),
    )


def photograph(
    mesh: Mesh, eyes: Sequence[F64], colouring: Colouring, exposures: Sequence[float] = ()
) -> list[Photo]:
    """Return what cameras at the eyes, looking at the origin, see of a coloured mesh."""
    scene = MeshScene(mesh)
    photos = []
    for index, eye in enumerate(eyes):
        T_world_cam = look_at(np.asarray(eye, np.float64), np.zeros(3))
        gain = exposures[index] if len(exposures) else 1.0
        photos.append(
            Photo(picture(scene, T_world_cam, colouring, gain), CAMERA, T_world_cam, index)
        )
    return photos


def picture(
    scene: MeshScene, T_world_cam: Pose, colouring: Colouring, gain: float = 1.0
) -> np.ndarray:
    depth = scene.render(CAMERA, T_world_cam).depth_m
    points = T_world_cam.apply(CAMERA.directions() * depth[..., None])
    levels = colouring(points) * gain
    return np.where(depth[..., None] > 0, levels, 0).clip(0, 255).astype(np.uint8)


def around(count: int, distance_m: float = 1.6) -> list[F64]:
    """Return eyes spread evenly over a sphere (Fibonacci lattice), poles left out."""
    k = np.arange(count)
    z = 0.9 * (1 - (2 * k + 1) / count)
    angle = k * np.pi * (3 - 5**0.5)
    r = np.sqrt(1 - z * z)
    return list(distance_m * np.stack([r * np.cos(angle), r * np.sin(angle), z], axis=1))
