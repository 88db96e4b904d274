import io
import os
import pickle
import struct
import time
import tracemalloc
from collections import OrderedDict, defaultdict
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pytest

from engine.core.faults import BadInput
from engine.weights import unpickle
from engine.weights.names import Name
from engine.weights.unpickle import Opaque, Storage, TensorRef, read_pickle
from tests.weights.files import Calls

PROTOCOLS = range(6)
FLOATS = Name("torch", "FloatStorage")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_data_of_every_protocol_comes_out_as_it_went_in(protocol):
    value = {
        "numbers": [0, -1, 255, 256, 70000, 2**40, -(2**70), 1.5, float("inf")],
        "text": ["", "ä€", "x" * 300],
        "logic": (True, False, None),
        "pair": (1, (2,), ()),
        "nested": {"a": {"b": {}}},
        "again": [["same"]] * 3,
        7: "number as key",
    }
    assert read_pickle(pickle.dumps(value, protocol)) == value


@pytest.mark.parametrize("protocol", range(2, 6))
def test_library_types_become_tables_or_stay_closed(protocol):
    value = {
        "ordered": OrderedDict(a=1, b=2),
        "path": PurePosixPath("/x"),
        "set": frozenset({1}),
        "bytes": b"abc",
    }
    found = read_pickle(pickle.dumps(value, protocol))
    assert found["ordered"] == {"a": 1, "b": 2}
    assert isinstance(found["path"], Opaque)
    assert found["path"].name.name == "PurePosixPath"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_harmless_types_may_be_mentioned(protocol):
    # Protocol 2, which torch.save uses, calls some of them by their Python 2 names.
    value = [range(3), defaultdict(int), defaultdict(str), slice(1, 2), 1 + 2j, Any]
    found = read_pickle(pickle.dumps(value, protocol))
    assert len(found) == len(value)


@pytest.mark.parametrize("protocol", range(2, 6))
def test_numpy_arrays_stay_closed(protocol):
    found = read_pickle(pickle.dumps([np.arange(3.0), np.float64(3)], protocol))
    assert all(isinstance(each, Opaque) for each in found)


def test_python_2_ordered_dict_is_a_table():
    # Python 2 hands over the items as the argument: OrderedDict([["a", 1]]).
    data = b"ccollections\nOrderedDict\n((lp0\n(lp1\nS'a'\naI1\naatR."
    assert read_pickle(data) == {"a": 1}


def foreign(name: str, state: bytes = b"}") -> bytes:
    """Return a pickle of an object of a class that is installed nowhere."""
    module, _, cls = name.rpartition(".")
    return f"\x80\x02c{module}\n{cls}\n)\x81".encode("latin-1") + state + b"b."


@pytest.mark.parametrize(
    "name",
    [
        "box.box.Box",
        "omegaconf.dictconfig.DictConfig",
        "my.config",
        "pytorch_lightning.callbacks.X.Y",
        "a.B",
    ],
)
def test_objects_of_foreign_classes_are_left_closed(name):
    found = read_pickle(foreign(name))
    assert str(found.name) == name


def test_items_given_to_foreign_objects_are_dropped():
    data = b"\x80\x02cbox\nBox\n)\x81(X\x01\x00\x00\x00aK\x01u(K\x01K\x02eK\x05a."
    assert read_pickle(data) == Opaque(Name("box", "Box"))


