"""Which names a pickle may mention, and which of them mean that it carries code."""

import sys
from dataclasses import dataclass

from engine.core.faults import BadInput


@dataclass(frozen=True, slots=True)
class Name:
    """A class or function that a pickle mentions. It is never looked up: it stays two strings."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


# Modules of other Python versions that `sys.stdlib_module_names` of this one does not know.
OTHER_VERSIONS = frozenset(
    {
        "__builtin__",
        "copy_reg",
        "commands",
        "popen2",
        "os2",
        "ce",
        "riscos",
        "exceptions",
        "cPickle",
    }
    | {"distutils", "imp", "asyncore", "asynchat", "smtpd", "compression", "annotationlib"}
)
STANDARD_LIBRARY = sys.stdlib_module_names | OTHER_VERSIONS

# Reached through another module, as in torch.serialization.os.system.
DANGEROUS_PARTS = frozenset(
    {"os", "posix", "nt", "sys", "subprocess", "builtins", "__builtin__", "importlib", "runpy"}
    | {"ctypes", "pty", "socket", "shutil", "marshal", "pickle", "__globals__", "__subclasses__"}
)

BUILTIN_DATA = frozenset(
    {"bool", "bytearray", "bytes", "complex", "dict", "float", "frozenset", "int", "list"}
    | {"object", "range", "set", "slice", "str", "tuple"}
    # What torch.save calls int, str and range, for it writes the pickles of Python 2.
    | {"long", "unicode", "xrange"}
)

# What honest checkpoints mention of the standard library: data, or what puts data together.
STANDARD_DATA = {
    "__builtin__": BUILTIN_DATA,
    "builtins": BUILTIN_DATA,
    "_codecs": frozenset({"encode"}),
    "argparse": frozenset({"Namespace"}),
    "collections": frozenset({"Counter", "OrderedDict", "defaultdict", "deque"}),
    "copy_reg": frozenset({"_reconstructor"}),
    "copyreg": frozenset({"_reconstructor"}),
    "datetime": frozenset({"date", "datetime", "time", "timedelta", "timezone"}),
    "decimal": frozenset({"Decimal"}),
    "fractions": frozenset({"Fraction"}),
    "pathlib": frozenset(
        {"Path", "PosixPath", "PurePath", "PurePosixPath", "PureWindowsPath", "WindowsPath"}
    ),
    "types": frozenset({"SimpleNamespace"}),
    "typing": frozenset({"Any"}),  # how OmegaConf marks a setting of no fixed type
    "uuid": frozenset({"UUID"}),
}

# Functions of libraries that only put data together.
LIBRARY_DATA = frozenset(
    Name(module, name)
    for module, names in {
        "torch": ("device",),
        "torch._tensor": ("_rebuild_from_type", "_rebuild_from_type_v2"),
        "torch._utils": (
            "_rebuild_meta_tensor_no_storage",
            "_rebuild_parameter",
            "_rebuild_parameter_with_state",
            "_rebuild_qtensor",
            "_rebuild_sparse_tensor",
            "_rebuild_tensor",
            "_rebuild_tensor_v2",
            "_rebuild_tensor_v3",
        ),
        "torch.serialization": ("_get_layout",),
        "numpy": ("dtype", "ndarray"),
        "numpy.core.multiarray": ("_reconstruct", "scalar"),
        "numpy._core.multiarray": ("_reconstruct", "scalar"),
        "numpy.core.numeric": ("_frombuffer",),
        "numpy._core.numeric": ("_frombuffer",),
    }.items()
    for name in names
)


def check_mention(name: Name) -> None:
    """Refuse a name that no checkpoint has a use for.

    Raises:
        BadInput: the name belongs to the standard library and is no data type, or reaches for one
            of its modules through another.
    """
    parts = [*name.module.split("."), *name.name.split(".")]
    root = parts[0]
    if root in STANDARD_LIBRARY:
        if name.name in STANDARD_DATA.get(name.module, ()):
            return
        # Newer versions move classes into inner modules: pathlib._local.PosixPath.
        if name.module == "pathlib._local" and name.name in STANDARD_DATA["pathlib"]:
            return
        raise carries_code(name)
    if DANGEROUS_PARTS.intersection(parts):
        raise carries_code(name)


def check_call(name: Name) -> None:
    """Refuse a call of what looks like a function; classes begin with a capital letter.

    Raises:
        BadInput: as said.
    """
    if name in LIBRARY_DATA or name.name in STANDARD_DATA.get(name.module, ()):
        return
    if not name.name.rpartition(".")[2].lstrip("_")[:1].isupper():
        raise carries_code(name)


def carries_code(name: object) -> BadInput:
    """Return the fault for a checkpoint that wants something run."""
    return BadInput(
        f"The checkpoint carries code: it wants to run {str(name)[:120]}. Nothing of it was run.",
        "Do not use this file; take the one its authors publish.",
    )
