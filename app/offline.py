"""`scan --method finerecon-offline`: frames are collected, then reconstructed in one go."""

import math
from dataclasses import replace
from typing import Any

import cv2
import numpy as np

from app.budget import budget
from app.finish import finished
from app.fuser import FramesOnly, Keepsakes
from app.method import Method
from app.photos import PhotoAlbum
from engine.core.faults import BadFrame, BadInput
from engine.core.frames import Frame, Photo
from engine.core.news import Job, Progress
from engine.core.settings import Settings
from engine.core.surface import Mesh, MeshPatch, TexturedMesh
from engine.depth.base import DepthEstimator, DepthMap
from engine.depth.keyframes import KEPT, KeyframeBuffer, KeyframeRule
from engine.depth.sensor import clean
from engine.depth.views import choose_sources
from engine.nets.finerecon.model import FineRecon
from engine.recon.bounds import bounds
from engine.recon.colour import coloured
from engine.recon.compute import Compute
from engine.recon.finalise import Shot, finalise, scene
from engine.recon.offline import OfflineSettings, reconstruct
from engine.recon.surface import FineSurface
from engine.recon.views import DepthView, View, color_view, depth_view
from engine.runtime.meters import Meters

MAX_WITHHELD = 60
# Photographs that wait for their depth are not kept larger than this: estimators see less.
MAX_PHOTO_PX = 1024
# Samples a voxel, each way, that can be meshed.
RATES = (1, 2, 4, 8)


class OfflineScan(FramesOnly):
    """Collects keyframes and makes one surface of them at the end; belongs to one thread."""

    on_disk_mb = 0.0

    def __init__(
        self,
        settings: Settings,
        method: Method,
        network: FineRecon,
        compute: Compute,
        estimator: DepthEstimator | None,
        with_texture: bool = True,
        hold_out: int = 0,
    ) -> None:
        """Start empty; depth is the sensor's without an `estimator`.

        Raises:
            BadInput: the network's voxels cannot be divided into the resolution asked for.
        """
        self.settings = settings
        self.meters = Meters()
        self.frames_used = 0
        self.withheld: list[Photo] = []
        self._method = method
        self._network = network
        self._rate = _samples_a_voxel(network.config.voxel_m, method.resolution_m)
        self._compute = compute
        self._estimator = estimator
        self._with_texture = with_texture
        self._hold_out = hold_out
        self._offered = 0
        self._buffer = KeyframeBuffer(KeyframeRule(keyframe_distance=method.keyframe_distance))
        self.album = PhotoAlbum(settings.keyframes, settings.texture.max_views)
        # One photograph waits for its depth for every view when depth is estimated.
        self._views: list[View] = []
        self._photos: list[Photo] = []
        self._figures: dict[str, Any] = {}

    def add(self, frame: Frame) -> list[MeshPatch]:
        """Keep the frame if it is a keyframe; nothing is shown before the end.

        Raises:
            BadFrame: no colour or no pose.
        """
        pose, color = frame.T_world_cam, frame.color
        if pose is None or color is None:
            raise BadFrame(f"Frame {frame.index} has no colour or no pose.")
        self._offered += 1
        if self._hold_out and self._offered % self._hold_out == 0:
            if len(self.withheld) < MAX_WITHHELD:
                self.withheld.append(Photo(color, frame.intrinsics, pose, frame.index))
            return []
        self.album.offer(frame)
        if self._buffer.offer(pose.matrix) not in KEPT:
            return []
        photo = Photo(color, frame.intrinsics, pose, frame.index)
        guide = None
        if self._estimator is None:
            with self.meters.stage("clean"):
                guide = _guide(clean(frame, self.settings.depth))
        else:
            self._photos.append(_shrunk(photo))
        with self.meters.stage("resize"):
            size = self._method.width_px, self._method.height_px
            self._views.append(color_view(color, frame.intrinsics, pose, guide, *size))
        self.frames_used += 1
        return []

    def finish(self) -> Job[Mesh | TexturedMesh]:
        """Return the job that reconstructs, meshes, tidies and textures everything added.

        Raises:
            BadInput: nothing to reconstruct, or more memory needed than there is.
        """
        if not self._views:
            raise BadInput(
                "No picture of this recording can be used.", "It needs colour and poses."
            )
        views = self._views if self._estimator is None else (yield from self._guided())
        surface = yield from self._surface(views)
        with self.meters.stage("mesh"):
            mesh = yield from surface.mesh()
        del surface
        photos = self.album.photos()
        with self.meters.stage("colour"):
            mesh = yield from coloured(mesh, photos)
        return (yield from finished(mesh, photos, self.settings, self._with_texture, self.meters))

    def close(self) -> None:
        """Let go of the pictures."""
        self._views, self._photos = [], []

    def keepsakes(self) -> Keepsakes:
        """Return photographs; nothing was shown before the end that could be compared."""
        return Keepsakes(tuple(self.album.photos()), texture=self.settings.texture)

    def sights(self) -> list[Photo]:
        """Return pictures of what the camera saw."""
        return self.album.photos()

    def details(self) -> dict[str, Any]:
        """Return figures for the report."""
        return {"reconstruction": self._figures}

    def _surface(self, views: list[View]) -> Job[FineSurface]:
        """Return the surface, all at once or in tiles; `compatible` needs it all at once."""
        network, voxel_m = self._network, self._network.config.voxel_m
        if self._method.guidance == "consistent":
            shots = [Shot.of(view) for view in views]
            with self.meters.stage("bounds"):
                lattice = scene(shots, voxel_m, self._method.resolution_m, self._method.max_depth_m)
            last = yield from finalise(
                network,
                shots,
                lattice,
                self._rate,
                self._compute,
                budget(self._method.memory_mb, self._compute),
                self.meters,
            )
            self._figures = _figures(last.surface, last.seen, last.guided, len(views))
            self._figures["tiles"] = last.tiles
            return last.surface
        with self.meters.stage("bounds"):
            depths = (view.depth for view in views if view.depth is not None)
            lattice = bounds(depths, voxel_m, self._method.max_depth_m)
        settings = OfflineSettings(self._rate, self._method.guidance)
        made = yield from reconstruct(
            network,
            views,
            lattice,
            settings,
            self._compute,
            budget(self._method.memory_mb, self._compute),
            self.meters,
        )
        seen, guided = (int((count > 0).sum()) for count in (made.views_xyz, made.depths_xyz))
        self._figures = _figures(made.surface, seen, guided, len(views))
        return made.surface

    def _guided(self) -> Job[list[View]]:
        """Return the views with estimated depth; sources may lie before and after in time."""
        assert self._estimator is not None
        guided = []
        for number, (view, photo) in enumerate(zip(self._views, self._photos, strict=True)):
            yield Progress("depth", number, len(self._views))
            with self.meters.stage("depth"):
                others = (other for other in self._photos if other is not photo)
                sources = choose_sources(photo, others, self._estimator.source_count)
                if not sources:
                    guided.append(view)
                    continue
                found = self._estimator.estimate(photo, sources)
                guide = _guide(clean(_as_frame(photo, found), self.settings.depth))
                guided.append(replace(view, depth=guide))
        return guided