EVIL = {
    "os.system by GLOBAL": b"cos\nsystem\n(X\x02\x00\x00\x00lstR.",
    "posix.system": b"cposix\nsystem\n(X\x02\x00\x00\x00lstR.",
    "nt.system": b"cnt\nsystem\n(X\x02\x00\x00\x00lstR.",
    "os.system by STACK_GLOBAL": b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x02ls\x85R.",
    "os.system by INST": b"(X\x02\x00\x00\x00lsios\nsystem\n.",
    "os.system by OBJ": b"(cos\nsystem\nX\x02\x00\x00\x00lso.",
    "builtins.exec": b"cbuiltins\nexec\n(X\x04\x00\x00\x00passtR.",
    "Python 2 eval": b"c__builtin__\neval\n(X\x01\x00\x00\x001tR.",
    "builtins.getattr": b"cbuiltins\ngetattr\n(NNtR.",
    "subprocess.Popen": b"csubprocess\nPopen\n(X\x02\x00\x00\x00lstR.",
    "subprocess.Popen by NEWOBJ": b"\x80\x02csubprocess\nPopen\n)\x81.",
    "subprocess.Popen by NEWOBJ_EX": b"\x80\x04csubprocess\nPopen\n)}\x92.",
    "runpy": b"crunpy\nrun_path\n(X\x01\x00\x00\x00xtR.",
    "torch.hub": b"ctorch.hub\nload\n(X\x01\x00\x00\x00xtR.",
    "torch.load of bytes": b"ctorch.storage\n_load_from_bytes\n(B\x01\x00\x00\x00xtR.",
    "torch.serialization.os": b"ctorch.serialization\nos.system\n(X\x01\x00\x00\x00xtR.",
    "numpy's runstring": b"cnumpy.testing._private.utils\nrunstring\n(NNtR.",
    "pip.main": b"cpip\nmain\n(NtR.",
    "functools.partial": b"cfunctools\npartial\n(NtR.",
    "operator.attrgetter": b"coperator\nattrgetter\n(NtR.",
    "types.CodeType": b"ctypes\nCodeType\n(NtR.",
    "a class method": b"csome.library\nThing.run\n(NtR.",
    "a hidden function": b"csome.library\n__run\n(NtR.",
    "subprocess through a library": b"csome.library.subprocess\nPopen\n(NtR.",
    "a call of a call": b"csome.library\nThing\n)R)R.",
    "mentioned, never called": b"cos\nsystem\n.",
    "setattr by BUILD": b"cos\nenviron\n(}}tb.",
}


@pytest.mark.parametrize("data", EVIL.values(), ids=EVIL.keys())
def test_code_is_refused_by_name(data):
    with pytest.raises(BadInput, match="carries code") as refused:
        read_pickle(data)
    assert "Nothing of it was run" in refused.value.says


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_reduce_of_a_function_is_refused_and_not_run(protocol, tmp_path):
    touched = tmp_path / "touched"
    for function in (os.system, exec, eval, os.mkdir):
        argument = str(touched) if function is os.mkdir else f"touch {touched}"
        value = {"hyper_parameters": {"deep": [Calls(function, argument)]}}
        with pytest.raises(BadInput, match="carries code"):
            read_pickle(pickle.dumps(value, protocol))
    assert not touched.exists()


@pytest.mark.parametrize(
    "data",
    [b"\x80\x02\x82\x01.", b"\x80\x02\x83\x01\x00.", b"\x80\x02\x84\x01\x00\x00\x00.",
     b"Psomething\n.", b"\x80\x05\x97.", b"\x80\x05\x97\x98."],
    ids=["EXT1", "EXT2", "EXT4", "PERSID", "NEXT_BUFFER", "READONLY_BUFFER"],
)  # fmt: skip
def test_instructions_that_torch_never_writes_are_refused(data):
    with pytest.raises(BadInput, match="never writes"):
        read_pickle(data)


def storage_id(key: str = "0", count: int = 12, kind: str = "storage", dtype=b"FloatStorage"):
    """Return pickle instructions for a storage."""
    text = [f"X{''}".encode() + struct.pack("<I", len(t)) + t.encode() for t in (kind, key, "cpu")]
    number = b"J" + struct.pack("<i", count)
    return b"(" + text[0] + b"ctorch\n" + dtype + b"\n" + text[1] + text[2] + number + b"tQ"


def tensor(offset: int, shape: tuple, stride: tuple, **storage) -> bytes:
    """Return a pickle of one tensor."""

    def ints(values):
        return b"(" + b"".join(b"I%d\n" % v for v in values) + b"t"

    call = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage_id(**storage)
    return call + b"I%d\n" % offset + ints(shape) + ints(stride) + b"\x89NtR."


