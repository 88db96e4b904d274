import contextlib
import struct

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.core.faults import BadInput, CannotWrite, Fault
from engine.weights.store import load, save

TENSORS = {"a.weight": torch.arange(6.0).reshape(2, 3), "n": torch.tensor(3)}


def written(folder):
    path = folder / "deep" / "weights.safetensors"
    save(path, "finerecon", {"width": 3, "more": [1, 2]}, TENSORS, {"licence": "ours"})
    return path


def test_what_is_saved_is_loaded(tmp_path):
    path = written(tmp_path)
    stored = load(path)
    assert stored.network == "finerecon"
    assert stored.config == {"width": 3, "more": [1, 2]}
    assert stored.metadata == {"licence": "ours"}
    assert stored.tensors.keys() == TENSORS.keys()
    assert all(torch.equal(stored.tensors[name], value) for name, value in TENSORS.items())
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_views_and_shared_tensors_are_saved(tmp_path):
    whole = torch.arange(6.0)
    path = tmp_path / "w.safetensors"
    tensors = {"a": whole, "b": whole, "c": whole[::2], "d": whole.reshape(2, 3).t()}
    save(path, "x", {}, tensors, {})
    found = load(path).tensors
    assert all(torch.equal(found[name], value) for name, value in tensors.items())


def test_a_failed_write_leaves_the_older_file(tmp_path, monkeypatch):
    path = written(tmp_path)
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("engine.weights.store.save_file", full)
    with pytest.raises(CannotWrite, match="cannot be written"):
        save(path, "gtr", {}, TENSORS, {})
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_pickle_under_our_name_is_refused(tmp_path):
    path = tmp_path / "weights.safetensors"
    torch.save({"a": torch.ones(1)}, path)
    with pytest.raises(BadInput, match="no safetensors"):
        load(path)


def test_a_huge_header_is_refused(tmp_path, monkeypatch):
    path = written(tmp_path)
    monkeypatch.setattr("engine.weights.store.LARGEST_HEADER_BYTES", 20)
    with pytest.raises(BadInput, match="header larger"):
        load(path)


def test_files_of_others_are_sent_to_import(tmp_path):
    from safetensors.torch import save_file

    path = tmp_path / "a.safetensors"
    save_file({"a": torch.ones(1)}, path)
    with pytest.raises(BadInput, match="which network"):
        load(path)


def test_a_missing_file_is_a_sentence(tmp_path):
    with pytest.raises(BadInput, match="cannot be read"):
        load(tmp_path / "none.safetensors")


@pytest.mark.parametrize("header", [b'{"a":1}', b"{" + b'"a":' * 50 + b"}", b"{}", b"{\xff}"])
def test_broken_headers_are_refused(tmp_path, header):
    path = tmp_path / "a.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    with pytest.raises(BadInput):
        load(path)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_changed_files_load_or_give_a_fault(tmp_path, data):
    path = written(tmp_path)
    content = bytearray(path.read_bytes())
    content = content[: data.draw(st.integers(0, len(content)))]
    for _ in range(data.draw(st.integers(0, 4)) if content else 0):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    with contextlib.suppress(Fault):
        load(path)
