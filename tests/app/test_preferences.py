"""Preferences survive; a file that cannot be used never stops the program."""

import json
import os
import sys

import pytest

from app.preferences import Preferences, PreferencesFile, config_folder, scans_folder
from engine.core.faults import BadInput, CannotWrite

needs_rights = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may write anywhere"
)


def test_what_is_changed_is_there_the_next_time(tmp_path):
    PreferencesFile(tmp_path).change(theme="light", sound=True, preset="full")
    PreferencesFile(tmp_path).change(values={"depth.max_m": 3.5, "refine.denies": True})
    now = PreferencesFile(tmp_path).now
    assert (now.theme, now.sound, now.preset) == ("light", True, "full")
    assert now.values == {"depth.max_m": 3.5, "refine.denies": True}
    assert isinstance(now.values["refine.denies"], bool)
    assert [file.name for file in tmp_path.iterdir()] == ["preferences.json"]


def test_without_a_file_all_is_as_usual_and_nothing_is_written(tmp_path):
    file = PreferencesFile(tmp_path / "none")
    assert (file.now, file.note) == (Preferences(), "")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b"null",
        b"[" * 100_000,
        b'{"version": 2, "theme": "dark"}',
        b'{"theme": "dark"}',
        b'{"version": 1, "theme": "pink"}',
        b'{"version": 1, "colour": 1}',
        b'{"version": 1, "values": {"depth.max_m": [1]}}',
    ],
    ids=range(11),
)
def test_a_file_that_cannot_be_used_is_kept_aside(tmp_path, content):
    path = tmp_path / "preferences.json"
    for number in (1, 2):
        path.write_bytes(content)
        file = PreferencesFile(tmp_path)
        assert file.now == Preferences()
        assert f"kept-{number}" in file.note
        assert (tmp_path / f"preferences.json.kept-{number}").read_bytes() == content
    file.change(theme="dark")
    assert PreferencesFile(tmp_path).now.theme == "dark"


def test_a_value_that_is_not_allowed_changes_nothing(tmp_path):
    file = PreferencesFile(tmp_path)
    file.change(theme="dark")
    before = file.path.read_bytes()
    for changes in ({"theme": "pink"}, {"them": "dark"}, {"theme": "light", "sound": "loud"}):
        with pytest.raises(BadInput):
            file.change(**changes)
    assert (file.now.theme, file.path.read_bytes()) == ("dark", before)


def test_what_cannot_be_written_does_not_count(tmp_path):
    (tmp_path / "home").write_text("a file where the folder should be")
    file = PreferencesFile(tmp_path / "home")
    with pytest.raises(CannotWrite, match="preferences"):
        file.change(theme="dark")
    assert file.now == Preferences()


@needs_rights
def test_a_folder_without_permission_is_a_fault(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(CannotWrite, match="ermission"):
        PreferencesFile(tmp_path).change(theme="dark")
    tmp_path.chmod(0o700)


def test_one_variable_moves_everything(tmp_path, monkeypatch):
    monkeypatch.setenv("FINESCAN_HOME", str(tmp_path))
    assert config_folder() == tmp_path
    assert scans_folder(Preferences()) == tmp_path / "scans"
    chosen = Preferences(scans_folder=str(tmp_path / "other"))
    assert scans_folder(chosen) == tmp_path / "other"


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have other places")
def test_without_the_variable_files_lie_where_the_system_keeps_them(tmp_path, monkeypatch):
    monkeypatch.delenv("FINESCAN_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    assert config_folder() == tmp_path / ".config" / "finescan"
    assert scans_folder(Preferences()) == tmp_path / "Finescan"
    assert scans_folder(Preferences(scans_folder="~/x")) == tmp_path / "x"


def test_the_file_says_its_version(tmp_path):
    file = PreferencesFile(tmp_path)
    file.change(sound=False)
    assert json.loads(file.path.read_text())["version"] == 1
