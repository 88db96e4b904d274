from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine.core.grid import CHUNK_BLOCKS, pack, unpack
from engine.core.surface import MeshPatch
from ui.gl.pages import PageBook

CELLS = st.tuples(st.integers(-6, 6), st.integers(-6, 6), st.integers(-2, 2))


def patch(cell, revision, face_count):
    """Triangles inside a cell, told apart by their colour."""
    rng = np.random.default_rng([*(c + 100 for c in cell), revision, face_count])
    count = 3 * face_count
    return MeshPatch(
        int(pack(np.array([cell]))[0]),
        revision,
        (np.array(cell) + rng.random((count, 3))).astype(np.float32),
        np.arange(count, dtype=np.int32).reshape(-1, 3),
        rng.integers(0, 256, (count, 3)).astype(np.uint8),
    )


def corners(vertices, faces, colors):
    """Every face as its corner places and colours: what is drawn, whatever the indices."""
    rows = np.concatenate([vertices[faces].reshape(-1, 9), colors[faces].reshape(-1, 9)], axis=1)
    return sorted(map(tuple, rows.tolist()))


def chunk_of(key):
    return int(pack(unpack(np.array([key])) // CHUNK_BLOCKS)[0])


@given(
    st.lists(
        st.one_of(st.tuples(CELLS, st.integers(0, 4), st.integers(0, 3)), st.just("draw")),
        max_size=40,
    )
)
def test_pages_show_the_newest_patch_of_every_cell(moves):
    book, newest, drawn = PageBook(), {}, {}
    for move in moves:
        if move == "draw":
            for chunk in book.dirty_by_distance(np.zeros(3, np.float32)):
                drawn[chunk] = book.take(chunk)
            assert not book.has_dirty
        else:
            given_patch = patch(*move)
            book.absorb([given_patch])
            old = newest.get(given_patch.key)
            if old is None or old.revision <= given_patch.revision:
                newest[given_patch.key] = given_patch
    for chunk in book.dirty_by_distance(np.zeros(3, np.float32)):
        drawn[chunk] = book.take(chunk)
    for chunk, page in drawn.items():
        inside = [p for key, p in newest.items() if chunk_of(key) == chunk]
        expected = sorted(
            corner for p in inside for corner in corners(p.vertices, p.faces, p.colors)
        )
        assert corners(page.vertices, page.faces, page.colors) == expected
        assert page.vertices.dtype == np.float32
        assert page.faces.dtype == np.int32
    assert set(drawn) == {chunk_of(key) for key in newest}


def test_only_pages_that_changed_are_dirty():
    book = PageBook()
    book.absorb([patch((0, 0, 0), 0, 1), patch((5, 0, 0), 0, 1)])
    for chunk in book.dirty_by_distance(np.zeros(3, np.float32)):
        book.take(chunk)
    book.absorb([patch((1, 2, 3), 0, 1)])
    assert book.dirty_by_distance(np.zeros(3, np.float32)) == [int(pack(np.zeros((1, 3)))[0])]


def test_near_pages_come_first():
    book = PageBook()
    cells = [(40, 0, 0), (0, 0, 0), (20, 0, 0), (-12, 0, 0)]
    book.absorb([patch(cell, 0, 1) for cell in cells])
    order = [tuple(unpack(np.array([c]))[0]) for c in book.dirty_by_distance(np.zeros(3))]
    assert order == [(0, 0, 0), (-3, 0, 0), (5, 0, 0), (10, 0, 0)]


def test_bounds_hold_everything_that_was_shown():
    book = PageBook()
    assert book.bounds_m() is None
    shown = [patch((i, -i, 1), 0, 2) for i in range(5)]
    book.absorb(shown)
    everything = np.concatenate([p.vertices for p in shown])
    low, high = book.bounds_m()
    assert np.array_equal(low, everything.min(axis=0))
    assert np.array_equal(high, everything.max(axis=0))


def half_guessed(cell, face_count=6):
    """Return a patch of separate triangles: a third observed, a third not, a third at a rim."""
    plain = patch(cell, 0, face_count)
    observed = np.ones((face_count, 3), bool)
    observed[1::3] = False
    observed[2::3, 0] = False
    return replace(plain, is_observed=observed.ravel())


def test_pages_remember_which_vertices_were_observed():
    book = PageBook()
    guessed, all_observed = half_guessed((0, 0, 0)), patch((1, 0, 0), 0, 2)
    book.absorb([guessed, all_observed])
    page = book.take(chunk_of(guessed.key))
    for one in (guessed, all_observed):
        place = np.flatnonzero((page.vertices == one.vertices[0]).all(axis=1))[0]
        flags = page.is_observed[place : place + len(one.vertices)]
        truth = np.ones(len(one.vertices), bool) if one.is_observed is None else one.is_observed
        assert np.array_equal(flags, truth)


def test_pages_remember_how_sure_each_vertex_is_and_when_its_patch_changed():
    book = PageBook()
    counted = replace(patch((0, 0, 0), 0, 2), confidence=np.arange(6, dtype=np.uint8))
    uncounted = patch((1, 0, 0), 0, 3)
    book.absorb([counted], 7)
    book.absorb([uncounted], 9)
    page = book.take(chunk_of(counted.key))
    assert page.confidence.tolist() == [*range(6), *[0] * 9]
    assert page.is_counted.tolist() == [True] * 6 + [False] * 9
    assert page.stamps.tolist() == [7] * 6 + [9] * 9
    book.absorb([replace(counted, revision=1)], 11)
    assert set(book.page(chunk_of(counted.key)).stamps.tolist()) == {11, 9}
    assert book.has_dirty  # looking at a page does not count as drawing it
