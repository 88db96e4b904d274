import io
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from engine.core.faults import BadInput
from engine.evaluation.parity import fixture
from engine.evaluation.parity.fixture import read_arrays

ARRAYS = {
    "grid": np.arange(24.0, dtype=np.float32).reshape(2, 3, 4),
    "columns first": np.asfortranarray(np.arange(6).reshape(2, 3)),
    "one": np.float64(0.04),
    "none": np.zeros((0, 3), np.uint8),
    "words": np.array(["a", "bcd"]),
    "big-endian": np.arange(3, dtype=">i4"),
}


def claims(path: Path, shape: tuple[int, ...], content: bytes, descr: str = "<f4") -> None:
    """Write an archive of one array whose header says that it has this shape."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": descr, "fortran_order": False, "shape": shape}
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("grid.npy", header.getvalue() + content)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_come_back_and_can_be_written_to(tmp_path, save):
    save(tmp_path / "a.npz", **ARRAYS)
    found = read_arrays(tmp_path, "a.npz").values
    assert found.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert found[name].dtype == array.dtype
        assert found[name].flags.writeable
        np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize("shape", [(2,), (2**40,), (2**62, 2**62), (-1,)])
def test_a_claim_beyond_the_bytes_takes_no_memory(tmp_path, shape):
    claims(tmp_path / "a.npz", shape, b"1234")
    tracemalloc.start()
    try:
        with pytest.raises(BadInput, match=r"a\.npz of the fixture cannot be read"):
            read_arrays(tmp_path, "a.npz")
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_an_archive_that_unpacks_to_too_much_is_refused_unread(tmp_path, monkeypatch):
    claims(tmp_path / "a.npz", (2**20,), bytes(2**22))
    assert read_arrays(tmp_path, "a.npz")["grid"].size == 2**20
    monkeypatch.setattr(fixture, "LARGEST_BYTES", 2**22)
    with pytest.raises(BadInput, match="unpacks to 4 MB"):
        read_arrays(tmp_path, "a.npz")


def test_python_objects_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", grid=np.array([{}, None], dtype=object))
    with pytest.raises(BadInput, match="pickled"):
        read_arrays(tmp_path, "a.npz")
    # Also where the bytes are as many as pointers would need.
    claims(tmp_path / "a.npz", (2,), bytes(16), "|O")
    with pytest.raises(BadInput, match="pickled"):
        read_arrays(tmp_path, "a.npz")


def test_a_bare_array_is_no_archive(tmp_path):
    with (tmp_path / "a.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(BadInput, match="cannot be read"):
        read_arrays(tmp_path, "a.npz")
