"""Checkpoints made for tests: a small network's, and hostile ones."""

import functools
import pickle
import zipfile
from pathlib import Path

import torch

from engine.nets.finerecon.config import FineReconConfig, StageConfig
from engine.nets.finerecon.model import FineRecon

SMALL = FineReconConfig(
    image_feature_dim=6,
    backbone_stem=4,
    backbone_stages=(
        StageConfig(4, 1, 1),
        StageConfig(4, 1, 2),
        StageConfig(8, 1, 2),
        StageConfig(8, 1, 2),
    ),
    unet_widths=(4, 4, 8),
    unet_up_widths=(4, 4, 4),
    unet_blocks=1,
    head_width=4,
    head_blocks=1,
    point_blocks=1,
)


@functools.cache
def small_state() -> dict[str, torch.Tensor]:
    torch.manual_seed(3)
    return FineRecon(SMALL).state_dict()


class Calls:
    """Pickles as the call of anything with anything."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


def write_archive(path: Path, table: bytes, entries: dict[str, bytes], **options) -> Path:
    """Write a torch archive with this pickle and these other entries."""
    with zipfile.ZipFile(path, "w", **options) as archive:
        archive.writestr("archive/data.pkl", table)
        for name, content in entries.items():
            archive.writestr(f"archive/{name}", content)
    return path


def with_table(source: Path, path: Path, table: bytes) -> Path:
    """Write a torch archive again with another pickle."""
    with zipfile.ZipFile(source) as archive:
        entries = {
            name.partition("/")[2]: archive.read(name)
            for name in archive.namelist()
            if not name.endswith("/data.pkl")
        }
    return write_archive(path, table, entries)


def table_of(path: Path) -> bytes:
    """Return the pickle of a torch archive."""
    with zipfile.ZipFile(path) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith("/data.pkl"))
        return archive.read(name)


def in_front_of(table: bytes, evil: bytes) -> bytes:
    """Return a pickle whose instructions run `evil` first and then give the honest content."""
    assert table[:2] == b"\x80\x02"
    body = evil[2:] if evil[:1] == b"\x80" else evil
    assert body.endswith(b".")
    return b"\x80\x02" + body[:-1] + b"0" + table[2:]


def dumps(value, protocol: int = 2) -> bytes:
    return pickle.dumps(value, protocol)
