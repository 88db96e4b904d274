"""The picture beside a result: three renders of the mesh above three frames of the recording."""

from collections.abc import Sequence

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from engine.core.arrays import F64, U8, Bool
from engine.core.camera import Intrinsics
from engine.core.faults import BadInput
from engine.core.frames import Photo
from engine.core.poses import Pose
from engine.core.surface import Mesh, TexturedMesh
from engine.evaluation.reference import sample_surface
from engine.kernels.raster import MeshScene, interpolate
from engine.kernels.shade import render_colored, render_textured

WIDTH_PX = 1280
_CELL_PX = (420, 315)
_GAP_PX = 5
_CAPTION_PX = 24
_PAPER = (255, 255, 255)
_INK = (40, 44, 52)
_SKY_TOP, _SKY_BOTTOM = 208.0, 246.0

# The overview looks down at a doll's house, from the side that shows most of it.
_FOCAL_A_WIDTH = 1.35
_ELEVATION_DEG = 48.0
_AZIMUTHS = 12
_MARGIN = 0.93
# Loose crumbs outside this share of the area do not shrink the picture.
_FRAMED_SHARE = 0.995
_SAMPLES = 4000


def preview(surface: Mesh | TexturedMesh, photos: Sequence[Photo]) -> U8:
    """Return a (h, 1280, 3) RGB picture: overview and two recorded views, above three photographs.

    The overview leaves out faces turned away from the eye, so that a room is seen without its near
    walls and ceiling. Of the photographs given, those are shown that together see most of the mesh;
    the renders in the second and third column share the pose of the photograph below them.

    Raises:
        BadInput: an empty mesh or no photograph.
    """
    mesh = _mesh_of(surface)
    if mesh.is_empty:
        raise BadInput("The mesh has no face, so there is nothing to show.")
    if not photos:
        raise BadInput("A preview needs at least one photograph.")
    scene = MeshScene(mesh)
    chosen = _most_telling(mesh, scene, photos)
    cells = [(overview(surface, *_CELL_PX), "the model, seen from above")]
    for photo in chosen[1:]:
        picture = _on_sky(*_draw(surface, scene, _small(photo.intrinsics), photo.T_world_cam))
        cells.append((picture, "the model, from where the picture below was taken"))
    cells += [(photo.color, "a picture of the recording") for photo in chosen]
    return _sheet(cells)


def overview(surface: Mesh | TexturedMesh, width: int, height: int) -> U8:
    """Return a (height, width, 3) RGB picture of the whole surface, seen from above.

    Raises:
        BadInput: an empty mesh.
    """
    if _mesh_of(surface).is_empty:
        raise BadInput("The mesh has no face, so there is nothing to show.")
    return _on_sky(*_overview(surface, _overview_camera(width, height)))


def _overview_camera(width: int, height: int) -> Intrinsics:
    # Whatever the shape of the picture, the lens is that of one whose sides are 4 to 3.
    focal_px = _FOCAL_A_WIDTH * min(width, height * 4 / 3)
    return Intrinsics(width, height, focal_px, focal_px, width / 2, height / 2)


def _mesh_of(surface: Mesh | TexturedMesh) -> Mesh:
    return surface if isinstance(surface, Mesh) else surface.mesh


def _small(camera: Intrinsics) -> Intrinsics:
    """Return the camera for a picture that fits a cell."""
    scale = min(_CELL_PX[0] / camera.width, _CELL_PX[1] / camera.height)
    return camera.scaled_to(
        max(round(camera.width * scale), 1), max(round(camera.height * scale), 1)
    )


def _most_telling(mesh: Mesh, scene: MeshScene, photos: Sequence[Photo]) -> list[Photo]:
    """Return three photographs, the one that adds least first; repeated where fewer are given."""
    points, _ = sample_surface(mesh, _SAMPLES, seed=0)
    sees = np.stack([_sees(scene, photo, points) for photo in photos])
    sharp = np.array([_sharpness(photo.color) for photo in photos])
    # A blurred photograph counts less; beyond the usual, sharpness is texture, not focus.
    trust = np.minimum(sharp / max(float(np.median(sharp)), 1e-9), 1.0)
    covered = np.zeros(len(points), np.bool_)
    order: list[int] = []
    for _ in range(min(3, len(photos))):
        gain = (sees & ~covered).sum(axis=1) * trust
        gain[order] = -1
        order.append(int(gain.argmax()))
        covered |= sees[order[-1]]
    while len(order) < 3:
        order.append(order[0])
    return [photos[index] for index in reversed(order)]


def _sharpness(picture: U8) -> float:
    grey = cv2.cvtColor(_fit(picture), cv2.COLOR_RGB2GRAY)
    return float(cv2.Laplacian(grey, cv2.CV_32F).std())


def _sees(scene: MeshScene, photo: Photo, points: F64) -> Bool:
    _, inside = photo.intrinsics.project(photo.T_world_cam.inverse.apply(points))
    seen = np.zeros(len(points), np.bool_)
    if inside.any():
        seen[inside] = scene.visible(points[inside], photo.T_world_cam.translation, 0.02)
    return seen


def _draw(
    surface: Mesh | TexturedMesh, scene: MeshScene, camera: Intrinsics, T_world_cam: Pose
) -> tuple[U8, Bool]:
    if isinstance(surface, TexturedMesh):
        return render_textured(surface, scene, camera, T_world_cam)
    if surface.colors is not None:
        return render_colored(surface, scene, camera, T_world_cam)
    return render_colored(_shaded(surface, T_world_cam.translation), scene, camera, T_world_cam)


