"""A recording on disk as a source of frames in the one convention of the program.

Opening orders the frames, verifies how poses are meant, turns the world upright and splits the
track; reading a frame then only decodes, rescales, straightens and places it.
"""

from collections import Counter
from collections.abc import Iterator

import numpy as np

from engine.core.arrays import F32, F64
from engine.core.camera import Intrinsics
from engine.core.faults import BadFrame, BadInput, Fault
from engine.core.frames import Frame
from engine.core.poses import Pose
from engine.sources import upright, verify
from engine.sources.base import SourceInfo
from engine.sources.conventions import camera_to_world
from engine.sources.epipolar import PAIRS, ColorView, verify_by_color
from engine.sources.lens import Undistorter, fit_camera
from engine.sources.raw import RawFrame, RawRecording
from engine.sources.trajectory import put_in_order, segments

_UPRIGHT_VIEWS = 5


class Recording:
    """Frames of a parsed recording; a `FrameSource`.

    Opening decodes a dozen pictures to verify the poses; `describe` then costs nothing.
    `skipped` counts what was left out so far, from opening and from the latest `frames`.
    """

    def __init__(self, raw: RawRecording) -> None:
        """Verify the recording and prepare its poses.

        Raises:
            BadInput: no frame, no usable pose, no readable picture, no measured depth at all.
        """
        self._raw = raw
        self._lens = Undistorter()
        try:
            self._open(raw)
        except Fault:
            raw.close()
            raise

    def _open(self, raw: RawRecording) -> None:
        ordered = put_in_order(raw)
        self._ordered = ordered.frames
        self._left_out = ordered.skipped
        self.skipped: dict[str, int] = dict(ordered.skipped)
        self._notes = [*raw.notes, *ordered.notes]
        self._warnings: list[str] = []
        self._poses: list[Pose | None] = [None] * len(self._ordered)
        self._depth_poses: list[Pose | None] = [None] * len(self._ordered)
        self._segments = [0] * len(self._ordered)
        self._T_world_source = Pose.identity()
        self._verdict = verify.unverified(raw.declared, "there are no poses")
        has_poses = self._ordered[0].pose is not None
        if has_poses:
            self._place()
        self._info = self._summary(has_poses)

    def describe(self) -> SourceInfo:
        """Return what opening found."""
        return self._info

    def frames(self) -> Iterator[Frame]:
        """Yield the frames in order of time; those that cannot be used are counted in `skipped`.

        Raises:
            BadInput: after the last frame, when not a single one could be used.
        """
        reasons: Counter[str] = Counter()
        first_fault: BadFrame | None = None
        served = 0
        self.skipped = dict(self._left_out)
        for at in range(len(self._ordered)):
            try:
                frame = self._frame(at)
            except BadFrame as fault:
                first_fault = first_fault or fault
                reasons["picture not usable"] += 1
                self.skipped = dict(self._left_out + reasons)
                continue
            served += 1
            yield frame
        if first_fault is not None and not served:
            raise self._nothing(first_fault)

    def close(self) -> None:
        """Let go of open files."""
        self._raw.close()

    def __enter__(self) -> "Recording":
        """Return self."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Close."""
        self.close()

    # Opening.

    def _place(self) -> None:
        """Verify the convention, turn the world upright, split the track at jumps."""
        written = np.stack([_given(frame.pose) for frame in self._ordered])
        self._verdict = self._verify(written)
        chosen = self._verdict.chosen
        self._warnings += self._verdict.warnings
        T_source_cams = camera_to_world(written, chosen)
        self._T_world_source = self._upright(T_source_cams)
        for at, ordered in enumerate(self._ordered):
            self._poses[at] = self._T_world_source @ _pose(T_source_cams[at])
            if ordered.depth_pose is not None:
                own = camera_to_world(ordered.depth_pose, chosen)
                self._depth_poses[at] = self._T_world_source @ _pose(own)
        stamps = np.array([ordered.raw.t_ns for ordered in self._ordered], np.int64)
        self._segments = segments(stamps, T_source_cams)
        if self._segments[-1]:
            self._notes.append(
                f"The camera jumps, so the track was split in {self._segments[-1] + 1}."
            )

    def _verify(self, written: F64) -> verify.Verdict:
        declared = self._raw.declared
        pairs = verify.choose_pairs(written)
        if any(ordered.raw.depth for ordered in self._ordered):
            views: dict[int, verify.DepthView | None] = {}
            # In order of time, because a video seeks backwards at great cost.
            for at in sorted({at for pair in pairs for at in pair}):
                views[at] = self._depth_view(at)
            found = [(views[i], views[j]) for i, j in pairs]
            usable = [(a, b) for a, b in found if a is not None and b is not None]
            if pairs and not usable:
                return verify.unverified(declared, "too little depth could be read")
            return verify.verify_by_depth(usable, declared)
        if not pairs:
            return verify.unverified(declared, "the camera hardly moves")
        pairs = pairs[:: max(1, len(pairs) // PAIRS)][:PAIRS]
        colors: dict[int, ColorView | None] = {}
        for at in sorted({at for pair in pairs for at in pair}):
            colors[at] = self._color_view(at)
        seen = [(colors[i], colors[j]) for i, j in pairs]
        return verify_by_color(
            [(a, b) for a, b in seen if a is not None and b is not None], declared
        )

    def _depth_view(self, at: int) -> verify.DepthView | None:
        ordered = self._ordered[at]
        try:
            depth_m, camera = self._depth(ordered.raw)
        except BadFrame:
            return None
        if depth_m is None or camera is None:
            return None
        if ordered.depth_pose is not None:
            return verify.DepthView(depth_m, camera, ordered.depth_pose, np.eye(4))
        offset = ordered.raw.T_cam_depth.matrix
        return verify.DepthView(depth_m, camera, _given(ordered.pose), offset)

    def _color_view(self, at: int) -> ColorView | None:
        ordered = self._ordered[at]
        raw = ordered.raw
        if raw.color is None:
            return None
        try:
            color = raw.color()
            return ColorView(color, _color_lens(raw, color.shape), _given(ordered.pose))
        except BadFrame:
            return None

    def _upright(self, T_source_cams: F64) -> Pose:
        if self._raw.up_source is not None:
            up = np.asarray(self._raw.up_source, np.float64)
            self._notes.append(f"Up is the file's own {_direction(up)}.")
            return upright.turn_upright(up)
        views = []
        for at in np.unique(np.linspace(0, len(self._ordered) - 1, _UPRIGHT_VIEWS).astype(int)):
            view = self._depth_view(int(at))
            if view is not None:
                T = camera_to_world(view.pose, self._verdict.chosen) @ view.T_posed_depth
                views.append((view.depth_m, view.camera, _pose(T)))
        up, how = upright.estimate_up(T_source_cams, upright.surface_normals(views))
        self._notes.append(f"Up is not stated and {how}: the file's {_direction(up)}.")
        return upright.turn_upright(up)

    def _summary(self, has_poses: bool) -> SourceInfo:
        first = self._first_frame()
        has_color = any(ordered.raw.color for ordered in self._ordered)
        has_depth = any(ordered.raw.depth for ordered in self._ordered)
        if has_depth:
            self._insist_on_depth()
        return SourceInfo(
            name=self._raw.name,
            layout=self._raw.layout,
            frame_count=len(self._ordered),
            has_color=has_color,
            has_depth=has_depth,
            has_poses=has_poses,
            color_camera=first.intrinsics if first.color is not None else None,
            depth_camera=first.depth_intrinsics,
            convention=self._verdict.sentence if has_poses else "The recording has no poses.",
            T_world_source=self._T_world_source,
            is_metric=self._raw.is_metric,
            notes=tuple(self._notes),
            warnings=tuple(self._warnings),
            details={
                "convention": f"{self._verdict.chosen.maps} {self._verdict.chosen.axes}",
                "frames_in_file": len(self._raw.frames),
                "tracks": self._segments[-1] + 1,
                "track_frames": np.bincount(self._segments).tolist(),
                **self._verdict.details,
            },
        )

    def _first_frame(self) -> Frame:
        first_fault: BadFrame | None = None
        for at in range(len(self._ordered)):
            try:
                return self._frame(at)
            except BadFrame as fault:
                first_fault = first_fault or fault
        assert first_fault is not None  # put_in_order promised at least one frame
        raise self._nothing(first_fault)

    def _insist_on_depth(self) -> None:
        """Refuse a recording whose depth pictures are all empty; one measurement is enough."""
        looked = 0
        for ordered in self._ordered:
            try:
                depth_m, _ = self._depth(ordered.raw)
            except BadFrame:
                continue
            if depth_m is not None:
                looked += 1
                if depth_m.any():
                    return
        raise BadInput(
            f"None of the {looked} depth pictures of {self._raw.name} holds a measurement.",
            "Check that the depth files belong to this recording.",
        )

    def _nothing(self, fault: BadFrame) -> BadInput:
        return BadInput(
            f"No frame of {self._raw.name} can be used. {fault.says}",
            fault.remedy or "The recording is damaged or incomplete.",
        )

    # Reading.

    def _frame(self, at: int) -> Frame:
        ordered = self._ordered[at]
        raw = ordered.raw
        color, camera = self._color(raw)
        depth_m, depth_camera = self._depth(raw)
        confidence = None
        if depth_m is not None and depth_camera is not None and raw.confidence is not None:
            lens = _depth_lens(raw, depth_m.shape)
            confidence = self._lens.nearest(raw.confidence(), lens)
        pose, T_cam_depth = self._poses[at], raw.T_cam_depth
        own = self._depth_poses[at]
        if pose is not None and own is not None:
            T_cam_depth = pose.inverse @ own
        if color is None and pose is not None:
            # Without colour the depth camera is the camera.
            pose = pose @ T_cam_depth
        shown = camera if camera is not None else depth_camera
        if shown is None:
            raise BadFrame(f"The frame {raw.name} has neither colour nor depth.")
        return Frame(
            index=ordered.index,
            t_ns=raw.t_ns,
            intrinsics=shown,
            color=color,
            depth_m=depth_m,
            depth_intrinsics=depth_camera,
            confidence=confidence,
            T_world_cam=pose,
            T_cam_depth=T_cam_depth if color is not None else Pose.identity(),
            segment=self._segments[at],
        )

    def _color(self, raw: RawFrame) -> tuple[np.ndarray | None, Intrinsics | None]:
        if raw.color is None:
            return None, None
        color = raw.color()
        lens = _color_lens(raw, color.shape)
        return self._lens.smooth(color, lens), lens.without_distortion()

    def _depth(self, raw: RawFrame) -> tuple[F32 | None, Intrinsics | None]:
        if raw.depth is None:
            return None, None
        depth_m = _only_measured(raw.depth())
        lens = _depth_lens(raw, depth_m.shape)
        return self._lens.nearest(depth_m, lens), lens.without_distortion()


def _color_lens(raw: RawFrame, shape: tuple[int, ...]) -> Intrinsics:
    if raw.color_camera is None:
        raise BadFrame(f"The colour picture of {raw.name} has no intrinsics.")
    return fit_camera(raw.color_camera, shape[1], shape[0], "colour")


def _depth_lens(raw: RawFrame, shape: tuple[int, ...]) -> Intrinsics:
    """Return the depth camera; depth registered to colour shares its field of view and lens."""
    stated = raw.depth_camera if raw.depth_camera is not None else raw.color_camera
    if stated is None:
        raise BadFrame(f"The depth picture of {raw.name} has no intrinsics.")
    return fit_camera(stated, shape[1], shape[0], "depth")


def _only_measured(depth_m: F32) -> F32:
    """Return the depth with NaN, infinity and negative values as 0; clean ones are not copied."""
    low, high = float(depth_m.min()), float(depth_m.max())
    if low >= 0 and high < np.inf:
        return depth_m
    return np.where(np.isfinite(depth_m) & (depth_m > 0), depth_m, np.float32(0))


def _pose(rigid: F64) -> Pose:
    return Pose.from_parts(rigid[:3, :3], rigid[:3, 3])


def _given(pose: F64 | None) -> F64:
    assert pose is not None  # put_in_order keeps only posed frames once one has a pose
    return pose


def _direction(up: F64) -> str:
    return "(" + ", ".join(f"{number:.3f}" for number in up / np.linalg.norm(up)) + ")"
