"""Contact sheets of a suite: what was seen, what is true, what was estimated, and how far off."""

from collections.abc import Sequence

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from engine.core.arrays import F32, U8
from engine.core.camera import Intrinsics, lift
from engine.core.frames import Photo
from engine.core.surface import Mesh
from engine.depth.base import DepthMap
from engine.evaluation.depth_protocol import Case, fetched
from engine.evaluation.reference import Reference
from engine.kernels.raster import MeshScene

CELL_PX = 240
CAPTION_PX = 20
GAP_PX = 2
# Depth is coloured by its logarithm; errors are white from a fifth of the depth on.
RANGE_M = (0.4, 4.5)
WORST_ERROR = 0.2
# Surfaces are red from so far off on, and grey where no camera can judge them.
WORST_M = 0.1
UNKNOWN, PAPER, INK = 60, 255, (40, 44, 52)

Cells = tuple[tuple[str, U8], ...]


def depth_cells(case: Case, estimate: DepthMap, sweep: DepthMap) -> Cells:
    """Return captioned RGB pictures of one reference; the sweep's only if it is another's."""
    ours, sure = fetched(estimate, case.true_camera)
    cells = [
        ("picture", case.reference.color),
        ("true depth", depth_picture(case.true_m)),
        ("estimate", depth_picture(ours)),
        ("its error (white: 20 %)", error_picture(ours, case.true_m)),
        ("its confidence", _mapped(sure, cv2.COLORMAP_VIRIDIS)),
    ]
    if sweep is not estimate:
        swept, _ = fetched(sweep, case.true_camera)
        cells += [
            ("plane sweep", depth_picture(swept)),
            ("its error (white: 20 %)", error_picture(swept, case.true_m)),
        ]
    return tuple((caption, _small(picture)) for caption, picture in cells)


def surface_cells(
    photo: Photo, meshes: Sequence[tuple[str, Mesh | None]], reference: Reference
) -> Cells:
    """Return the photograph and each mesh from its pose, coloured by distance to the reference."""
    width = CELL_PX
    height = round(width * photo.intrinsics.height / photo.intrinsics.width)
    camera = photo.intrinsics.scaled_to(width, height)
    cells = [("picture", _small(photo.color))]
    for name, mesh in meshes:
        empty = np.full((height, width, 3), PAPER, np.uint8)
        drawn = empty if mesh is None else _surface(mesh, camera, photo, reference)
        cells.append((f"{name} (red: 10 cm off)", drawn))
    return tuple(cells)


def sheet(rows: Sequence[tuple[str, Cells]]) -> U8:
    """Return rows of captioned pictures below each other, each under its name."""
    width = max(len(cells) for _, cells in rows) * (CELL_PX + GAP_PX)
    strips = [_strip(name, cells, width) for name, cells in rows]
    return np.asarray(np.vstack(strips), np.uint8)


def depth_picture(depth_m: F32) -> U8:
    """Return depth in colours, near red and far blue, unknown black."""
    near, far = RANGE_M
    share = np.log(far / np.clip(depth_m, near, far)) / np.log(far / near)
    picture = _mapped(share, cv2.COLORMAP_TURBO)
    picture[depth_m <= 0] = 0
    return picture


def error_picture(depth_m: F32, true_m: F32) -> U8:
    """Return relative errors from black to white, grey where either is unknown."""
    both = (true_m > 0) & (depth_m > 0)
    error = np.abs(depth_m - true_m) / np.where(both, true_m, 1)
    picture = _mapped(error / WORST_ERROR, cv2.COLORMAP_INFERNO)
    picture[~both] = UNKNOWN
    return picture


def _surface(mesh: Mesh, camera: Intrinsics, photo: Photo, reference: Reference) -> U8:
    hits = MeshScene(mesh).render(camera, photo.T_world_cam)
    hit = hits.face >= 0
    picture = np.full((*hit.shape, 3), PAPER, np.uint8)
    if not hit.any():
        return picture
    points = lift(hits.depth_m, camera, photo.T_world_cam)
    colors = _mapped(reference.distance(points)[None] / WORST_M, cv2.COLORMAP_TURBO)[0]
    colors[~reference.seen(points, 2 * WORST_M)] = 160
    normals = mesh.face_normals()[hits.face[hit]]
    length = np.maximum(np.linalg.norm(normals, axis=1), 1e-20)
    toward = photo.T_world_cam.translation - points
    toward /= np.linalg.norm(toward, axis=1, keepdims=True)
    light = 0.35 + 0.65 * np.abs(np.einsum("ni,ni->n", normals, toward)) / length
    picture[hit] = (colors * light[:, None]).astype(np.uint8)
    return picture


def _strip(name: str, cells: Cells, width: int) -> U8:
    height = max(picture.shape[0] for _, picture in cells) + 2 * CAPTION_PX + GAP_PX
    strip = Image.new("RGB", (width, height), (PAPER,) * 3)
    pen = ImageDraw.Draw(strip)
    font = ImageFont.load_default(size=12)
    pen.text((4, 3), name, fill=INK, font=font)
    for column, (caption, picture) in enumerate(cells):
        left = column * (CELL_PX + GAP_PX)
        pen.text((left + 4, CAPTION_PX + 1), caption, fill=INK, font=font)
        strip.paste(Image.fromarray(picture), (left, 2 * CAPTION_PX))
    return np.array(strip)


def _small(picture: U8) -> U8:
    height, width = picture.shape[:2]
    size = CELL_PX, round(CELL_PX * height / width)
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def _mapped(share: np.ndarray, colours: int) -> U8:
    steps = (np.clip(share, 0, 1) * 255).astype(np.uint8)
    return np.ascontiguousarray(cv2.applyColorMap(steps, colours)[..., ::-1], np.uint8)
