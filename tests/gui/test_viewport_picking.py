"""What a click on the 3D view finds, judged against where things are."""

import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtTest import QTest

from engine.core.poses import Pose
from engine.core.surface import Mesh, TexturedMesh
from tests.app.fakes import height_m, patch_at
from tests.gui.scene import drain, face_the_wall, joined, look, news, square
from ui.gl.box import HANDLES
from ui.gl.finished import PAGE_FACES
from ui.gl.guessed import Guessed
from ui.gl.marks import Mark
from ui.gl.overlay import DARK, LIGHT
from ui.gl.page import Page
from ui.gl.picking import Ray, pick

MIDDLE = QPointF(200, 150)


class Loose:
    """Pages without a graphics card."""

    image = 0

    def __init__(self, pages):
        self.pages = pages
        self.sheets = self

    def boxes(self):
        low = np.array([p.vertices.min(axis=0) for p in self.pages])
        high = np.array([p.vertices.max(axis=0) for p in self.pages])
        return list(range(len(self.pages))), low, high

    def page(self, number):
        return self.pages[number]


def page_of(vertices, faces, is_observed=None):
    count = len(vertices)
    observed = np.ones(count, bool) if is_observed is None else is_observed
    flags, bytes_, stamps = np.zeros(count, bool), np.zeros(count, np.uint8), np.zeros(count, "u2")
    colors = np.zeros((count, 3), np.uint8)
    return Page(vertices, faces, colors, observed, bytes_, flags, stamps)


def slow_pick(vertices, faces, ray):
    """Every face in double precision, by solving for the plane: what is right."""
    best = None
    for face in faces:
        a, b, c = vertices[face].astype(float)
        normal = np.cross(b - a, c - a)
        if normal @ ray.direction >= 0:
            continue
        distance = (a - ray.origin_m) @ normal / (normal @ ray.direction)
        point = ray.origin_m + distance * ray.direction
        sides = [np.cross(q - p, point - p) @ normal for p, q in ((a, b), (b, c), (c, a))]
        if distance > 0 and min(sides) >= 0 and (best is None or distance < best[0]):
            best = distance, point
    return best


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 40))
def test_picking_finds_what_looking_at_every_face_finds(seed, count):
    rng = np.random.default_rng(seed)
    vertices = rng.uniform(-1, 1, (count * 3, 3)).astype(np.float32)
    faces = np.arange(count * 3, dtype=np.int32).reshape(-1, 3)
    half = count // 2 + 1
    pages = [page_of(vertices, part) for part in (faces[:half], faces[half:]) if len(part)]
    origin = rng.uniform(-3, 3, 3)
    aim = rng.uniform(-0.7, 0.7, 3) - origin
    ray = Ray(origin, aim / np.linalg.norm(aim))
    hit, truth = pick(Loose(pages), ray), slow_pick(vertices, faces, ray)
    assert (hit is None) == (truth is None)
    if truth is not None:
        assert np.allclose(hit.point_m, truth[1], atol=1e-5)
        assert np.isclose(np.linalg.norm(hit.normal), 1, atol=1e-5)
        assert hit.normal @ ray.direction < 0


def test_a_ray_along_a_common_edge_hits(view):
    vertices, faces = square()
    ray = Ray(np.array([0.0, 3.0, 0.0]), np.array([0.0, -1.0, 0.0]))
    hit = pick(Loose([page_of(vertices, faces)]), ray)
    assert np.allclose(hit.point_m, 0, atol=1e-6)
    assert np.allclose(hit.normal, [0, 1, 0])


@pytest.mark.parametrize("is_finished", [False, True])
def test_a_click_finds_the_place_under_the_pointer(view, is_finished):
    hills = [patch_at(x, y, 0) for x in range(-3, 3) for y in range(-3, 3)]
    if is_finished:
        view.show_result(joined(hills))
    else:
        view.absorb(news(hills))
    drain(view)
    look(view, 30, 50, 3)
    for at in (QPointF(200, 150), QPointF(240, 170), QPointF(170, 140)):
        hit = view.pick(at)
        x, y, z = hit.point_m
        assert z == pytest.approx(height_m(x, y), abs=0.002)
        (place,), _ = view.lens().places(hit.point_m.astype(float)[None])
        assert place == pytest.approx([at.x(), at.y()], abs=0.05)
        if is_finished:
            mesh = joined(hills)
            a, b, c = mesh.vertices[mesh.faces[hit.face]]
            assert abs(np.dot(hit.normal, hit.point_m - a)) < 1e-5
            assert np.linalg.norm(hit.point_m - (a + b + c) / 3) < 0.05
        else:
            assert hit.face is None


def test_the_back_of_a_wall_is_passed_through(view):
    vertices, faces = square()
    view.show_result(Mesh(vertices, faces))
    face_the_wall(view, from_y=-1)
    assert view.pick(MIDDLE) is None
    face_the_wall(view, from_y=1)
    assert view.pick(MIDDLE) is not None


