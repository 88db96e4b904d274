"""Pickles read as data: a stack machine that has no instruction for running anything.

Python's own unpickler imports what a file names and calls it. This one walks the same
instructions, but a name stays a `Name` and a call stays undone: the few functions that put tensors
together are understood here by their arguments, every other object becomes an `Opaque` without
content. Names that only code has a use for are refused (see `names`).
"""

import io
import math
import pickletools
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from engine.core.faults import BadInput
from engine.weights.names import Name, carries_code, check_call, check_mention

# A training checkpoint of a thousand tensors has some 300,000 instructions in a few megabytes.
LARGEST_PICKLE_BYTES = 64 * 2**20
MOST_INSTRUCTIONS = 2_000_000
MOST_AXES = 16

ELEMENT_TYPES = {
    "FloatStorage": "float32",
    "DoubleStorage": "float64",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
    "UntypedStorage": "uint8",
}
STORAGE_MODULES = ("torch", "torch.cuda", "torch.storage")


@dataclass(frozen=True, slots=True)
class Storage:
    """A run of `count` numbers stored under `key`; `dtype` is torch's name of their type."""

    key: str
    dtype: str
    count: int


@dataclass(frozen=True, slots=True)
class TensorRef:
    """Where the numbers of a tensor are; offset and strides count elements of the storage."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Opaque:
    """An object of a class that is not ours; what it held is left out."""

    name: Name


class _Mark:
    """Where a run of items on the stack begins."""


_MARK = _Mark()
# What may be a key. Others, such as tuples, are left out with their values: hashing a tuple
# nested a million deep would exhaust the stack of the process.
_KEYS = (str, int, float, bytes, Name, type(None))


def read_pickle(data: bytes, is_alone: bool = True) -> Any:
    """Return the content of a pickle: dicts, lists, tuples, numbers, text, and the classes above.

    Unless `is_alone`, more may follow it.

    Raises:
        BadInput: it carries code, is damaged, or is larger than any checkpoint needs.
    """
    if len(data) > LARGEST_PICKLE_BYTES:
        raise BadInput(
            f"The checkpoint's table of contents has {len(data) / 2**20:.0f} MB, "
            "far more than any network needs."
        )
    with warnings.catch_warnings():
        # Text with odd escapes is deprecated in source code; here it is just text.
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            return _run(data, is_alone)
        except (ValueError, LookupError, TypeError) as error:
            raise damaged("its table of contents is broken") from error


def _run(data: bytes, is_alone: bool) -> Any:
    machine = _Machine()
    for count, (code, argument, at) in enumerate(pickletools.genops(io.BytesIO(data))):
        if count > MOST_INSTRUCTIONS:
            raise BadInput(
                f"The checkpoint's table of contents has over {MOST_INSTRUCTIONS:,} "
                "instructions, far more than any network needs."
            )
        if code.name == "STOP":
            if is_alone and at is not None and at + 1 < len(data):
                raise damaged("its table of contents goes on after its end")
            return machine.pop()
        machine.step(code.name, argument)
    raise damaged("its table of contents has no end")


def damaged(how: str) -> BadInput:
    """Return the fault for a file that cannot be what it says it is."""
    return BadInput(f"The checkpoint is damaged or was cut off: {how}.", "Download it again.")


class _Machine:
    """The stack and the memory of one pickle."""

    def __init__(self) -> None:
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def step(self, code: str, argument: Any) -> None:
        """Do one instruction, named as in `pickletools`."""
        push = self._stack.append
        match code:
            case "PROTO" | "FRAME":
                pass
            case "NONE":
                push(None)
            case "NEWTRUE" | "NEWFALSE":
                push(code == "NEWTRUE")
            case "INT" | "BININT" | "BININT1" | "BININT2" | "LONG" | "LONG1" | "LONG4":
                push(argument)
            case "FLOAT" | "BINFLOAT":
                push(argument)
            case "STRING" | "BINSTRING" | "SHORT_BINSTRING":
                push(argument)
            case "UNICODE" | "BINUNICODE" | "SHORT_BINUNICODE" | "BINUNICODE8":
                push(argument)
            case "BINBYTES" | "SHORT_BINBYTES" | "BINBYTES8" | "BYTEARRAY8":
                push(bytes(argument))
            case "EMPTY_LIST" | "EMPTY_SET":
                push([])
            case "EMPTY_TUPLE":
                push(())
            case "EMPTY_DICT":
                push({})
            case "MARK":
                push(_MARK)
            case "POP":
                self._stack.pop()
            case "POP_MARK":
                self._since_mark()
            case "DUP":
                push(self._stack[-1])
            case "PUT" | "BINPUT" | "LONG_BINPUT":
                self._memo[int(argument)] = self._stack[-1]
            case "MEMOIZE":
                self._memo[len(self._memo)] = self._stack[-1]
            case "GET" | "BINGET" | "LONG_BINGET":
                push(self._memo[int(argument)])
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                items = [self.pop() for _ in range(int(code[-1]))]
                push(tuple(reversed(items)))
            case "TUPLE" | "FROZENSET":
                push(tuple(self._since_mark()))
            case "LIST":
                push(self._since_mark())
            case "DICT":
                push(_put({}, self._since_mark()))
            case "APPEND":
                self._extend([self.pop()])
            case "APPENDS" | "ADDITEMS":
                self._extend(self._since_mark())
            case "SETITEM":
                value, key = self.pop(), self.pop()
                _put(self._stack[-1], [key, value])
            case "SETITEMS":
                items = self._since_mark()
                _put(self._stack[-1], items)
            case "GLOBAL":
                push(_mention(*argument.split(" ", 1)))
            case "STACK_GLOBAL":
                name, module = self.pop(), self.pop()
                push(_mention(module, name))
            case "REDUCE":
                arguments, maker = self.pop(), self.pop()
                push(_made(maker, arguments))
            case "NEWOBJ" | "NEWOBJ_EX":
                if code == "NEWOBJ_EX":
                    self.pop()
                arguments, maker = self.pop(), self.pop()
                push(_new(maker, arguments))
            case "INST":
                push(_made(_mention(*argument.split(" ", 1)), tuple(self._since_mark())))
            case "OBJ":
                maker, *rest = self._since_mark()
                push(_made(maker, tuple(rest)))
            case "BUILD":
                self.pop()  # the state of an object, left out like its other content
            case "BINPERSID":
                push(_storage(self.pop()))
            case _:
                # EXT1 to EXT4 name a class by a number known only to the running process, PERSID
                # names it by text, buffers lie outside the file.
                raise BadInput(
                    f"The checkpoint uses the pickle instruction {code}, which torch never writes.",
                    "Do not use this file; take the one its authors publish.",
                )

    def pop(self) -> Any:
        """Return the topmost value."""
        value = self._stack.pop()
        if value is _MARK:
            raise ValueError("a mark where a value belongs")
        return value

    def _since_mark(self) -> list[Any]:
        items = []
        while (value := self._stack.pop()) is not _MARK:
            items.append(value)
        return items[::-1]

    def _extend(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if isinstance(target, list):
            target.extend(items)
        elif not isinstance(target, Opaque):
            raise TypeError("items for what is no list")


def _put(target: Any, items: list[Any]) -> Any:
    """Add keys and values, given in turn, to a dict; those of an opaque object are left out."""
    pairs = zip(items[::2], items[1::2], strict=True)
    if isinstance(target, dict):
        target.update((key, value) for key, value in pairs if isinstance(key, _KEYS))
    elif not isinstance(target, Opaque):
        raise TypeError("keys for what is no dict")
    return target


def _mention(module: str, name: str) -> Name:
    if not (isinstance(module, str) and isinstance(name, str)):
        raise TypeError("a name that is no text")
    mentioned = Name(module, name)
    check_mention(mentioned)
    return mentioned


def _made(maker: Any, arguments: Any) -> Any:
    """Return what a call would have made, as data."""
    if not isinstance(maker, Name):
        raise carries_code("an object that it puts together itself")
    if not isinstance(arguments, tuple):
        raise TypeError("arguments that are no tuple")
    check_call(maker)
    if maker in _FROM_TYPE:
        function, _, inner, *_ = arguments
        return _TENSORS[function](*inner)
    if maker in _TENSORS:
        return _TENSORS[maker](*arguments)
    if maker in _DICTS:
        # Python 2 hands over the items at once, Python 3 adds them afterwards.
        pairs = arguments[0] if arguments and isinstance(arguments[0], list) else []
        return _put({}, [part for pair in pairs for part in pair])
    return Opaque(maker)


def _new(maker: Any, arguments: Any) -> Any:
    """Return an object without content. Functions cannot be meant: only classes can be new."""
    if not isinstance(maker, Name):
        raise carries_code("an object that it puts together itself")
    return _made(maker, arguments) if maker in _DICTS else Opaque(maker)


def _storage(persistent_id: Any) -> Storage:
    kind, element_type, key, _, count, *_ = persistent_id
    if kind != "storage" or not isinstance(element_type, Name):
        raise TypeError("an outside object that is no storage")
    if element_type.module not in STORAGE_MODULES:
        raise TypeError("numbers of an unknown type")
    if not re.fullmatch(r"\w{1,32}", key) or not 0 <= count < 2**48:
        raise ValueError("a storage without place or size")
    return Storage(key, ELEMENT_TYPES[element_type.name], int(count))


def _tensor(storage: Any, offset: Any, shape: Any, stride: Any, *_: Any) -> TensorRef:
    """Return the tensor if every one of its numbers lies inside its storage."""
    if not isinstance(storage, Storage):
        raise TypeError("a tensor without numbers")
    axes = (tuple(shape), tuple(stride))
    numbers = (offset, *axes[0], *axes[1])
    if len(axes[0]) != len(axes[1]) or len(axes[0]) > MOST_AXES:
        raise ValueError("a tensor with shape and strides that do not fit each other")
    if not all(type(number) is int and 0 <= number < 2**48 for number in numbers):
        raise ValueError("a tensor with an impossible shape")
    count = math.prod(axes[0])
    last = offset + sum((n - 1) * step for n, step in zip(*axes, strict=True))
    # A tensor with more numbers than its storage repeats them, which no weight does.
    if count > storage.count or (count > 0 and last >= storage.count):
        raise ValueError("a tensor that reaches beyond its numbers")
    return TensorRef(storage, offset, axes[0], axes[1])


def _parameter(data: Any, *_: Any) -> Any:
    return data


_TENSORS: dict[Any, Callable[..., Any]] = {
    Name("torch._utils", "_rebuild_tensor"): _tensor,
    Name("torch._utils", "_rebuild_tensor_v2"): _tensor,
    Name("torch._utils", "_rebuild_parameter"): _parameter,
    Name("torch._utils", "_rebuild_parameter_with_state"): _parameter,
    Name("torch", "Size"): _parameter,
}
_FROM_TYPE = frozenset(
    {Name("torch._tensor", "_rebuild_from_type"), Name("torch._tensor", "_rebuild_from_type_v2")}
)
_DICTS = frozenset(
    {
        Name("collections", "OrderedDict"),
        Name("collections", "Counter"),
        Name("builtins", "dict"),
        Name("__builtin__", "dict"),
    }
)
