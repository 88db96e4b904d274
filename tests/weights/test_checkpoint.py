import pickle
import resource
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.core.faults import BadInput, Fault
from engine.weights import checkpoint
from engine.weights.opened import open_checkpoint
from tests.weights.files import dumps, table_of, with_table, write_archive


def read_all(path, scratch) -> dict[str, torch.Tensor]:
    """Return every tensor of the likeliest tree of a file."""
    with open_checkpoint(path, scratch) as opened:
        names = list(opened.trees[0])
        return {name: opened.tensor(0, name) for name in opened.in_order(0, names)}


def everything() -> dict[str, torch.Tensor]:
    """Return tensors of all kinds that torch stores, odd views included."""
    whole = torch.arange(24.0).reshape(2, 3, 4)
    return {
        "whole": whole,
        "turned": whole.permute(2, 0, 1),
        "part": whole[1, 1:, ::2],
        "scalar": torch.tensor(3, dtype=torch.int64),
        "empty": torch.zeros(0, 3),
        "parameter": torch.nn.Parameter(torch.ones(2)),
        "half": torch.tensor([1.5, -2], dtype=torch.float16),
        "bfloat": torch.tensor([1.5, -2], dtype=torch.bfloat16),
        "double": torch.tensor([1e300], dtype=torch.float64),
        "bytes": torch.tensor([255], dtype=torch.uint8),
        "signed": torch.tensor([-128], dtype=torch.int8),
        "short": torch.tensor([-300], dtype=torch.int16),
        "int": torch.tensor([-70000], dtype=torch.int32),
        "bool": torch.tensor([True, False]),
    }


@pytest.mark.parametrize("protocol", range(1, 6))
def test_what_torch_saved_comes_back_bit_for_bit(tmp_path, protocol):
    path = tmp_path / "all.ckpt"
    torch.save({"state_dict": everything()}, path, pickle_protocol=protocol)
    found = read_all(path, tmp_path)
    assert found.keys() == everything().keys()
    for name, value in everything().items():
        assert found[name].dtype == value.dtype
        assert torch.equal(found[name], value), name
        assert found[name].is_contiguous()


def test_tensors_with_attributes_are_read(tmp_path):
    value = torch.ones(3)
    value.note = "an attribute makes torch write the tensor in another way"
    path = tmp_path / "noted.pt"
    torch.save({"a": value}, path)
    assert b"_rebuild_from_type" in table_of(path)
    assert torch.equal(read_all(path, tmp_path)["a"], torch.ones(3))


def test_sub_trees_are_preferred_and_flattened(tmp_path):
    path = tmp_path / "gtr.pth"
    pipeline = {"field": {"w": torch.ones(1)}, "generator": {"v": torch.ones(2)}}
    torch.save({"pipeline": pipeline, "optimisers": {"x": torch.ones(3)}}, path)
    assert read_all(path, tmp_path).keys() == {"field.w", "generator.v"}


@pytest.mark.parametrize("content", [[1, 2], {"a": 1}, torch.ones(2)])
def test_archives_without_named_tensors_are_refused(tmp_path, content):
    path = tmp_path / "none.pt"
    torch.save(content, path)
    with pytest.raises(BadInput, match="holds no"):
        read_all(path, tmp_path)


def test_safetensors_are_read_as_well(tmp_path):
    from safetensors.torch import save_file

    path = tmp_path / "a.safetensors"
    save_file({"w": torch.arange(4.0)}, path)
    assert torch.equal(read_all(path, tmp_path)["w"], torch.arange(4.0))