def test_tensors_are_described_and_not_built():
    found = read_pickle(tensor(2, (2, 5), (5, 1)))
    assert found == TensorRef(Storage("0", "float32", 12), 2, (2, 5), (5, 1))


@pytest.mark.parametrize(
    "data",
    [
        tensor(3, (2, 5), (5, 1)),
        tensor(0, (13,), (1,)),
        tensor(0, (2,), (12,)),
        tensor(-1, (2,), (1,)),
        tensor(0, (-2,), (1,)),
        tensor(0, (2,), (-1,)),
        tensor(0, (2, 2), (1,)),
        tensor(0, (1000000, 1000000), (0, 0)),
        tensor(0, (13,), (0,)),
        tensor(0, (1,) * 17, (1,) * 17),
        tensor(0, (2**60,), (1,)),
        tensor(0, (2,), (1,), count=-5),
        tensor(0, (2,), (1,), kind="module"),
        tensor(0, (2,), (1,), key="../../etc/passwd"),
        tensor(0, (2,), (1,), dtype=b"SecretStorage"),
    ],
)
def test_impossible_tensors_are_refused(data):
    with pytest.raises(BadInput, match="damaged"):
        read_pickle(data)


def test_empty_and_single_tensors_are_fine():
    assert read_pickle(tensor(12, (0,), (1,))).shape == (0,)
    assert read_pickle(tensor(11, (), ())).shape == ()


@pytest.mark.parametrize("protocol", range(1, 6))
def test_every_truncation_is_a_sentence(protocol):
    data = pickle.dumps({"a": [1, 2.0, "three", (4,)], "b": OrderedDict(c=1)}, protocol)
    for end in range(len(data)):
        with pytest.raises(BadInput):
            read_pickle(data[:end])


def bounded(data: bytes) -> float:
    """Return the megabytes that reading took; it must end in a fault or in data."""
    tracemalloc.start()
    begun = time.perf_counter()
    try:
        read_pickle(data)
    except BadInput:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert time.perf_counter() - begun < 60
    return peak / 2**20


@pytest.mark.parametrize(("opening", "closing"), [(b"(", b"t"), (b"(", b"l"), (b"", b"\x85")])
def test_nesting_fifty_thousand_deep_ends(opening, closing):
    found = read_pickle(opening * 50_000 + b"N" + closing * 50_000 + b".")
    depth = 0
    while found is not None:
        (found,) = found
        depth += 1
    assert depth == 50_000


def test_deep_tuples_as_keys_are_left_out():
    data = b"}" + b"N" + b"\x85" * 100_000 + b"K\x01s."
    assert read_pickle(data) == {}


def test_doubling_lists_share_their_content():
    # Each list holds the one before twice: 2 ** 60 leaves in a few hundred bytes.
    step = b"]q\x00(h\x01h\x01eq\x01"
    assert bounded(b"]q\x01" + step * 60 + b".") < 1


def test_a_huge_memo_number_takes_no_memory():
    assert bounded(b"Nr\xff\xff\xff\xff.") < 1


def test_claimed_lengths_are_not_believed():
    for data in (
        b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b"x",
        b"\x80\x04\x8d" + struct.pack("<Q", 2**62) + b"x",
        b"\x80\x05\x96" + struct.pack("<Q", 2**62) + b"x",
        b"\x80\x02\x8b" + struct.pack("<i", 2**31 - 1) + b"x",
        b"X" + struct.pack("<I", 2**32 - 1) + b"x",
    ):
        assert bounded(data) < 1
        with pytest.raises(BadInput):
            read_pickle(data)


def test_endless_tables_are_refused(monkeypatch):
    monkeypatch.setattr(unpickle, "MOST_INSTRUCTIONS", 1000)
    with pytest.raises(BadInput, match="instructions"):
        read_pickle(b"N0" * 2000 + b"N.")
    monkeypatch.setattr(unpickle, "LARGEST_PICKLE_BYTES", 100)
    with pytest.raises(BadInput, match="far more"):
        read_pickle(io.BytesIO(b"N" * 200).read())
