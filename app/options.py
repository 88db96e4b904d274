"""Options of the command line as checked settings."""

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from app.method import Method, MethodName
from engine.core.faults import BadInput
from engine.core.settings import Detail, Guessed, Settings, preset

Model = TypeVar("Model", bound=BaseModel)

# Options that would change nothing. What refines while scanning does so at the volume's voxel.
UNHEARD: dict[MethodName, tuple[str, ...]] = {
    "auto": ("resolution_m", "keyframe_distance"),
    "fusion": ("weights", "random_weights", "resolution_m", "keyframe_distance"),
    "finerecon": ("resolution_m", "keyframe_distance"),
    "finerecon-offline": (),
}


def scan_settings(
    detail: Detail,
    voxel_m: float | None,
    max_depth_m: float | None,
    memory_mb: int | None,
    guessed: Guessed = "drop",
) -> Settings:
    """Return the preset with what the options change.

    Raises:
        BadInput: a value out of range.
    """
    changes: dict[str, dict[str, Any]] = {
        "mesh": {"guessed": guessed},
        "volume": _given(voxel_m=voxel_m, memory_mb=memory_mb),
        "depth": _given(max_m=max_depth_m),
    }
    tree = preset(detail).model_dump()
    for branch, values in changes.items():
        tree[branch].update(values)
    return checked(Settings, tree)


def scan_method(**options: Any) -> Method:
    """Return the method with what the options say; None leaves a choice to its default.

    Raises:
        BadInput: a value out of range, or an option that the method does not know.
    """
    given = {name: value for name, value in options.items() if value is not None}
    method = checked(Method, given)
    for name in UNHEARD[method.name]:
        if name in given:
            raise BadInput(
                f"--{name.replace('_', '-')} says nothing to --method {method.name}.",
                "Add --method finerecon-offline, or leave it out.",
            )
    return method


def checked(kind: type[Model], values: dict[str, Any]) -> Model:
    """Return settings of a kind made from a tree of values.

    Raises:
        BadInput: an unknown key or a value out of range; the sentence names it.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BadInput(
            f"The setting {where} cannot be {first['input']!r}: {first['msg']}."
        ) from None


def _given(**options: float | None) -> dict[str, float]:
    return {name: value for name, value in options.items() if value is not None}