def _samples_a_voxel(voxel_m: float, resolution_m: float) -> int:
    rate = round(voxel_m / resolution_m)
    if rate not in RATES or not math.isclose(rate * resolution_m, voxel_m, rel_tol=1e-6):
        raise BadInput(
            f"These weights have voxels of {voxel_m:g} m, which a resolution of {resolution_m:g} m "
            "does not divide by 1, 2, 4 or 8.",
            f"Use --resolution-m between {voxel_m / RATES[-1]:g} and {voxel_m:g}.",
        )
    return rate


def _figures(surface: FineSurface, seen: int, guided: int, keyframes: int) -> dict[str, Any]:
    lattice = surface.lattice
    return {
        "voxel_m": lattice.voxel_m,
        "dims": list(lattice.dims),
        "origin_m": [round(edge, 4) for edge in lattice.origin_m],
        "keyframes": keyframes,
        "voxels": lattice.size,
        "seen_share": round(seen / lattice.size, 4),
        "guided_share": round(guided / lattice.size, 4),
        "occupied_share": round(len(surface.voxels) / lattice.size, 4),
        "points": surface.values.numel(),
    }


def _as_frame(photo: Photo, found: DepthMap) -> Frame:
    """Return estimated depth as if a sensor had given it."""
    return Frame(
        photo.index,
        0,
        photo.intrinsics,
        depth_m=found.depth_m,
        depth_intrinsics=found.intrinsics,
        confidence=found.confidence,
        T_world_cam=photo.T_world_cam,
    )


def _guide(frame: Frame) -> DepthView | None:
    if frame.depth_m is None or frame.depth_intrinsics is None or frame.T_world_depth is None:
        return None
    return depth_view(frame.depth_m, frame.depth_intrinsics, frame.T_world_depth)


def _shrunk(photo: Photo) -> Photo:
    """Return the photograph, no larger than an estimator needs."""
    camera = photo.intrinsics
    factor = MAX_PHOTO_PX / max(camera.width, camera.height)
    if factor >= 1:
        return photo
    size = round(camera.width * factor), round(camera.height * factor)
    small = cv2.resize(photo.color, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
    return replace(photo, color=small, intrinsics=camera.scaled_to(*size))
