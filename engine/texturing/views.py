"""Which photographs show which face, and how well."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numba
import numpy as np

from engine.core.arrays import F32, F64, I32, U8, Bool
from engine.core.camera import Intrinsics
from engine.core.frames import Photo
from engine.core.news import Job, Progress
from engine.core.poses import Pose
from engine.core.surface import Mesh
from engine.kernels.raster import Hits, MeshScene

# Views kept a face. The blend uses the best few; the rest make their weights end smoothly.
CANDIDATES = 10
# A vertex farther behind the rendered surface than this is hidden.
SLACK_M = 0.03
# Trust grows from nothing at a picture's border and at a jump of depth to full this far away:
# poses and meshes are never exact to the pixel there.
BORDER_PX = 40
EDGE_PX = 10
# Neighbouring pixels of one surface differ in depth by less than this fraction.
JUMP_RATIO = 0.05
# Photographs are shrunken this much where only broad colours matter.
SHRINK = 4
# Sharpness is judged against as many photographs before and after.
NEIGHBOURS = 5
MIN_COSINE = 0.1


@dataclass(frozen=True, slots=True)
class Views:
    """What the photographs show of a mesh.

    Attributes:
        photo: (m, CANDIDATES) int32 photographs that see each face, best first, -1 for none.
        trust: for every photograph a (h, w) uint8 picture, 255 far from borders and depth jumps.
        sharpness: (v,) float32 of every photograph, 1 is sharp, less is blurred.
        usual: (n, 5) float32 sums for every vertex over all photographs that show it: weight times
            colour, shrunken and as exposed; weight; and weight had all been trusted.
    """

    photo: I32
    trust: list[U8]
    sharpness: F32
    usual: F32

    @property
    def shown(self) -> Bool:
        """Whether any photograph shows each face, (m,)."""
        return self.photo[:, 0] >= 0

    def trusted(self) -> F32:
        """Return the mean trust (n,) with which photographs show every vertex, 0 unseen to 1."""
        return np.asarray(self.usual[:, 3] / np.maximum(self.usual[:, 4], 1e-12), np.float32)


def gradient_energy(color: U8) -> float:
    """Return the mean squared gradient of a picture: large when sharp, given the same view."""
    grey = cv2.cvtColor(color, cv2.COLOR_RGB2GRAY)
    # A little smoothing first, or noise passes for sharpness.
    grey = cv2.GaussianBlur(grey, (0, 0), 1.0)
    along, down = cv2.Sobel(grey, cv2.CV_16S, 1, 0), cv2.Sobel(grey, cv2.CV_16S, 0, 1)
    return float((cv2.norm(along) ** 2 + cv2.norm(down) ** 2) / grey.size)


def sharpness(photos: Sequence[Photo]) -> F32:
    """Return how sharp each photograph is beside its neighbours: 1 usual, less is blurred.

    Gradient energy depends on what is in the picture; that of neighbours in time shows nearly the
    same things, so the ratio speaks of blur alone.
    """
    energy = np.array([gradient_energy(p.color) for p in photos])
    usual = np.array(
        [np.median(energy[max(i - NEIGHBOURS, 0) : i + NEIGHBOURS + 1]) for i in range(len(photos))]
    )
    # The one is what noise leaves: a blank wall is as sharp as the next.
    return np.asarray((energy + 1) / (usual + 1), np.float32)


def sharpest(photos: Sequence[Photo], count: int) -> list[Photo]:
    """Return at most `count` photographs, spread over the recording, the sharpest of each span."""
    if len(photos) <= count:
        return list(photos)
    score = sharpness(photos)
    spans = np.array_split(np.arange(len(photos)), count)
    return [photos[span[np.argmax(score[span])]] for span in spans]


def look(mesh: Mesh, scene: MeshScene, photos: Sequence[Photo]) -> Job[Views]:
    """Return which photographs see each face, by occlusion, nearness, angle, sharpness and trust.

    `scene` is the mesh made ready for rays.
    """
    # Sharper than usual is a matter of what is in the picture; only blur counts.
    sharp = np.minimum(sharpness(photos), 1.0)
    normals = mesh.vertex_normals()
    best = np.zeros((len(mesh.faces), CANDIDATES), np.float32)
    photo = np.full((len(mesh.faces), CANDIDATES), -1, np.int32)
    usual = np.zeros((len(mesh.vertices), 5), np.float32)
    trusts: list[U8] = []
    for number, shot in enumerate(photos):
        yield Progress("views", number, len(photos))
        hits = scene.render(shot.intrinsics, shot.T_world_cam)
        trusts.append(_trust(hits))
        row = camera_row(shot.intrinsics, shot.T_world_cam)
        _score(
            mesh.vertices, mesh.faces, normals, row, hits.depth_m, trusts[-1],
            sharp[number], number, best, photo,
        )  # fmt: skip
        small = cv2.resize(
            shot.color, None, fx=1 / SHRINK, fy=1 / SHRINK, interpolation=cv2.INTER_AREA
        )
        _gather(mesh.vertices, normals, row, hits.depth_m, trusts[-1], small, SHRINK, usual)
    order = np.argsort(-best, axis=1, kind="stable")
    return Views(np.take_along_axis(photo, order, axis=1), trusts, sharp, usual)


def camera_row(intrinsics: Intrinsics, T_world_cam: Pose) -> F64:
    """Return (16,): T_cam_world row by row (12 numbers), then fx, fy, cx, cy."""
    c = intrinsics
    matrix = T_world_cam.inverse.matrix[:3].ravel()
    return np.concatenate([matrix, [c.fx, c.fy, c.cx, c.cy]])


def _trust(hits: Hits) -> U8:
    """Return 0 at the picture's border and at depth jumps, 255 well inside a surface."""
    depth = hits.depth_m
    kernel = np.ones((3, 3), np.uint8)
    # Where nothing is hit depth is zero, so the mesh's own border counts as a jump.
    jump = cv2.dilate(depth, kernel) - cv2.erode(depth, kernel) > JUMP_RATIO * depth
    inside = cv2.distanceTransform((~jump).astype(np.uint8), cv2.DIST_L2, 3) / EDGE_PX
    height, width = depth.shape
    v = np.minimum(np.arange(height), np.arange(height)[::-1]) / BORDER_PX
    u = np.minimum(np.arange(width), np.arange(width)[::-1]) / BORDER_PX
    border = np.minimum.outer(v, u)
    return np.asarray(255 * np.clip(np.minimum(inside, border), 0, 1), np.uint8)


