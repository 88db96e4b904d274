"""GTR's loader, rigs and preview cameras against stored outputs."""

from collections.abc import Iterator

import numpy as np

from engine.core.arrays import F64
from engine.core.faults import BadInput
from engine.evaluation.parity.check import Check, close
from engine.evaluation.parity.fixture import REMEDY
from engine.evaluation.parity.gtr_case import Case
from engine.objects.cameras import six_view_rig, turntable, write_camera
from engine.objects.views import Views

# Matrices and rays are a few roundings away from exact; focal lengths are hundreds of pixels.
TOL = 1e-5
FOCAL_TOL = 1e-3
# Bytes divided by 255: one count more or less is 4e-3.
PIXEL_TOL = 1e-6
# What the fixtures' README says of the preview cameras; the JSON says nothing.
AZIMUTHS_DEG = (0.0, 36.0, 205.2)
PREVIEW_NEAR, PREVIEW_FAR = 0.1, 1000.0
RIG = "zero123pp_rig_camera_text"


def load_checks(case: Case, views: Views) -> Iterator[Check]:
    """Yield the checks of cameras, pictures and network input.

    Raises:
        BadInput: the probe pixels lie outside the pictures.
    """
    cameras = views.cameras
    lenses = [camera.intrinsics for camera in cameras]
    rows = {
        "load.cond_poses": (np.stack([c.T_world_cam.matrix for c in cameras]), TOL),
        "load.cond_intrinsics": (
            np.array([(k.fx, k.fy, k.cx, k.cy) for k in lenses]),
            FOCAL_TOL,
        ),
        "load.cond_m2vs": (np.stack([c.view() for c in cameras]), TOL),
        "load.cond_projections": (np.stack([c.projection() for c in cameras]), TOL),
        "load.cond_mvps": (np.stack([c.mvp() for c in cameras]), TOL),
    }
    if any(key.endswith("@probe") for key in case.stored.values):
        v, y, x = case.inputs.array("probe_pixels_vyx", None, 3).T
        whole = views.network_input().permute(0, 2, 3, 1).numpy()
        try:
            rows["load.cond_imgs@probe"] = (views.color[v, y, x], PIXEL_TOL)
            rows["load.cond_masks@probe"] = (views.mask[v, y, x], PIXEL_TOL)
            rows["gen.cond_input@probe"] = (whole[v, y, x], TOL)
        except IndexError:
            raise BadInput("The probe pixels lie outside the pictures.", REMEDY) from None
    for name, (ours, tolerance) in rows.items():
        if name in case.stored.values:
            yield close(name, ours, case.stored[name], tolerance)


def rig_checks(case: Case) -> Iterator[Check]:
    """Yield the share of camera files of the six-view rig that differ in any sign."""
    if RIG in case.inputs.values:
        stored = case.inputs.words(RIG)
        ours = [write_camera(camera) for camera in six_view_rig()]
        differ = sum(a != b for a, b in zip(ours, stored, strict=False))
        differ += abs(len(ours) - len(stored))
        yield Check(RIG, differ / len(ours), 0.0)


def turntable_checks(case: Case) -> Iterator[Check]:
    """Yield the checks of the preview cameras: a picture whose rows are flipped afterwards.

    The published look-at takes cross products along the first axis of length three. For a batch
    of exactly three cameras that is the batch, and the right and down vectors vanish; such
    cameras show nothing, but stored ones may be of that kind. Both kinds are known to the last
    digit, so the nearer one is the reference.
    """
    cameras = turntable(AZIMUTHS_DEG)
    lens = cameras[0].projection(PREVIEW_NEAR, PREVIEW_FAR)
    lens[1] *= -1
    alone = np.stack([camera.view() for camera in cameras])
    for name, matrix in (("world_to_camera", np.eye(4)), ("mvp", lens)):
        key = f"turntable.{name}"
        if key not in case.stored.values:
            continue
        kinds = (matrix @ alone, matrix @ _crossed_over_batch(alone))
        found = [close(key, ours, case.stored[key], TOL) for ours in kinds]
        yield min(found, key=lambda check: check.rel_err)


def _crossed_over_batch(views: F64) -> F64:
    """Return the three views (3, 4, 4) with both cross products taken over the cameras."""
    backward, eyes = views[:, 2, :3], np.linalg.inv(views)[:, :3, 3]
    right = _unit(np.cross(np.tile([0.0, 1.0, 0.0], (3, 1)), backward, axis=0))
    up = _unit(np.cross(backward, right, axis=0))
    wrong = views.copy()
    for row, axis in enumerate((right, up, backward)):
        wrong[:, row, :3] = axis
        wrong[:, row, 3] = -(axis * eyes).sum(-1)
    return wrong


def _unit(vectors: F64) -> F64:
    # Rounding of the eyes' height must not grow into a direction.
    vectors = np.where(np.abs(vectors) < 1e-12, 0.0, vectors)
    unit: F64 = vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
    return unit
