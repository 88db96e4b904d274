from pathlib import Path

import pytest

from engine.core.faults import BadInput, MissingPart
from engine.sources import detect as room
from engine.sources.detect import LAYOUTS, detect, open_source


def test_a_missing_path_says_so(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"There is nothing at .*nowhere"):
        open_source(str(tmp_path / "nowhere"))


def test_an_empty_folder_says_so(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"The folder .* is empty"):
        open_source(str(tmp_path))


@pytest.mark.parametrize("content", ["folder", "file"])
def test_an_unknown_layout_lists_what_was_looked_for(tmp_path: Path, content: str) -> None:
    (tmp_path / "holiday.txt").write_text("sun")
    path = tmp_path if content == "folder" else tmp_path / "holiday.txt"
    with pytest.raises(BadInput, match="is not known") as caught:
        open_source(str(path))
    for layout in LAYOUTS:
        assert layout.name in caught.value.remedy
        assert layout.looks_like in caught.value.remedy


def test_every_layout_has_a_reader() -> None:
    for layout in LAYOUTS:
        reader = room._load(layout.module)
        assert callable(reader.sniff)
        assert callable(reader.read)
        assert not reader.sniff(Path(__file__).parent), layout.name


def test_a_missing_library_hides_only_its_own_layout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = [room.Layout("lost", "library_not_there", "nothing"), *LAYOUTS]
    monkeypatch.setattr(room, "LAYOUTS", tuple(lost))
    (tmp_path / "images").mkdir()
    (tmp_path / "K.txt").touch()
    (tmp_path / "poses.txt").touch()
    assert detect(str(tmp_path)) == "hololens"
    (tmp_path / "K.txt").unlink()
    with pytest.raises(BadInput, match="'library_not_there' needs a library"):
        detect(str(tmp_path))
    with pytest.raises(MissingPart):
        room._load("library_not_there")


def test_synthetic_worlds_are_named_without_looking_at_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert detect("synthetic:room?seed=1") == "synthetic"
    # A folder may be called so all the same.
    (tmp_path / "synthetic").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInput, match="The folder synthetic is empty"):
        detect("synthetic")


@pytest.mark.parametrize("spec", ["x" * 5000, "~nosuchuser/scan", " "])
def test_paths_the_system_refuses_are_said(spec: str) -> None:
    with pytest.raises(BadInput):
        open_source(spec)
