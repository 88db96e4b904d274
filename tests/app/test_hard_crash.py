"""Crashes of the whole process: written down, reported at the next start, and only once."""

import subprocess
import sys
import zipfile

import psutil

from app.hard_crash import RUNNING, reports_of_crashes, traced

DIES = """
import ctypes, sys
from pathlib import Path
from app.hard_crash import traced

def into_nothing():
    ctypes.string_at(0)

with traced(Path(sys.argv[1])):
    into_nothing()
"""


def test_a_crash_is_reported_once_with_the_place_where_it_happened(tmp_path):
    folder = tmp_path / "crashes"
    done = subprocess.run([sys.executable, "-c", DIES, str(folder)], capture_output=True)
    assert done.returncode < 0
    (report,) = reports_of_crashes(folder)
    with zipfile.ZipFile(report) as bundle:
        told = bundle.read("traceback.txt").decode()
    assert "Segmentation fault" in told
    assert "in into_nothing" in told
    assert reports_of_crashes(folder) == []


def test_an_end_in_order_leaves_nothing(tmp_path):
    with traced(tmp_path / "crashes"):
        (own,) = (tmp_path / "crashes").iterdir()
        # It runs: no business of another window's.
        own.write_text("not yet")
        assert reports_of_crashes(tmp_path / "crashes") == []
    assert list((tmp_path / "crashes").iterdir()) == []


def test_what_ended_without_a_word_is_forgotten(tmp_path):
    number = max(psutil.pids()) + 1000
    (tmp_path / f"{RUNNING}{number}.txt").write_text("")
    assert reports_of_crashes(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_without_a_place_to_write_to_the_program_runs_all_the_same(tmp_path):
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")
    ran = []
    with traced(in_the_way):
        ran.append(1)
    assert ran
    assert reports_of_crashes(in_the_way) == []
