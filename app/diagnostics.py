"""Which Finescan this is, on what machine, and what it costs."""

import os
import platform
import subprocess
from functools import lru_cache
from pathlib import Path

import psutil

VERSION = "0.1.0"
ROOT = Path(__file__).resolve().parents[1]


@lru_cache(maxsize=1)
def version() -> str:
    """Return the version, with the commit where this is a checkout."""
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--dirty"],
            cwd=ROOT, capture_output=True, text=True, timeout=5, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return VERSION
    return f"{VERSION}+{found.stdout.strip()}"


def machine() -> dict[str, str | int]:
    """Return what figures were measured on."""
    return {
        "system": f"{platform.system()} {platform.release()}",
        "processor": _processor(),
        "cores": os.cpu_count() or 1,
        "python": platform.python_version(),
    }


def memory() -> dict[str, int]:
    """Return how much memory there is and how much this process has of it, in MB."""
    whole = psutil.virtual_memory()
    return {
        "memory_mb": whole.total >> 20,
        "memory_free_mb": whole.available >> 20,
        "memory_used_mb": psutil.Process().memory_info().rss >> 20,
    }


def peak_rss_mb() -> float:
    """Return the largest memory this process ever had resident, 0 where the system cannot tell."""
    try:
        # Not getrusage: a child process starts with its parent's peak there.
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    memory = psutil.Process().memory_info()
    return float(getattr(memory, "peak_wset", memory.rss)) / 2**20


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
