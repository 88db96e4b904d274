"""Pictures of a mesh in its own colours, without light: what a photograph of it would show."""

import cv2
import numpy as np

from engine.core.arrays import F32, U8, Bool
from engine.core.camera import Intrinsics
from engine.core.poses import Pose
from engine.core.surface import Mesh, TexturedMesh
from engine.kernels.raster import Hits, MeshScene, interpolate


def render_textured(
    textured: TexturedMesh,
    scene: MeshScene,
    camera: Intrinsics,
    T_world_cam: Pose,
    supersample: int = 2,
) -> tuple[U8, Bool]:
    """Return the textured mesh as the camera sees it: (h, w, 3) uint8 RGB, and (h, w) covered.

    `scene` must have been built from `textured.mesh`, or from one with the same faces in the same
    order and place. A pixel is covered when each of its supersample^2 rays meets the mesh; others
    are black. Texels smaller than a ray's footprint are read from a smaller copy of the texture.
    """
    fine = camera.scaled_to(camera.width * supersample, camera.height * supersample)
    hits = scene.render(fine, T_world_cam)
    uv = interpolate(hits, textured.mesh.faces, textured.uv)
    level = _mip_levels(textured, hits, fine)
    color = np.zeros((*hits.face.shape, 3), np.uint8)
    smaller = textured.texture
    for step in range(int(level.max()) + 1):
        here = level == step
        if step and min(smaller.shape[:2]) > 1:
            smaller = _halved(smaller)
        if here.any():
            color[here] = _sample(smaller, uv)[here]
    color[hits.face < 0] = 0
    return _reduced(color, hits.face >= 0, camera)


def render_colored(
    mesh: Mesh, scene: MeshScene, camera: Intrinsics, T_world_cam: Pose, supersample: int = 2
) -> tuple[U8, Bool]:
    """Return the mesh in its vertex colours: (h, w, 3) uint8 RGB, and (h, w) covered.

    `scene` must have been built from `mesh`; a mesh without colours is drawn grey.
    """
    fine = camera.scaled_to(camera.width * supersample, camera.height * supersample)
    hits = scene.render(fine, T_world_cam)
    colors = np.full((len(mesh.vertices), 3), 128, np.uint8) if mesh.colors is None else mesh.colors
    picture = interpolate(hits, mesh.faces, colors.astype(np.float32))
    return _reduced((picture + 0.5).astype(np.uint8), hits.face >= 0, camera)


def _mip_levels(textured: TexturedMesh, hits: Hits, camera: Intrinsics) -> U8:
    """Return for every pixel how often the texture must be halved so that texels match pixels."""
    height, width = textured.texture.shape[:2]
    corners = (textured.uv * np.array([width, height], np.float32))[textured.mesh.faces]
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area_px = np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])
    area_m2 = np.linalg.norm(textured.mesh.face_normals(), axis=1)
    texels_per_m = np.sqrt(area_px / np.maximum(area_m2, 1e-20))
    # Clipped at no halving: magnified texels are what they are.
    footprint_m = hits.depth_m / np.float32(camera.fx)
    texels = np.where(hits.face >= 0, texels_per_m[hits.face] * footprint_m, 1.0)
    halvings = np.minimum(np.log2(np.maximum(texels, 1.0)), np.log2(min(height, width)))
    return np.asarray(np.round(halvings), np.uint8)


def _halved(picture: U8) -> U8:
    height, width = picture.shape[:2]
    size = (max(width // 2, 1), max(height // 2, 1))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def _sample(texture: U8, uv: F32) -> U8:
    """Return the texture read bilinearly at uv (h, w, 2), v up."""
    height, width = texture.shape[:2]
    x = uv[..., 0] * width - 0.5
    y = (1 - uv[..., 1]) * height - 0.5
    return np.asarray(
        cv2.remap(texture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.uint8
    )


def _reduced(color: U8, covered: Bool, camera: Intrinsics) -> tuple[U8, Bool]:
    """Return both averaged down to the camera's size; covered only where all of the pixel is."""
    size = (camera.width, camera.height)
    color = np.asarray(cv2.resize(color, size, interpolation=cv2.INTER_AREA), np.uint8)
    part = cv2.resize(covered.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    covered = np.asarray(part > 0.999)
    color[~covered] = 0
    return color, covered
