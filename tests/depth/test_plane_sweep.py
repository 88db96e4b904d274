"""The plane sweep on painted planes of exactly known depth."""

import numpy as np
import pytest

from engine.core.camera import Intrinsics
from engine.core.faults import BadInput
from engine.core.frames import Photo
from engine.core.poses import Pose
from engine.depth.consistency import witnesses
from engine.depth.plane_sweep import PlaneSweep, SweepSettings
from tests.depth.painted import CAMERA, Painted, beside, depth_of, look

KEPT = 0.4
SLANTED = Painted(normal=(0.35, 0.2, 1.0), distance_m=1.4)
AROUND = [
    beside(0.12),
    beside(-0.1, 0.05),
    beside(0.03, 0.12, 0.02),
    beside(-0.02, -0.1, 0.0, 0.03),
]


def relative_errors(found, planes, T=None):
    true = depth_of(planes, T or beside(0), found.intrinsics)
    kept = (found.confidence >= KEPT) & np.isfinite(true)
    return np.abs(found.depth_m[kept] - true[kept]) / true[kept], kept.mean()


@pytest.fixture(scope="module")
def slanted():
    reference = look([SLANTED], beside(0))
    return PlaneSweep().estimate(reference, [look([SLANTED], T) for T in AROUND])


def test_a_slanted_plane_is_found_to_a_percent(slanted):
    errors, share = relative_errors(slanted, [SLANTED])
    assert share > 0.9
    assert np.median(errors) < 0.006
    assert np.quantile(errors, 0.95) < 0.025


def test_depth_between_planes_beats_the_nearest_plane(slanted):
    settings = SweepSettings()
    true = depth_of([SLANTED], beside(0), slanted.intrinsics)
    kept = slanted.confidence >= KEPT
    plane = np.log(slanted.depth_m[kept] / settings.nearest_m) / settings.step
    rounded = settings.nearest_m * np.exp(settings.step * np.round(plane))
    whole = np.abs(rounded - true[kept]) / true[kept]
    refined, _ = relative_errors(slanted, [SLANTED])
    assert refined.mean() < 0.5 * whole.mean()


def test_no_side_is_favoured(slanted):
    true = depth_of([SLANTED], beside(0), slanted.intrinsics)
    kept = slanted.confidence >= KEPT
    assert abs(np.median(slanted.depth_m[kept] / true[kept] - 1)) < 0.004


@pytest.mark.parametrize("count", [1, 2, 8])
def test_any_number_of_sources(count):
    places = [beside(0.1 * np.cos(k), 0.1 * np.sin(k)) for k in range(count)]
    sweep = PlaneSweep(SweepSettings(sources=8))
    sources = [look([SLANTED], T) for T in places]
    errors, share = relative_errors(sweep.estimate(look([SLANTED], beside(0)), sources), [SLANTED])
    assert share > 0.7
    assert np.median(errors) < 0.01


def test_every_view_may_have_its_own_camera_portrait_too():
    tall = Intrinsics(120, 160, 150.0, 140.0, 55.0, 83.0)
    others = [Intrinsics(200, 150, 170.0, 175.0, 96.0, 77.0), CAMERA]
    places = [beside(0.1), beside(-0.06, 0.08)]
    sources = [look([SLANTED], T, c) for T, c in zip(places, others, strict=True)]
    found = PlaneSweep().estimate(look([SLANTED], beside(0), tall), sources)
    assert found.depth_m.shape == (160, 120)
    errors, share = relative_errors(found, [SLANTED])
    assert share > 0.6
    assert np.median(errors) < 0.01


def test_large_pictures_are_reduced_and_depth_with_them():
    wide = CAMERA.scaled_to(640, 480)
    photos = [look([SLANTED], T, wide) for T in (beside(0), *AROUND[:2])]
    found = PlaneSweep().estimate(photos[0], photos[1:])
    assert (found.intrinsics.width, found.intrinsics.height) == (320, 240)
    errors, share = relative_errors(found, [SLANTED])
    assert share > 0.8
    assert np.median(errors) < 0.01


def test_brightness_and_contrast_do_not_matter():
    reference = look([SLANTED], beside(0))
    darker = []
    for T in AROUND:
        photo = look([SLANTED], T)
        color = (0.6 * photo.color + 30).astype(np.uint8)
        darker.append(Photo(color, photo.intrinsics, T))
    errors, share = relative_errors(PlaneSweep().estimate(reference, darker), [SLANTED])
    assert share > 0.85
    assert np.median(errors) < 0.008


def test_sources_that_see_something_else_give_no_depth():
    away = Pose.exp([0, np.pi, 0, 0, 0, 0])
    beyond = Painted(normal=(0, 0, -1), distance_m=2.0, seed=5)
    found = PlaneSweep().estimate(look([SLANTED], beside(0)), [look([beyond], away)])
    assert not found.depth_m.any()
    assert not found.confidence.any()


