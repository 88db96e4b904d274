"""Scans on disk: what is shown of them, what replaces what, and what may be deleted."""

import errno
import os
import pickle
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace

import cv2
import numpy as np
import pytest

from app.in_use import hold, is_held_elsewhere
from app.library import Library
from app.library_note import ScanNote, read_note
from app.method import Method
from engine.archive.journal import ArchiveWriter
from engine.core.faults import BadInput, CannotWrite
from engine.core.settings import Settings
from engine.core.surface import Mesh
from engine.export.load import load_mesh
from engine.runtime.progress import run_job
from tests.app.fakes import frame_at, patch_at


def hills(cells=2):
    patches = [patch_at(x, y, 0) for x in range(cells) for y in range(cells)]
    starts = np.cumsum([0, *(len(p.vertices) for p in patches)])
    return Mesh(
        np.concatenate([p.vertices for p in patches]),
        np.concatenate([p.faces + s for p, s in zip(patches, starts, strict=False)]).astype(
            np.int32
        ),
        np.concatenate([p.colors for p in patches]),
    )


def note_of(title="Kitchen", source="/recordings/kitchen"):
    return ScanNote.of(title, source, Settings(), Method())


def done(job):
    steps = []
    result = run_job(job, steps.append, lambda: False)
    return result, steps


@pytest.fixture
def library(tmp_path):
    return Library(tmp_path / "scans")


@pytest.fixture
def kitchen(library):
    folder = library.new_folder("Kitchen")
    done(library.keep(folder, hills(), note_of()))
    return folder


def recorded(library, frames=3, title="Cut short", is_closed=False):
    """A scan whose program was killed: frames, no mesh, the journal left open."""
    folder = library.new_folder(title)
    writer = ArchiveWriter(folder, title)
    library.begin(folder, note_of(title, "camera"))
    for index in range(frames):
        writer.add(frame_at(index, 12))
    manifest = (folder / "manifest.json").read_bytes()
    writer.close()
    if not is_closed:
        # Who is killed does not get to say that the record is complete.
        (folder / "manifest.json").write_bytes(manifest)
    return folder


def only_card(library):
    (card,) = done(library.cards())[0]
    return card


