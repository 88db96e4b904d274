"""Small meshes with known answers, and a way to run a job to its end."""

from typing import TypeVar

import numpy as np

from engine.core.news import Job
from engine.core.surface import Mesh, TexturedMesh

Result = TypeVar("Result")


def finish(job: Job[Result]) -> Result:
    while True:
        try:
            next(job)
        except StopIteration as end:
            return end.value


def ball(rings: int = 12, colored: bool = False) -> Mesh:
    """A ball of one metre radius stretched to 3 x 2 x 1, off the origin, so that axes differ."""
    v, u = np.meshgrid(np.linspace(0, np.pi, rings), np.linspace(0, 2 * np.pi, 2 * rings))
    points = np.stack([np.sin(v) * np.cos(u), np.sin(v) * np.sin(u), np.cos(v)], axis=-1)
    vertices = (points * (3.0, 2.0, 1.0) + (10.0, -20.0, 0.5)).reshape(-1, 3).astype(np.float32)
    index = np.arange(2 * rings * rings).reshape(2 * rings, rings)
    a, b, c, d = index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]
    quads = np.stack([a, d, c, a, c, b], axis=-1).reshape(-1, 3).astype(np.int32)
    # At the poles two corners of a triangle fall together.
    distinct = (
        np.linalg.norm(
            np.cross(
                vertices[quads[:, 1]] - vertices[quads[:, 0]],
                vertices[quads[:, 2]] - vertices[quads[:, 0]],
            ),
            axis=1,
        )
        > 1e-9
    )
    faces = quads[distinct]
    dice = np.random.default_rng(3)
    used = np.unique(faces)
    colors = dice.integers(0, 256, (len(used), 3)).astype(np.uint8) if colored else None
    return Mesh(vertices[used], np.searchsorted(used, faces).astype(np.int32), colors)


def photo_like(edge_px: int) -> np.ndarray:
    """A picture that compresses about as a photograph does."""
    dice = np.random.default_rng(5)
    picture = np.zeros((edge_px, edge_px, 3))
    size = 4
    while size <= edge_px:
        coarse = dice.normal(size=(size, size, 3)) * (40.0 * 4 / size + 4)
        step = edge_px // size
        picture += np.kron(coarse, np.ones((step, step, 1)))
        size *= 2
    return np.clip(picture + 128, 0, 255).astype(np.uint8)


def textured_ball(rings: int = 12, edge_px: int = 64) -> TexturedMesh:
    mesh = ball(rings)
    low, high = mesh.bounds_m()
    uv = ((mesh.vertices - low) / (high - low))[:, :2]
    return TexturedMesh(mesh, uv, photo_like(edge_px))