def test_a_zip_that_holds_a_checkpoint_is_unpacked_and_cleared_away(tmp_path):
    inner = tmp_path / "inner.ckpt"
    torch.save({"w": torch.rand(5000)}, inner)
    outer = tmp_path / "checkpoint.zip"
    with zipfile.ZipFile(outer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("__MACOSX/._last.ckpt", b"rubbish")
        archive.writestr("notes.txt", b"hello")
        archive.write(inner, "logs/last.ckpt")
    scratch = tmp_path / "scratch"
    assert torch.equal(read_all(outer, scratch)["w"], torch.load(inner)["w"])
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize("count", [0, 2])
def test_a_zip_must_hold_exactly_one(tmp_path, count):
    outer = tmp_path / "checkpoint.zip"
    with zipfile.ZipFile(outer, "w") as archive:
        archive.writestr("read.me", b"")
        for number in range(count):
            archive.writestr(f"{number}.ckpt", b"")
    with pytest.raises(BadInput, match=f"holds {count} checkpoints"):
        read_all(outer, tmp_path)


def test_a_zip_bomb_is_not_unpacked(tmp_path):
    outer = tmp_path / "bomb.zip"
    with zipfile.ZipFile(outer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.ckpt", bytes(50_000_000))
    scratch = tmp_path / "scratch"
    with pytest.raises(BadInput, match="more than any checkpoint"):
        read_all(outer, scratch)
    assert not scratch.exists()


def test_packed_entries_are_refused(tmp_path):
    table = dumps({"w": 1})
    path = write_archive(
        tmp_path / "a.ckpt", table, {"data/0": bytes(10**7)}, compression=zipfile.ZIP_DEFLATED
    )
    with pytest.raises(BadInput, match="packed"):
        read_all(path, tmp_path)


def patched(path, table_index: int, offset: int, value: bytes) -> None:
    """Overwrite bytes of an entry's record in the directory of an archive."""
    content = bytearray(path.read_bytes())
    at = -1
    for _ in range(table_index + 1):
        at = content.index(b"PK\x01\x02", at + 1)
    content[at + offset : at + offset + len(value)] = value
    path.write_bytes(content)


def test_sizes_beyond_the_file_are_refused_before_memory_is_taken(tmp_path):
    path = write_archive(tmp_path / "a.ckpt", dumps({"w": 1}), {"data/0": bytes(8)})
    patched(path, 1, 20, struct.pack("<II", 2**31, 2**31))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(BadInput, match="would unpack to 2048 MB"):
        read_all(path, tmp_path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


def test_entries_laid_over_each_other_are_refused(tmp_path):
    path = write_archive(tmp_path / "a.ckpt", dumps({}), {f"data/{n}": bytes(99) for n in range(9)})
    # All nine point at the first one's place: the sum of the sizes is that of a larger file.
    for number in range(1, 10):
        patched(path, number, 20, struct.pack("<II", 900, 900))
    with pytest.raises(BadInput):
        read_all(path, tmp_path)


def test_a_huge_directory_is_refused(tmp_path, monkeypatch):
    path = write_archive(tmp_path / "a.ckpt", dumps({}), {f"data/{n}": b"" for n in range(3000)})
    monkeypatch.setattr(checkpoint, "LARGEST_DIRECTORY_BYTES", 70_000)
    with pytest.raises(BadInput, match="directory is larger"):
        read_all(path, tmp_path)


def test_two_entries_of_one_name_are_refused(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate"):
        path = write_archive(tmp_path / "a.ckpt", dumps({}), {"data.pkl": dumps({})})
    with pytest.raises(BadInput, match="same name"):
        read_all(path, tmp_path)


def test_the_other_byte_order_is_refused(tmp_path):
    path = write_archive(tmp_path / "a.ckpt", dumps({}), {"byteorder": b"big"})
    with pytest.raises(BadInput, match="byte order"):
        read_all(path, tmp_path)


def test_compiled_programs_are_refused_as_code(tmp_path):
    path = tmp_path / "program.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("p/data.pkl", dumps({}))
        archive.writestr("p/code/__torch__.py", b"def forward(self): pass")
    with pytest.raises(BadInput, match="carries code"):
        read_all(path, tmp_path)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("archive/extra.pkl", "carries code"),
        ("archive/data/0.pkl", "carries code"),
        ("archive/hook.py", "carries code"),
        ("other/data.pkl", "none that torch wrote"),
        ("../outside", "torch never writes"),
        ("/tmp/outside", "torch never writes"),
    ],
)
def test_what_torch_writes_nothing_like_is_refused(tmp_path, name, says):
    path = tmp_path / "a.ckpt"
    torch.save({"w": torch.ones(10)}, path)
    content = Path("archive")
    with zipfile.ZipFile(path) as archive:
        entries = {
            str(content / Path(n).relative_to(Path(n).parts[0])): archive.read(n)
            for n in archive.namelist()
        }
    with zipfile.ZipFile(path, "w") as archive:
        for entry, data in {**entries, name: b"x"}.items():
            archive.writestr(entry, data)
    with pytest.raises(BadInput, match=says):
        read_all(path, tmp_path)


def test_a_second_pickle_behind_the_first_is_refused(tmp_path):
    path = write_archive(tmp_path / "a.ckpt", dumps({}) + dumps({}), {})
    with pytest.raises(BadInput, match="goes on after its end"):
        read_all(path, tmp_path)


@pytest.mark.parametrize("change", ["missing", "short"])
def test_missing_and_short_storages_are_refused(tmp_path, change):
    source = tmp_path / "a.ckpt"
    torch.save({"w": torch.ones(10)}, source)
    entries = {} if change == "missing" else {"data/0": bytes(39)}
    path = write_archive(tmp_path / "b.ckpt", table_of(source), entries)
    with pytest.raises(BadInput, match=r"missing|shorter"):
        read_all(path, tmp_path)


def test_flipped_numbers_are_noticed(tmp_path):
    path = tmp_path / "a.ckpt"
    torch.save({"w": torch.full((1000,), 1.25)}, path)
    content = bytearray(path.read_bytes())
    content[content.index(struct.pack("<f", 1.25) * 8) + 5] ^= 1
    path.write_bytes(content)
    with pytest.raises(BadInput, match="damaged"):
        read_all(path, tmp_path)


@pytest.mark.parametrize("protocol", [2, 4])
def test_torchs_old_format_and_bare_pickles_are_refused(tmp_path, protocol):
    old, bare = tmp_path / "old.pth", tmp_path / "bare.pkl"
    torch.save({"w": torch.ones(2)}, old, _use_new_zipfile_serialization=False)
    bare.write_bytes(pickle.dumps({"w": np.int64(1).item()}, protocol))
    for path in (old, bare):
        with pytest.raises(BadInput, match="without the archive"):
            read_all(path, tmp_path)


def test_a_bare_pickle_that_carries_code_is_called_that(tmp_path):
    path = tmp_path / "bare.ckpt"
    path.write_bytes(b"cos\nsystem\n(X\x02\x00\x00\x00lstR.")
    with pytest.raises(BadInput, match="carries code"):
        read_all(path, tmp_path)


@pytest.mark.parametrize("content", [b"", b"P", b"PK\x03\x04", b"hello world", bytes(100)])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "a.ckpt"
    path.write_bytes(content)
    with pytest.raises(BadInput):
        read_all(path, tmp_path)


def test_tables_that_hold_each_other_are_not_walked_for_ever(tmp_path):
    # 300 tables of 300 entries that are all the same table, four deep.
    level: dict = {}
    for _ in range(4):
        level = {f"k{n}": level for n in range(300)}
    path = write_archive(tmp_path / "a.ckpt", dumps({"state_dict": level}), {})
    with pytest.raises(BadInput, match="named values"):
        read_all(path, tmp_path)


def test_a_table_that_holds_itself_ends(tmp_path):
    own: dict = {}
    own["me"] = own
    path = write_archive(tmp_path / "a.ckpt", dumps(own), {})
    with pytest.raises(BadInput, match="no tensors"):
        read_all(path, tmp_path)


@pytest.fixture(scope="module")
def honest(tmp_path_factory):
    path = tmp_path_factory.mktemp("honest") / "a.ckpt"
    torch.save({"state_dict": everything(), "hyper_parameters": {"lr": 0.1}}, path)
    return path


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_cut_or_changed_files_give_tensors_or_a_fault(honest, tmp_path, data):
    content = honest.read_bytes()
    changed = bytearray(content[: data.draw(st.integers(0, len(content)), "end")])
    if data.draw(st.booleans(), "whole"):
        changed = bytearray(content)
    for _ in range(data.draw(st.integers(0, 8), "flips") if changed else 0):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    target = tmp_path / "changed.ckpt"
    target.write_bytes(changed)
    memory_is_bounded(lambda: read_all(target, tmp_path))


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_changed_tables_with_right_check_sums_give_tensors_or_a_fault(honest, tmp_path, data):
    changed = bytearray(table_of(honest))
    for _ in range(data.draw(st.integers(1, 6), "flips")):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    target = with_table(honest, tmp_path / "changed.ckpt", bytes(changed))
    memory_is_bounded(lambda: read_all(target, tmp_path))


def memory_is_bounded(read) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    says = "Nothing."
    try:
        read()
    except Fault as fault:
        says = fault.says
    assert says.endswith(".")
    assert "\n" not in says
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 150_000