def test_hidden_surface_and_what_is_outside_the_box_are_passed_through(view):
    near, faces = square()
    far = near - np.float32([0, 1, 0])
    mesh = Mesh(
        np.concatenate([near, far]),
        np.concatenate([faces, faces + 4]),
        is_observed=np.repeat([False, True], 4),
    )
    view.show_result(mesh)
    face_the_wall(view, from_y=1)
    assert view.pick(MIDDLE).point_m[1] == pytest.approx(0, abs=1e-6)
    view.set_guessed(Guessed.HIDE)
    assert view.pick(MIDDLE).point_m[1] == pytest.approx(-1, abs=1e-6)
    view.set_guessed(Guessed.SHOW)
    view.set_box(Pose.from_parts(np.eye(3), [0, -1, 0]), (3, 1, 3))
    assert view.pick(MIDDLE).point_m[1] == pytest.approx(-1, abs=1e-6)
    view.set_box(Pose.from_parts(np.eye(3), [0, -5, 0]), (3, 1, 3))
    assert view.pick(MIDDLE) is None


def test_a_click_is_told_and_a_drag_is_not_and_only_while_picking(view):
    vertices, faces = square()
    view.show_result(Mesh(vertices, faces))
    face_the_wall(view, from_y=1)
    told = []
    view.picked.connect(told.append)
    left = Qt.MouseButton.LeftButton
    QTest.mouseClick(view, left, pos=QPoint(200, 150))
    assert told == []
    view.set_picking(True)
    QTest.mouseClick(view, left, pos=QPoint(210, 140))
    assert len(told) == 1
    QTest.mousePress(view, left, pos=QPoint(200, 150))
    QTest.mouseMove(view, QPoint(230, 150))
    QTest.mouseRelease(view, left, pos=QPoint(230, 150))
    assert len(told) == 1


def test_a_click_that_misses_by_a_hair_counts_and_one_beside_does_not(view):
    vertices, faces = square()
    view.show_result(Mesh(vertices, faces))
    face_the_wall(view, from_y=1)
    view.orbit.distance_m *= 3
    view.set_picking(True)
    told = []
    view.picked.connect(told.append)
    edge_px = round(float(view.lens().places(vertices.astype(float))[0][:, 0].max()))
    assert edge_px < view.width() - 20
    for beside_px, count in ((14, 0), (5, 1), (2, 2)):
        QTest.mouseClick(view, Qt.MouseButton.LeftButton, pos=QPoint(edge_px + beside_px, 150))
        assert len(told) == count


def test_a_double_click_sets_what_the_view_turns_about(view):
    vertices, faces = square()
    view.show_result(Mesh(vertices, faces))
    face_the_wall(view, from_y=1)
    hit = view.pick(QPointF(230, 120))
    QTest.mouseDClick(view, Qt.MouseButton.LeftButton, pos=QPoint(230, 120))
    assert np.allclose(view.centre_m(), hit.point_m, atol=1e-5)


def test_a_handle_pulls_its_face_and_tells(view):
    view.set_box(Pose.identity(), (1.0, 1.2, 1.4))
    look(view, 40, 20, 4)
    told = []
    view.box_changed.connect(lambda pose, size: told.append((pose, size)))
    places, _ = view.lens().places(view.box.handles_m())
    handle = HANDLES.index((0, 1))
    start = QPoint(*np.round(places[handle]).astype(int).tolist())
    outwards = places[handle] - places[handle ^ 1]
    goal = start + QPoint(*np.round(outwards * 0.4).astype(int).tolist())
    azimuth = view.orbit.azimuth_deg
    QTest.mousePress(view, Qt.MouseButton.LeftButton, pos=start)
    QTest.mouseMove(view, goal)
    QTest.mouseRelease(view, Qt.MouseButton.LeftButton, pos=goal)
    pose, size = told[-1]
    assert size[0] > 1.2
    assert size[1:] == (1.2, 1.4)
    assert pose.translation[0] == pytest.approx((size[0] - 1) / 2)
    assert view.orbit.azimuth_deg == azimuth
    view.set_box(None)
    assert view.box is None


def test_what_is_outside_the_box_is_dim(view):
    vertices, faces = square()
    view.show_result(Mesh(vertices, faces, np.tile(np.uint8((250, 40, 40)), (4, 1))))
    face_the_wall(view, from_y=1)
    view.set_box(Pose.from_parts(np.eye(3), [1, 0, 0]), (2, 1, 4))
    image = view.snapshot()
    # Seen from +y, +x is on the left.
    inside, outside = image.pixelColor(160, 120), image.pixelColor(240, 120)
    assert inside.red() > 200 > 90 > inside.green()
    assert outside.red() < 110