def _shaded(mesh: Mesh, eye_world: F64) -> Mesh:
    """Return a colourless mesh in the grey that a lamp at the eye would give it."""
    to_eye = eye_world - mesh.vertices
    to_eye /= np.maximum(np.linalg.norm(to_eye, axis=1, keepdims=True), 1e-9)
    facing = np.abs(np.einsum("ni,ni->n", mesh.vertex_normals(), to_eye))
    grey = (60 + 170 * facing).astype(np.uint8)
    return Mesh(mesh.vertices, mesh.faces, np.repeat(grey[:, None], 3, axis=1))


def _overview(surface: Mesh | TexturedMesh, camera: Intrinsics) -> tuple[U8, Bool]:
    mesh = _mesh_of(surface)
    points, _ = sample_surface(mesh, _SAMPLES, seed=0)
    poses = [_looking_down(points, azimuth, camera) for azimuth in range(_AZIMUTHS)]
    pose = max(poses, key=lambda trial: _shown(mesh, trial))
    facing = _facing(surface, pose.translation)
    scene = MeshScene(_mesh_of(facing))
    picture, covered = _draw(facing, scene, camera, pose)
    # A little light from the eye tells walls from floor where both are white.
    hits = scene.render(camera, pose)
    normals = interpolate(hits, _mesh_of(facing).faces, _mesh_of(facing).vertex_normals())
    light = np.abs(normals @ pose.rotation[:, 2].astype(np.float32))
    picture = (picture * (0.72 + 0.28 * light)[..., None]).astype(np.uint8)
    return picture, covered


def _looking_down(points: F64, azimuth: int, camera: Intrinsics) -> Pose:
    """Return the pose that looks down from one side and has nearly all points in view."""
    turn, lean = 2 * np.pi * azimuth / _AZIMUTHS, np.radians(_ELEVATION_DEG)
    ahead = -np.array([np.cos(turn) * np.cos(lean), np.sin(turn) * np.cos(lean), np.sin(lean)])
    right = np.array([-np.sin(turn), np.cos(turn), 0.0])
    rotation = np.stack([right, np.cross(ahead, right), ahead], axis=1)
    half = np.array([camera.width / camera.fx, camera.height / camera.fy]) / 2 * _MARGIN
    local = points @ rotation
    middle = np.append((local[:, :2].min(axis=0) + local[:, :2].max(axis=0)) / 2, 0.0)
    for _ in range(4):
        # Far enough to hold all, then sideways until what is shown lies in the middle.
        needed = (np.abs(local[:, :2] - middle[:2]) / half).max(axis=1) - local[:, 2]
        middle[2] = -float(np.quantile(needed, _FRAMED_SHARE))
        depth = np.maximum(local[:, 2] - middle[2], 1e-3)
        shown = (local[:, :2] - middle[:2]) / depth[:, None]
        edges = np.quantile(shown, [1 - _FRAMED_SHARE, _FRAMED_SHARE], axis=0)
        middle[:2] += edges.mean(axis=0) * np.median(depth)
    return Pose.from_parts(rotation, rotation @ middle)


def _shown(mesh: Mesh, pose: Pose) -> float:
    """Return how large the faces that look at the eye appear to it, as a solid angle."""
    to_eye = pose.translation - mesh.vertices[mesh.faces[:, 0]]
    toward = np.einsum("ni,ni->n", mesh.face_normals(), to_eye)
    return float((np.maximum(toward, 0) / np.linalg.norm(to_eye, axis=1) ** 3).sum())


def _facing(surface: Mesh | TexturedMesh, eye_world: F64) -> Mesh | TexturedMesh:
    """Return the surface without the faces that turn their back to the eye."""
    mesh = _mesh_of(surface)
    to_eye = eye_world - mesh.vertices[mesh.faces[:, 0]]
    faces = mesh.faces[np.einsum("ni,ni->n", mesh.face_normals(), to_eye) > 0]
    # A mesh that shows its back alone is shown whole rather than not at all.
    kept = Mesh(mesh.vertices, faces if len(faces) else mesh.faces, mesh.colors)
    if isinstance(surface, Mesh):
        return kept
    return TexturedMesh(kept, surface.uv, surface.texture)


def _on_sky(picture: U8, covered: Bool) -> U8:
    """Return the picture with a pale gradient where nothing is covered."""
    column = np.linspace(_SKY_TOP, _SKY_BOTTOM, picture.shape[0])
    sky = np.broadcast_to(column[:, None, None], picture.shape).astype(np.uint8)
    return np.where(covered[..., None], picture, sky)


def _sheet(cells: list[tuple[U8, str]]) -> U8:
    """Return six captioned pictures in two rows of three."""
    width, height = _CELL_PX
    row_px = height + _CAPTION_PX + _GAP_PX
    sheet = Image.new("RGB", (WIDTH_PX, 2 * row_px + _GAP_PX), _PAPER)
    pen = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=14)
    for index, (picture, caption) in enumerate(cells):
        left = _GAP_PX + (index % 3) * (width + _GAP_PX)
        top = _GAP_PX + (index // 3) * row_px
        fitted = _fit(picture)
        x = left + (width - fitted.shape[1]) // 2
        sheet.paste(Image.fromarray(fitted), (x, top + (height - fitted.shape[0]) // 2))
        pen.text((left + 2, top + height + 4), caption, fill=_INK, font=font)
    return np.array(sheet)


def _fit(picture: U8) -> U8:
    """Return the picture scaled to fit a cell, its shape kept."""
    height, width = picture.shape[:2]
    scale = min(_CELL_PX[0] / width, _CELL_PX[1] / height)
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, size, interpolation=how), np.uint8)