@contextmanager
def files_at_most(size):
    """Let no file grow beyond so many bytes, as on a disk that is nearly full."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_kept_scan_is_shown_with_its_picture(library, kitchen):
    card = only_card(library)
    assert (card.path, card.title, card.state, card.remark) == (kitchen, "Kitchen", "finished", "")
    assert card.thumbnail.shape == (200, 320, 3)
    # The sand hills are brown to green; around them is pale sky.
    middle = card.thumbnail[90:110, 150:170].reshape(-1, 3).mean(axis=0)
    assert np.abs(middle.astype(float) - card.thumbnail[0, 0]).max() > 40
    sizes = [file.stat().st_size for file in kitchen.iterdir()]
    assert card.megabytes == pytest.approx(sum(sizes) / 1e6)
    assert card.changed_s == pytest.approx(max(f.stat().st_mtime for f in kitchen.iterdir()), abs=1)
    assert pickle.loads(pickle.dumps(card)).title == "Kitchen"


def test_what_is_kept_can_be_read_again(library, kitchen):
    saved = load_mesh(kitchen / "mesh.glb")
    assert len(saved.faces) == len(hills().faces)
    assert np.allclose(saved.bounds_m(), hills().bounds_m(), atol=1e-4)
    note = read_note(kitchen)
    assert (note.title, note.source, note.settings) == (
        "Kitchen",
        "/recordings/kitchen",
        Settings(),
    )
    assert note.counts.faces == len(hills().faces)
    assert note.counts.size_m == pytest.approx(np.ptp(hills().vertices, axis=0), abs=1e-3)
    assert note.counts.area_m2 == pytest.approx(hills().area_m2(), rel=1e-3)
    assert note.saved >= note.started
    assert {file.name for file in kitchen.iterdir()} == {"mesh.glb", "scan.json", "thumbnail.png"}


def test_keeping_again_replaces_what_was_there(library, kitchen):
    _, steps = done(library.keep(kitchen, hills(3), note_of("Kitchen again")))
    assert len(load_mesh(kitchen / "mesh.glb").faces) == len(hills(3).faces)
    assert only_card(library).title == "Kitchen again"
    assert {step.stage for step in steps} == {"save"}
    counted = [step.done for step in steps]
    assert counted == sorted(counted)
    assert counted[-1] == steps[-1].total


def test_a_full_disk_leaves_the_older_files(library, kitchen):
    before = {file.name: file.read_bytes() for file in kitchen.iterdir()}
    with files_at_most(4000), pytest.raises(CannotWrite, match=r"mesh\.glb"):
        done(library.keep(kitchen, hills(4), note_of("Never")))
    assert {file.name: file.read_bytes() for file in kitchen.iterdir()} == before


def test_a_disk_that_fills_after_the_mesh_leaves_the_older_files(library, kitchen, monkeypatch):
    def full(surface, path):
        raise OSError(errno.ENOSPC, "No space left on device")

    before = {file.name: file.read_bytes() for file in kitchen.iterdir()}
    monkeypatch.setattr("app.library._write_thumbnail", full)
    with pytest.raises(CannotWrite, match="No space left"):
        done(library.keep(kitchen, hills(4), note_of("Never")))
    assert {file.name: file.read_bytes() for file in kitchen.iterdir()} == before


def test_giving_up_while_saving_leaves_the_older_files(library, kitchen):
    before = {file.name: file.read_bytes() for file in kitchen.iterdir()}
    job = library.keep(kitchen, hills(4), note_of("Never"))
    for _ in range(3):
        next(job)
    job.close()
    assert {file.name: file.read_bytes() for file in kitchen.iterdir()} == before


def test_newest_scans_come_first(library):
    for number, title in enumerate(("Old", "Newest", "Middle")):
        folder = library.new_folder(title)
        done(library.keep(folder, hills(1), note_of(title)))
        for file in folder.iterdir():
            os.utime(file, (1e9 + [0, 20, 10][number],) * 2)
    cards, steps = done(library.cards())
    assert [card.title for card in cards] == ["Newest", "Middle", "Old"]
    assert [step.total for step in steps] == [3, 3, 3]


def test_folders_get_readable_names_of_their_own(library):
    names = [library.new_folder(title).name for title in ("My room: /.. 1", "My room 1", "", "..")]
    assert names[0].endswith("-My-room-1")
    assert names[1].endswith("-My-room-1-2")
    assert names[2].endswith("-scan")
    assert names[3].endswith("-scan-2")
    assert all(len(library.new_folder("x" * 300).name) < 60 for _ in range(2))
    assert {folder.parent for folder in library.root.iterdir()} == {library.root}


def test_a_scan_cut_short_can_be_recovered(library):
    folder = recorded(library, frames=3)
    card = only_card(library)
    assert (card.state, card.remark, card.title) == (
        "recoverable",
        "3 frames are safe.",
        "Cut short",
    )
    assert card.thumbnail is None
    # A torn last line is what a crash in the middle of a frame leaves.
    with (folder / "journal.jsonl").open("ab") as journal:
        journal.write(b'{"index": 3, "t_ns"')
    assert only_card(library).remark == "3 frames are safe."


def test_a_recording_that_was_closed_but_never_fused_can_be_recovered(library):
    recorded(library, frames=1, is_closed=True)
    assert (only_card(library).state, only_card(library).remark) == (
        "recoverable",
        "One frame is safe.",
    )


def test_once_it_has_a_mesh_it_is_finished(library):
    folder = recorded(library)
    done(library.keep(folder, hills(), note_of()))
    assert only_card(library).state == "finished"
    # Its frames are worth more than a mesh that was cut off.
    mesh = folder / "mesh.glb"
    mesh.write_bytes(mesh.read_bytes()[:-10])
    assert only_card(library).state == "recoverable"


def break_mesh(folder):
    (folder / "mesh.glb").write_bytes((folder / "mesh.glb").read_bytes()[:-10])


def empty_mesh(folder):
    (folder / "mesh.glb").write_bytes(b"")


def lose_mesh(folder):
    (folder / "mesh.glb").unlink()


@pytest.mark.parametrize(
    ("harm", "word"),
    [(break_mesh, "damaged"), (empty_mesh, "damaged"), (lose_mesh, "missing")],
)
def test_a_damaged_scan_says_why_and_what_to_do(library, kitchen, harm, word):
    harm(kitchen)
    card = only_card(library)
    assert (card.state, card.title) == ("damaged", "Kitchen")
    assert word in card.remark
    assert "/recordings/kitchen" in card.remark
    assert card.thumbnail is not None


@pytest.mark.parametrize(
    ("name", "content", "word"),
    [
        ("journal.jsonl", None, "journal"),
        ("journal.jsonl", b"", "No frame"),
        ("journal.jsonl", b"nonsense\nmore\n", "No frame"),
        ("manifest.json", b'{"format": "finescan-scan", "version": 99}', "version 99"),
        ("manifest.json", b'{"format": "finescan-scan", "version"', "damaged"),
    ],
)
def test_a_damaged_recording_says_why(library, name, content, word):
    folder = recorded(library)
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content)
    card = only_card(library)
    assert card.state == "damaged"
    assert word in card.remark


@pytest.mark.parametrize("length", [0, 6, 33, -20])
def test_a_broken_thumbnail_is_none(library, kitchen, length):
    path = kitchen / "thumbnail.png"
    path.write_bytes(path.read_bytes()[:length])
    assert only_card(library).thumbnail is None
    path.unlink()
    path.mkdir()
    assert only_card(library).thumbnail is None


def test_a_huge_thumbnail_is_none(library, kitchen):
    cv2.imwrite(str(kitchen / "thumbnail.png"), np.zeros((10, 5000, 3), np.uint8))
    assert only_card(library).thumbnail is None


def test_what_a_newer_program_adds_is_passed_over(library, kitchen):
    text = (kitchen / "scan.json").read_text()
    (kitchen / "scan.json").write_text(text.replace('"title"', '"mood": "good",\n "title"'))
    assert only_card(library).title == "Kitchen"


def test_other_folders_and_links_are_not_scans(library, kitchen, tmp_path):
    (library.root / "holiday").mkdir()
    (library.root / "holiday" / "scan.json").write_text('{"format": "of another"}')
    (library.root / "file.txt").write_text("finescan-result")
    elsewhere = Library(tmp_path / "elsewhere")
    theirs = elsewhere.new_folder("Theirs")
    done(elsewhere.keep(theirs, hills(1), note_of("Theirs")))
    (library.root / "link").symlink_to(theirs)
    assert [card.title for card in done(library.cards())[0]] == ["Kitchen"]
    for name in ("holiday", "file.txt", "link", "nothing"):
        with pytest.raises(BadInput, match="not a scan"):
            library.delete(library.root / name)
    for path in (theirs, library.root, tmp_path, library.root / "x" / ".." / ".." / "elsewhere"):
        with pytest.raises(BadInput, match="not a scan"):
            library.delete(path)
    assert (theirs / "mesh.glb").exists()
    assert (library.root / "holiday").exists()


def test_without_a_folder_there_are_no_scans(library):
    assert done(library.cards())[0] == ()
    assert not library.root.exists()


def test_deleting_removes_the_scan_alone(library, kitchen, tmp_path):
    other = library.new_folder("Other")
    done(library.keep(other, hills(1), note_of("Other")))
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "photo.jpg").write_text("mine")
    (kitchen / "linked").symlink_to(precious)
    library.delete(kitchen)
    assert [folder.name for folder in library.root.iterdir()] == [other.name]
    assert (precious / "photo.jpg").read_text() == "mine"


def test_a_deletion_cut_short_is_gone_and_ended_by_the_next(library, kitchen, monkeypatch):
    other = library.new_folder("Other")
    done(library.keep(other, hills(1), note_of("Other")))

    def refuse(path):
        raise PermissionError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "rmtree", refuse)
        with pytest.raises(CannotWrite, match="Permission denied"):
            library.delete(kitchen)
    assert [card.title for card in done(library.cards())[0]] == ["Other"]
    library.delete(other)
    assert list(library.root.iterdir()) == []


def test_a_scan_being_made_is_neither_shown_nor_deleted(library):
    folder = recorded(library)
    assert done(library.cards({folder}))[0] == ()
    with pytest.raises(BadInput, match="open"):
        library.delete(folder, {folder})
    assert folder.exists()


def test_a_library_may_lie_behind_a_link(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "scans").symlink_to(tmp_path / "disk")
    library = Library(tmp_path / "scans")
    folder = library.new_folder("Kitchen")
    done(library.keep(folder, hills(1), note_of()))
    assert library.scan_at(str(tmp_path / "disk" / folder.name)) == folder
    library.delete(only_card(library).path)
    assert done(library.cards())[0] == ()


@pytest.mark.parametrize("spec", ["", "synthetic:room?seed=1", "~nobody-at-all/x", "a\0b", "/"])
def test_what_is_no_path_is_no_scan(library, kitchen, spec):
    assert library.scan_at(spec) is None
    assert library.scan_at(str(kitchen)) == kitchen


def test_too_little_room_is_said_before_scanning(library, monkeypatch):
    usage = shutil.disk_usage("/")._replace(free=50 << 20)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage)
    with pytest.raises(CannotWrite, match="Only 50 MB"):
        library.need_room()
    with pytest.raises(CannotWrite, match="Only 50 MB"):
        library.new_folder("Kitchen")


def test_a_place_that_cannot_be_written_is_a_fault(tmp_path):
    (tmp_path / "scans").write_text("a file")
    with pytest.raises(CannotWrite, match="settings"):
        Library(tmp_path / "scans").new_folder("Kitchen")


def test_an_empty_surface_is_refused(library):
    folder = library.new_folder("Nothing")
    empty = replace(hills(), faces=np.zeros((0, 3), np.int32))
    with pytest.raises(BadInput, match="no face"):
        done(library.keep(folder, empty, note_of()))
    assert list(folder.iterdir()) == []


HOLDER = """
import sys, time
from pathlib import Path
from app.in_use import hold
hold(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(600)
"""


def test_what_another_process_works_on_is_neither_offered_nor_deleted(library, kitchen):
    begun = library.new_folder("Hall")
    with ArchiveWriter(begun, "Hall", is_metric=True) as writer:
        writer.add(frame_at(0, 4))
    library.begin(begun, note_of("Hall"))

    def titles():
        return {card.title for card in done(library.cards())[0]}

    assert titles() == {"Kitchen", "Hall"}
    others = [
        subprocess.Popen([sys.executable, "-c", HOLDER, str(folder)], stdout=subprocess.PIPE)
        for folder in (begun, kitchen)
    ]
    try:
        assert [other.stdout.readline() for other in others] == [b"held\n"] * 2
        # What is finished can be looked at by everybody.
        assert titles() == {"Kitchen"}
        for folder in (begun, kitchen):
            with pytest.raises(BadInput, match="Another window"):
                library.delete(folder)
        # To be killed is enough.
        others[0].kill()
        others[0].wait(30)
        assert titles() == {"Kitchen", "Hall"}
        library.delete(begun)
        assert titles() == {"Kitchen"}
    finally:
        for other in others:
            other.kill()
            other.communicate(timeout=30)


def test_a_process_does_not_stand_in_its_own_way(library, kitchen):
    hold(kitchen)
    hold(kitchen)
    assert not is_held_elsewhere(kitchen)
    library.delete(kitchen)
    assert not kitchen.exists()
