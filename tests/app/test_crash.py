"""Crash reports: made once a kind, complete, and discreet."""

import json
import logging
import sys
import threading
import zipfile
from pathlib import Path

import pytest

from app import crash
from app.crash import CrashKeeper, crash_folder, discreet, nothing_silent, write_report


@pytest.fixture
def keeper_of(tmp_path):
    logger = logging.getLogger("tests.crash")
    logger.propagate = False
    made = []

    def make(folder=tmp_path / "reports"):
        told = []
        keeper = CrashKeeper(folder, lambda: ["one line", "another"], told.append)
        made.append(keeper)
        logger.addHandler(keeper)
        return logger, told

    yield make
    for keeper in made:
        logger.removeHandler(keeper)


def fail_with(logger, error):
    try:
        raise error
    except type(error):
        logger.exception("It failed.")


def contents(path):
    with zipfile.ZipFile(path) as bundle:
        assert bundle.testzip() is None
        return {name: bundle.read(name).decode() for name in bundle.namelist()}


def test_an_error_with_a_traceback_makes_a_report(keeper_of):
    logger, told = keeper_of()
    fail_with(logger, ZeroDivisionError("by nought"))
    [path] = told
    found = contents(path)
    assert "ZeroDivisionError: by nought" in found["traceback.txt"]
    assert "fail_with" in found["traceback.txt"]
    assert found["log.txt"] == "one line\nanother\n"
    about = json.loads(found["machine.json"])
    assert about["memory_mb"] > about["memory_used_mb"] > 0
    assert about["libraries"]["numpy"].count(".") == 2
    assert {"version", "system", "cores"} <= set(about)


def test_a_traceback_within_the_text_counts_as_well(keeper_of):
    logger, told = keeper_of()
    logger.error("map: failed\n%s:\n  File x, line 1\nKeyError: 3", crash.TRACEBACK)
    assert "KeyError: 3" in contents(told[0])["traceback.txt"]


def test_errors_without_a_traceback_and_lesser_ones_make_none(keeper_of):
    logger, told = keeper_of()
    logger.error("The disk is full.")
    logger.warning("A traceback: %s", crash.TRACEBACK)
    assert told == []


def test_one_report_a_kind_and_few_in_all(keeper_of):
    logger, told = keeper_of()
    for _ in range(20):
        fail_with(logger, ValueError("the same"))
    assert len(told) == 1
    for number in range(20):
        fail_with(logger, ValueError(f"number {number}"))
    assert len(told) == crash.AT_MOST_NOW


def test_a_folder_that_cannot_be_written_is_told_and_raises_nothing(keeper_of, tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    logger, told = keeper_of(tmp_path / "file" / "reports")
    fail_with(logger, ValueError("again"))
    assert told == [None]
    assert "No crash report" in capsys.readouterr().err


def test_the_home_folder_is_not_told(tmp_path, monkeypatch):
    home = tmp_path / "home" / "Ada Lovelace"
    monkeypatch.setattr(Path, "home", lambda: home)
    path = write_report(
        tmp_path / "out",
        f'File "{home}/scan.py", line 1',
        [f"opened {home}/room"],
        {"scans_folder": str(home / "scans")},
    )
    for name, text in contents(path).items():
        assert "Lovelace" not in text, name
    assert contents(path)["log.txt"] == "opened ~/room\n"
    assert "~" in contents(path)["settings.json"]


def test_a_home_that_is_the_root_of_the_disk_does_not_eat_every_slash(monkeypatch):
    monkeypatch.setattr(Path, "home", lambda: Path("/"))
    assert discreet("/a/b") == "/a/b"


def test_old_reports_make_room(tmp_path):
    made = [write_report(tmp_path, f"{n}", [], {}) for n in range(crash.AT_MOST_KEPT + 3)]
    assert sorted(tmp_path.iterdir()) == made[3:]


def test_reports_lie_where_the_user_said(monkeypatch, tmp_path):
    monkeypatch.setenv("FINESCAN_HOME", str(tmp_path))
    assert crash_folder() == tmp_path / "crashes"
    monkeypatch.delenv("FINESCAN_HOME")
    assert "finescan" in str(crash_folder())


def test_errors_on_any_thread_are_logged_and_told(caplog):
    told, interrupts = [], []
    hooks = sys.excepthook, threading.excepthook, sys.unraisablehook

    def fail():
        raise LookupError("on a thread")

    with nothing_silent(told.append, lambda: interrupts.append(1)):
        worker = threading.Thread(target=fail)
        worker.start()
        worker.join()
        error = ZeroDivisionError("in a slot")
        sys.excepthook(ZeroDivisionError, error, None)
        sys.excepthook(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert (sys.excepthook, threading.excepthook, sys.unraisablehook) == hooks
    assert [str(error) for error in told] == ["on a thread", "in a slot"]
    assert interrupts == [1]
    assert [r.exc_info[0] for r in caplog.records] == [LookupError, ZeroDivisionError]
