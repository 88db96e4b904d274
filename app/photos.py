"""Which pictures of a scan are kept for its texture."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from engine.core.frames import Frame, Photo
from engine.core.poses import Pose
from engine.core.settings import KeyframeSettings
from engine.texturing.views import gradient_energy

# A phone's photographs take 8 MB each: a count alone would not bound memory.
MAX_BYTES = 1 << 30


class PhotoAlbum:
    """Keeps the sharpest photograph of every stretch of the walk, and never too many.

    When twice `limit` photographs or a gigabyte of them are held, every other one goes and
    stretches grow longer, so a walk of any length costs bounded memory and stays covered from end
    to end.
    """

    def __init__(self, settings: KeyframeSettings, limit: int) -> None:
        """Start empty; a stretch ends after the move or the turn the settings name."""
        self._move_m, self._turn_rad = settings.texture_move_m, settings.texture_turn_rad
        self._limit = limit
        self._kept: list[Photo] = []
        self._best: Photo | None = None
        self._best_energy = -1.0
        self._start: Pose | None = None

    def offer(self, frame: Frame) -> None:
        """Consider a frame with a pose; frames without colour are passed over."""
        if frame.color is None or frame.T_world_cam is None:
            return
        if self._start is not None:
            metres, radians = self._start.distance_to(frame.T_world_cam)
            if metres > self._move_m or radians > self._turn_rad:
                self._turn_page()
        if self._start is None:
            self._start = frame.T_world_cam
        energy = gradient_energy(frame.color)
        if energy > self._best_energy:
            self._best = Photo(frame.color, frame.intrinsics, frame.T_world_cam, frame.index)
            self._best_energy = energy

    def move(self, T_world_cam: Mapping[int, Pose | None]) -> None:
        """Let photographs of these frames stand there; forget those of frames without a pose."""
        photos = self.photos()
        if any(photo.index in T_world_cam for photo in photos):
            self._keep(moved_photos(photos, T_world_cam))

    def photos(self) -> list[Photo]:
        """Return the photographs kept so far, in order of time."""
        return self._kept + ([self._best] if self._best is not None else [])

    def _keep(self, photos: list[Photo]) -> None:
        """Hold these photographs and begin a new stretch."""
        self._kept = photos
        self._best, self._best_energy, self._start = None, -1.0, None

    def _turn_page(self) -> None:
        self._keep(self.photos())
        held = sum(photo.color.nbytes for photo in self._kept)
        if len(self._kept) >= 2 * self._limit or held >= MAX_BYTES:
            self._kept = self._kept[::2]
            self._move_m *= 2
            self._turn_rad *= 2


def moved_photos(photos: Iterable[Photo], T_world_cam: Mapping[int, Pose | None]) -> list[Photo]:
    """Return photographs at their new poses, without those that have none there."""
    placed = ((photo, T_world_cam.get(photo.index, photo.T_world_cam)) for photo in photos)
    return [replace(photo, T_world_cam=pose) for photo, pose in placed if pose is not None]