def test_a_blank_wall_is_not_vouched_for():
    rng = np.random.default_rng(2)
    grey = (128 + rng.normal(0, 1, (5, 120, 160, 1))).clip(0, 255).astype(np.uint8)
    photos = [
        Photo(np.repeat(g, 3, axis=2), CAMERA, T)
        for g, T in zip(grey, [beside(0), *AROUND], strict=True)
    ]
    found = PlaneSweep().estimate(photos[0], photos[1:])
    assert (found.confidence >= KEPT).mean() < 0.05


def test_what_lies_beyond_the_last_plane_is_not_vouched_for():
    far = Painted(distance_m=9.0, texel_m=0.12)
    sources = [look([far], T) for T in AROUND]
    found = PlaneSweep(SweepSettings(farthest_m=3.0)).estimate(look([far], beside(0)), sources)
    assert (found.confidence >= KEPT).mean() < 0.05


def test_what_only_the_reference_sees_is_dropped():
    front = Painted(distance_m=0.8, half_m=0.2, seed=3, texel_m=0.01)
    back = Painted(distance_m=2.0)
    planes = [front, back]
    # One source to the right: what lies just beside the square is hidden there.
    found = PlaneSweep().estimate(look(planes, beside(0)), [look(planes, beside(0.15))])
    true = depth_of(planes, beside(0), CAMERA)
    T_src_ref = beside(0.15).inverse
    points = CAMERA.directions() * true[..., None]
    pixels, inside = CAMERA.project(T_src_ref.apply(points))
    in_source = depth_of(planes, beside(0.15), CAMERA)
    u, v = pixels[inside].astype(int).T
    hidden = np.zeros(true.shape, bool)
    hidden[inside] = in_source[v, u] < 0.9 * true[inside]
    open_back = inside & ~hidden & (true > 1.5)
    kept = found.confidence >= KEPT
    assert hidden.sum() > 500
    assert kept[open_back].mean() > 0.8
    assert kept[hidden].mean() < 0.25


def test_witnesses_count_who_can_have_seen():
    A = np.stack([np.eye(3), np.eye(3), np.eye(3)])
    # Straight ahead of everything, far to the side, and behind: one in view, two not.
    b = np.array([[0.0, 0, 0], [1e4, 0, 0], [0, 0, -9.0]])
    sizes = np.array([[4, 6], [4, 6], [4, 6]])
    depth = np.full((4, 6), 2, np.float32)
    depth[0, 0] = 0
    seen = witnesses(depth, A, b, sizes)
    assert seen[0, 0] == 0
    assert (seen.ravel()[1:] == 1).all()


def test_two_points_on_one_source_pixel_the_nearer_is_seen():
    # Every pixel of the reference lands on pixel (0, 0) of the source.
    A = np.array([[[0, 0, 0.5], [0, 0, 0.5], [0, 0, 1.0]]])
    depth = np.array([[1.0, 1.04, 2.0]], np.float32)
    seen = witnesses(depth, A, np.zeros((1, 3)), np.array([[1, 1]]))
    assert seen.tolist() == [[1, 1, 0]]


@pytest.mark.parametrize(
    ("spoil", "word"),
    [
        (lambda ref, src: (ref, []), "at least one"),
        (lambda ref, src: (_small(ref), src), "too small"),
        (lambda ref, src: (ref, [_small(src[0])]), "too small"),
        (lambda ref, src: (ref, [_lost(src[0])]), "NaN"),
        (lambda ref, src: (_lost(ref), src), "NaN"),
    ],
)
def test_what_cannot_be_used_is_said(spoil, word):
    reference, source = look([SLANTED], beside(0)), look([SLANTED], beside(0.1))
    with pytest.raises(BadInput, match=word):
        PlaneSweep().estimate(*spoil(reference, [source]))


@pytest.mark.parametrize(
    "wrong",
    [
        {"nearest_m": 0.0},
        {"nearest_m": 6.0},
        {"farthest_m": float("nan")},
        {"planes": 3},
        {"sources": 0},
        {"noise_grey": 0.0},
    ],
)
def test_settings_that_cannot_be_swept_are_refused(wrong):
    with pytest.raises(BadInput):
        SweepSettings(**wrong)


def _small(photo: Photo) -> Photo:
    return Photo(np.zeros((12, 300, 3), np.uint8), CAMERA.scaled_to(300, 12), photo.T_world_cam)


def _lost(photo: Photo) -> Photo:
    return Photo(photo.color, photo.intrinsics, Pose.from_parts(np.eye(3), [np.nan, 0, 0]))