@numba.njit(nogil=True, cache=True)
def _score(  # type: ignore[no-untyped-def]
    vertices, faces, normals, camera, depth, trust, sharp, number, best, photo
):
    """Enter this photograph among the best of every face it sees whole."""
    height, width = depth.shape
    fx, fy, cx, cy = camera[12], camera[13], camera[14], camera[15]
    for face in range(len(faces)):
        x, y, z = 0.0, 0.0, 0.0
        nx, ny, nz = 0.0, 0.0, 0.0
        seen = True
        for corner in range(3):
            vertex = faces[face, corner]
            px, py, pz = vertices[vertex, 0], vertices[vertex, 1], vertices[vertex, 2]
            qz = camera[8] * px + camera[9] * py + camera[10] * pz + camera[11]
            if qz < 0.05:
                seen = False
                break
            qx = camera[0] * px + camera[1] * py + camera[2] * pz + camera[3]
            qy = camera[4] * px + camera[5] * py + camera[6] * pz + camera[7]
            u, v = int(fx * qx / qz + cx), int(fy * qy / qz + cy)
            if u < 1 or v < 1 or u >= width - 1 or v >= height - 1:
                seen = False
                break
            # A pixel that sees nothing hides nothing: it lies past the mesh's own rim.
            if depth[v, u] > 0 and qz > depth[v, u] + SLACK_M:
                seen = False
                break
            x, y, z = x + qx / 3, y + qy / 3, z + qz / 3
            nx, ny, nz = (
                nx + normals[vertex, 0],
                ny + normals[vertex, 1],
                nz + normals[vertex, 2],
            )
        if not seen:
            continue
        length = (nx * nx + ny * ny + nz * nz) ** 0.5 + 1e-12
        cosine = -(
            (camera[0] * nx + camera[1] * ny + camera[2] * nz) * x
            + (camera[4] * nx + camera[5] * ny + camera[6] * nz) * y
            + (camera[8] * nx + camera[9] * ny + camera[10] * nz) * z
        ) / (length * (x * x + y * y + z * z) ** 0.5)
        if cosine < MIN_COSINE:
            continue
        near = fx / z
        trusted = 0.02 + trust[int(fy * y / z + cy), int(fx * x / z + cx)] / 255.0
        value = cosine * near * near * sharp * trusted
        worst = 0
        for slot in range(1, best.shape[1]):
            if best[face, slot] < best[face, worst]:
                worst = slot
        if value > best[face, worst]:
            best[face, worst] = value
            photo[face, worst] = number


@numba.njit(nogil=True, cache=True)
def _gather(  # type: ignore[no-untyped-def]
    vertices, normals, camera, depth, trust, small, shrink, usual
):
    """Add the shrunken photograph's colour to every vertex it sees, weighted by size in it."""
    height, width = depth.shape
    for n in range(len(vertices)):
        px, py, pz = vertices[n, 0], vertices[n, 1], vertices[n, 2]
        z = camera[8] * px + camera[9] * py + camera[10] * pz + camera[11]
        if z < 0.05:
            continue
        x = camera[0] * px + camera[1] * py + camera[2] * pz + camera[3]
        y = camera[4] * px + camera[5] * py + camera[6] * pz + camera[7]
        u, v = camera[12] * x / z + camera[14], camera[13] * y / z + camera[15]
        if u < 1 or v < 1 or u >= width - 1 or v >= height - 1:
            continue
        front = depth[int(v), int(u)]
        if front > 0 and z > front + SLACK_M:
            continue
        nx, ny, nz = normals[n, 0], normals[n, 1], normals[n, 2]
        cosine = (
            -(
                (camera[0] * nx + camera[1] * ny + camera[2] * nz) * x
                + (camera[4] * nx + camera[5] * ny + camera[6] * nz) * y
                + (camera[8] * nx + camera[9] * ny + camera[10] * nz) * z
            )
            / (x * x + y * y + z * z) ** 0.5
        )
        size = max(cosine, 0.02) / (z * z)
        weight = size * (0.02 + trust[int(v), int(u)] / 255.0)
        row = min(int(v / shrink), small.shape[0] - 1)
        column = min(int(u / shrink), small.shape[1] - 1)
        for channel in range(3):
            usual[n, channel] += weight * small[row, column, channel]
        usual[n, 3] += weight
        usual[n, 4] += size
