import stat
import zipfile
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core.faults import BadInput, CannotWrite, Fault
from engine.sources import safe_zip
from engine.sources.safe_zip import SafeZip, common_folder, member_names, open_folder


def make(path: Path, entries: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in entries.items():
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return path


def test_entries_are_read_and_unpacked(tmp_path: Path) -> None:
    path = make(tmp_path / "a.zip", {"scan/a.txt": b"hello", "scan/b/c.bin": bytes(3000)})
    archive = SafeZip(path)
    assert archive.names == {"scan/a.txt", "scan/b/c.bin"}
    assert archive.read("scan/a.txt", 5) == b"hello"
    archive.extract_to(tmp_path / "out")
    assert (tmp_path / "out" / "scan" / "b" / "c.bin").read_bytes() == bytes(3000)
    with pytest.raises(BadInput, match="has no scan/z"):
        archive.read("scan/z", 100)
    with pytest.raises(BadInput, match="larger than"):
        archive.read("scan/a.txt", 4)
    archive.close()


def test_an_unpacked_archive_is_gone_after_closing(tmp_path: Path) -> None:
    path = make(tmp_path / "a.zip", {"scan/x/a.txt": b"1", "scan/x/b.txt": b"2"})
    with ExitStack() as closing:
        folder = open_folder(path, closing)
        assert sorted(p.name for p in folder.iterdir()) == ["a.txt", "b.txt"]
    assert not folder.exists()
    with ExitStack() as closing:
        assert open_folder(tmp_path, closing) == tmp_path
    assert path.exists()


def test_the_common_folder_ignores_what_macos_adds() -> None:
    names = {"scan/k/a", "scan/k/b/c", "__MACOSX/._scan"}
    assert common_folder(frozenset(names)) == "scan/k"
    assert common_folder(frozenset({"a", "b/c"})) == ""
    assert common_folder(frozenset()) == ""


@pytest.mark.parametrize(
    "name",
    ["../evil", "a/../../evil", "/evil", "\\evil", "a\\..\\..\\evil", "C:\\evil", "c:evil"],
)
def test_an_entry_that_points_outside_is_refused_and_nothing_written(
    tmp_path: Path, name: str
) -> None:
    path = make(tmp_path / "deep.zip", {"fine": b"1", name: b"2"})
    before = set(tmp_path.rglob("*"))
    with pytest.raises(BadInput, match="points outside"):
        SafeZip(path)
    with ExitStack() as closing, pytest.raises(BadInput, match="points outside"):
        open_folder(path, closing)
    assert set(tmp_path.rglob("*")) == before


def test_a_bomb_is_refused_before_anything_is_unpacked(tmp_path: Path) -> None:
    path = make(tmp_path / "bomb.zip", {f"{n}": bytes(20_000_000) for n in range(5)})
    assert path.stat().st_size < 200_000
    with pytest.raises(BadInput, match="would unpack to 95 MB"):
        SafeZip(path)


def test_a_small_archive_may_shrink_as_much_as_it_likes(tmp_path: Path) -> None:
    archive = SafeZip(make(tmp_path / "a.zip", {"conf": bytes(1_000_000)}))
    assert archive.read("conf", 1_000_000) == bytes(1_000_000)
    archive.close()


def test_a_size_that_lies_is_found_while_reading(tmp_path: Path) -> None:
    path = make(tmp_path / "a.zip", {"data": bytes(1_000_000)})
    raw = bytearray(path.read_bytes())
    # The central directory's record of the true size, 24 bytes in.
    at = raw.rindex(b"PK\x01\x02") + 24
    raw[at : at + 4] = (1000).to_bytes(4, "little")
    path.write_bytes(raw)
    archive = SafeZip(path)
    with pytest.raises(BadInput, match="damaged"):
        archive.read("data", 2000)
    with pytest.raises(BadInput, match="damaged"):
        archive.extract_to(tmp_path / "out")
    assert (tmp_path / "out" / "data").stat().st_size <= 1000
    archive.close()


def test_links_and_encryption_are_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "link.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(BadInput, match="holds a link"):
        SafeZip(tmp_path / "link.zip")
    path = make(tmp_path / "locked.zip", {"a": b"secret"})
    raw = bytearray(path.read_bytes())
    raw[raw.rindex(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(raw)
    with pytest.raises(BadInput, match="encrypted"):
        SafeZip(path)


def test_too_many_entries_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safe_zip, "MOST_MEMBERS", 3)
    with pytest.raises(BadInput, match="holds 4 files"):
        SafeZip(make(tmp_path / "a.zip", {str(n): b"" for n in range(4)}))


def test_missing_cut_and_false_archives_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is missing"):
        SafeZip(tmp_path / "none.zip")
    path = make(tmp_path / "a.zip", {"a": bytes(range(256)) * 40})
    path.write_bytes(path.read_bytes()[:-30])
    for call in (SafeZip, member_names):
        with pytest.raises(BadInput, match="cut off"):
            call(path)
    (tmp_path / "text").write_text("hello")
    assert member_names(tmp_path / "text") == frozenset()
    assert member_names(tmp_path) == frozenset()
    with pytest.raises(BadInput, match="cannot be opened"):
        SafeZip(tmp_path / "text")


def test_damaged_content_is_found(tmp_path: Path) -> None:
    path = make(tmp_path / "a.zip", {"a": b"hello world" * 10}, zipfile.ZIP_STORED)
    raw = bytearray(path.read_bytes())
    raw[60] ^= 0xFF
    path.write_bytes(raw)
    archive = SafeZip(path)
    with pytest.raises(BadInput, match="damaged"):
        archive.read("a", 1000)
    archive.close()


def test_a_full_disk_is_not_the_archives_fault(tmp_path: Path) -> None:
    archive = SafeZip(make(tmp_path / "a.zip", {"a/b": b"1"}))
    (tmp_path / "out").write_text("a file where the folder should be")
    with pytest.raises(CannotWrite, match="cannot be unpacked"):
        archive.extract_to(tmp_path / "out")
    archive.close()


def test_an_entry_without_a_name_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "nameless.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("nobody", b"asks for this")
        archive.writestr("a", b"1")
    # A name ends where a zero is.
    path.write_bytes(path.read_bytes().replace(b"nobody", b"\0obody"))
    opened = SafeZip(path)
    assert opened.names == {"a"}
    opened.close()


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_no_damage_raises_anything_but_a_fault(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = make(
        tmp_path_factory.getbasetemp() / "fuzz.zip", {"a/b": b"12345" * 20, "a/c": bytes(40)}
    )
    raw = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(raw)
    try:
        archive = SafeZip(path)
    except Fault:
        return
    for name in archive.names:
        try:
            archive.read(name, 1000)
        except Fault:
            continue
    archive.close()
