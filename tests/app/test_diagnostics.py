import json
import subprocess
import sys
import tomllib

import psutil
import pytest

from app import diagnostics
from app.diagnostics import ROOT, VERSION, machine, peak_rss_mb, version


@pytest.fixture
def fresh():
    version.cache_clear()
    yield
    version.cache_clear()


def test_the_version_is_that_of_the_package():
    package = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert package["project"]["version"] == VERSION
    assert version().startswith(VERSION)


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize(
    "error", [FileNotFoundError("git"), subprocess.CalledProcessError(128, "git")]
)
def test_outside_a_checkout_the_version_stands_alone(monkeypatch, error):
    def refuse(*arguments, **options):
        raise error

    monkeypatch.setattr(diagnostics.subprocess, "run", refuse)
    assert version() == VERSION


def test_the_machine_can_be_named_in_json():
    row = json.loads(json.dumps(machine()))
    assert row["cores"] >= 1
    assert row["processor"]
    assert row["python"] == ".".join(map(str, sys.version_info[:3]))


def test_the_peak_is_never_below_what_is_used_now():
    now_mb = psutil.Process().memory_info().rss / 2**20
    assert peak_rss_mb() >= 0.95 * now_mb


def test_the_peak_remembers_memory_that_was_given_back():
    code = (
        "from app.diagnostics import peak_rss_mb\n"
        "before = peak_rss_mb()\n"
        "held = b'x' * (100 << 20)\n"
        "del held; print(peak_rss_mb() - before)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert 90 < float(done.stdout) < 200


def test_where_the_system_keeps_no_record_the_use_of_now_is_told(monkeypatch):
    def missing(self, *arguments, **options):
        raise FileNotFoundError(self)

    monkeypatch.setattr(diagnostics.Path, "read_text", missing)
    now_mb = psutil.Process().memory_info().rss / 2**20
    assert peak_rss_mb() == pytest.approx(now_mb, rel=0.2)
    assert machine()["processor"]