def test_marks_can_be_read_on_any_background(view):
    line = np.array([[0.5, 0, 0], [-0.5, 0, 0]])
    face_the_wall(view, from_y=1)
    view.set_marks((Mark(line, "1.00 m"),))
    image = view.snapshot()
    (first, last), _ = view.lens().places(line)
    length_px = 400 / (2 * 4 * np.tan(np.pi / 6))
    assert np.linalg.norm(last - first) == pytest.approx(length_px, rel=0.01)
    at = np.round(first + (last - first) * 0.25).astype(int)
    tones = [image.pixelColor(at[0], at[1] + dy).lightness() for dy in range(-4, 5)]
    assert max(tones) > 200  # the line
    assert min(tones) < 30  # its rim
    middle = np.round((first + last) / 2).astype(int)
    label = [
        image.pixelColor(middle[0] + dx, middle[1] - 20 + dy).lightness()
        for dx in range(-20, 20)
        for dy in range(-6, 6)
    ]
    assert max(label) > LIGHT.lightness() - 40
    assert min(label) < DARK.lightness() + 20
    view.set_marks(())
    assert view.snapshot().pixelColor(*at.tolist()).lightness() < 110


def test_a_line_that_begins_behind_the_eye_is_cut(view):
    look(view, 90, 0, 2)
    lens = view.lens()
    ends = np.array([[0.0, 5.0, 0.1], [0.0, -1.0, 0.1]])
    cut = lens.segment(ends)
    assert np.isfinite(cut).all()
    assert cut[1] == pytest.approx(lens.places(ends[1:])[0][0])
    assert lens.segment(np.array([[0.0, 5, 0], [1.0, 5, 0]])) is None


def hilly(n):
    """Return hills of 2 (n - 1)^2 faces over four square metres, faces in no order."""
    ticks = np.linspace(-1, 1, n)
    x, y = np.meshgrid(ticks, ticks)
    vertices = np.stack([x, y, height_m(x, y)], -1).reshape(-1, 3).astype(np.float32)
    corner = (np.arange(n - 1)[:, None] * n + np.arange(n - 1)).ravel()
    quads = np.stack([corner, corner + 1, corner + n + 1, corner + n], axis=1)
    faces = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]).astype(np.int32)
    return Mesh(vertices, np.random.default_rng(0).permutation(faces))


def test_a_click_on_a_million_triangles_is_answered_within_50_ms(view):
    mesh = hilly(709)
    view.show_result(mesh)
    drain(view)
    look(view, 30, 25, 3)  # low, so that rays pass many pages
    assert view.triangles == len(mesh.faces) > 1_000_000
    costs_s, hits = [], 0
    for x in range(100, 300, 20):
        for y in range(100, 220, 20):
            start = time.thread_time()
            hits += view.pick(QPointF(x, y)) is not None
            costs_s.append(time.thread_time() - start)
    assert hits > 20
    assert max(costs_s) < 0.05


@pytest.mark.parametrize("is_textured", [False, True])
def test_a_big_mesh_is_cut_into_pages_that_lose_nothing(view, is_textured):
    mesh = hilly(150)
    vertices, faces = mesh.vertices, mesh.faces
    uv = (vertices[:, :2] + 1) / 2
    sand = np.full((37, 50, 3), 180, np.uint8)
    view.show_result(TexturedMesh(mesh, uv, sand) if is_textured else mesh)
    drain(view)
    surface = view.stage.surface
    assert view.triangles == len(faces)
    pages = [surface.page(i) for i in range(len(surface.sheets))]
    assert len(pages) == -(-len(faces) // PAGE_FACES) > 2
    numbers = np.concatenate([p.numbers for p in pages])
    assert np.array_equal(np.sort(numbers), np.arange(len(faces)))
    for page in pages:
        assert np.array_equal(page.vertices[page.faces], mesh.vertices[mesh.faces[page.numbers]])
        # Neighbours lie together: a page is smaller than the whole.
        assert np.ptp(page.vertices[:, :2], axis=0).min() < 1.9
        if is_textured:
            v = 1 - uv[:, 1][mesh.faces[page.numbers]]
            assert np.allclose(page.uv[:, 1][page.faces], v, atol=1e-6)


def test_the_mesh_before_stays_until_the_next_is_there(view):
    vertices, faces = square()
    view.show_result(Mesh(vertices, faces))
    drain(view)
    assert view.triangles == 2
    view.show_result(Mesh(vertices, faces[:1]))
    assert view.triangles == 2
    drain(view)
    assert view.triangles == 1
    empty = Mesh(vertices[:0], faces[:0])
    view.show_result(empty)
    drain(view)
    assert view.triangles == 0
    assert view.pick(MIDDLE) is None


def test_a_page_that_changed_is_found_where_it_is_now(view):
    patch = patch_at(0, 0, 0)
    view.absorb(news([patch]))
    drain(view)
    look(view, 30, 80, 2)
    before = view.pick(MIDDLE).point_m
    raised = patch.vertices + np.float32([0, 0, 0.1])
    view.absorb(news([replace(patch, revision=1, vertices=raised)]))
    drain(view)
    assert view.pick(MIDDLE).point_m[2] == pytest.approx(before[2] + 0.1, abs=0.02)
