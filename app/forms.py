"""Settings as a form, and its answers back as settings; what there is comes from their fields."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from inspect import getdoc
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from app.method import Method
from app.preferences import Preferences
from engine.core.faults import BadInput
from engine.core.settings import Detail, Settings, preset
from engine.export.detail import DETAILS
from ui.ports import Choice, SettingField, SettingForm, SettingGroup, Value

UNITS = {"_m": "m", "_px": "px", "_deg": "°", "_mb": "MB", "_vox": "voxels"}
BOUNDS = {"ge": "low", "gt": "low", "le": "high", "lt": "high"}
KINDS: dict[Any, str] = {bool: "switch", int: "integer", float: "number", str: "text"}
GIB = 2**30

# How a wrong value should have been, by what the check of it says.
SHOULD_BE = {
    "greater_than_equal": "at least {ge:g}{unit}",
    "greater_than": "more than {gt:g}{unit}",
    "less_than_equal": "at most {le:g}{unit}",
    "less_than": "less than {lt:g}{unit}",
    "multiple_of": "a multiple of {multiple_of:g}",
    "literal_error": "one of the choices",
    "finite_number": "a finite number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "float_parsing": "a number",
    "float_type": "a number",
    "bool_parsing": "on or off",
    "bool_type": "on or off",
    "string_type": "a text",
}


@dataclass(frozen=True, slots=True)
class Chosen:
    """All that a form shows: how scans are made, and how the program behaves."""

    settings: Settings
    method: Method
    preferences: Preferences


@dataclass(frozen=True, slots=True)
class Machine:
    """What a preset has to run on."""

    cores: int
    memory_bytes: int
    gpu: str | None = None


@dataclass(frozen=True, slots=True)
class _Place:
    """A field that a form shows: where it is, and what is known of it."""

    branch: str
    name: str
    info: FieldInfo

    @property
    def path(self) -> str:
        return f"{self.branch}.{self.name}"

    @property
    def unit(self) -> str:
        return next((unit for end, unit in UNITS.items() if self.name.endswith(end)), "")

    @property
    def extra(self) -> dict[str, Any]:
        extra = self.info.json_schema_extra
        return extra if isinstance(extra, dict) else {}


def form(now: Chosen, usual: Chosen, machine: Machine) -> SettingForm:
    """Return everything that can be chosen; `usual` is what it goes back to when reset.

    Fields are those that have a title, in the order they are declared.
    """
    kept, defaults = _branches(now), _branches(usual)
    groups = []
    for branch, values in kept.items():
        fields = [_field(place, values, defaults[branch]) for place in _places(branch, values)]
        help_text = (getdoc(type(values)) or "").split("\n")[0]
        title = branch.capitalize()
        groups.append(SettingGroup(title, help_text, tuple(fields)))
    equal = [name for name in get_args(Detail) if preset(name) == now.settings]
    suggested, why = suggest(machine)
    return SettingForm(
        tuple(groups), presets(), equal[0] if equal else "", suggested, f"{why} suits it."
    )


def presets() -> tuple[Choice, ...]:
    """Return the detail ladder, coarsest first, with what each rung amounts to."""
    choices = []
    for name in get_args(Detail):
        rung, tree = DETAILS[name], preset(name)
        faces = f"up to {rung.max_triangles:,}" if rung.max_triangles else "all"
        choices.append(
            Choice(
                name,
                name.capitalize(),
                f"For {rung.good_for}: voxels of {tree.volume.voxel_m * 100:g} cm, {faces} "
                f"triangles, a texture of {tree.texture.size_px} px.",
            )
        )
    return tuple(choices)


def suggest(machine: Machine) -> tuple[Detail, str]:
    """Return the preset that suits a machine, and a sentence about why, to be continued."""
    gigabytes = machine.memory_bytes / GIB
    name: Detail = "reduced"
    if gigabytes < 6:
        # The volume alone may take 2 GB, the texture as much again.
        name = "preview"
    elif machine.gpu is not None and gigabytes >= 15:
        name = "full"
    elif machine.cores >= 4:
        name = "medium"
    gpu = machine.gpu or "no CUDA graphics card"
    cores = "1 core" if machine.cores == 1 else f"{machine.cores} cores"
    about = f"This computer has {cores}, {gigabytes:.0f} GB of memory and {gpu}."
    return name, f"{about} {name.capitalize()}"


def changed(now: Chosen, values: dict[str, Value]) -> Chosen:
    """Return what is chosen when some values, by path, are changed.

    Raises:
        BadInput: no such path, or a value that is not allowed; the sentence says which by its
            title. Nothing is changed then.
    """
    branches = _branches(now)
    for path, value in values.items():
        branch, _, name = path.partition(".")
        model = branches.get(branch)
        known = [] if model is None else [p for p in _places(branch, model) if p.name == name]
        if model is None or not known:
            raise BadInput(f"There is no setting {path}.")
        branches[branch] = _with(model, known[0], value)
    method, preferences = branches.pop("method"), branches.pop("program")
    assert isinstance(method, Method)
    assert isinstance(preferences, Preferences)
    settings = now.settings.model_copy(update=branches)
    return Chosen(settings, method, preferences)


def differing(now: Chosen, usual: Chosen) -> dict[str, Value]:
    """Return the values by path in which settings and method differ from the usual ones."""
    kept, defaults = _branches(now), _branches(usual)
    return {
        place.path: getattr(model, place.name)
        for branch, model in kept.items()
        if branch != "program"
        for place in _places(branch, model)
        if getattr(model, place.name) != getattr(defaults[branch], place.name)
    }


def _branches(chosen: Chosen) -> dict[str, BaseModel]:
    settings: dict[str, BaseModel] = {
        name: getattr(chosen.settings, name) for name in Settings.model_fields
    }
    return {"method": chosen.method, **settings, "program": chosen.preferences}


def _places(branch: str, model: BaseModel) -> Iterator[_Place]:
    for name, info in type(model).model_fields.items():
        if info.title is not None:
            yield _Place(branch, name, info)


def _field(place: _Place, model: BaseModel, usual: BaseModel) -> SettingField:
    info, choices = place.info, _choices(place)
    bounds: dict[str, float] = {}
    is_low_open = any(hasattr(mark, "gt") for mark in info.metadata)
    for mark in info.metadata:
        bounds |= {to: getattr(mark, of) for of, to in BOUNDS.items() if hasattr(mark, of)}
    assert info.annotation is not None
    return SettingField(
        path=place.path,
        title=info.title or "",
        help=info.description or "",
        kind="choice" if choices else KINDS[info.annotation],
        value=getattr(model, place.name),
        default=getattr(usual, place.name),
        unit="" if choices else place.unit,
        low=bounds.get("low"),
        high=bounds.get("high"),
        is_low_open=is_low_open,
        choices=choices,
        is_advanced=not place.extra.get("is_plain", False),
    )


def _choices(place: _Place) -> tuple[tuple[Value, str], ...]:
    """Return values and titles; a value without a title is shown as it is called."""
    titles: dict[str, str] = place.extra.get("choices", {})
    annotation = place.info.annotation
    if get_origin(annotation) is Literal:
        return tuple((value, titles.get(value, _spoken(value))) for value in get_args(annotation))
    return tuple((json.loads(value), title) for value, title in titles.items())


def _spoken(name: str) -> str:
    return "Automatic" if name == "auto" else name.replace("_", " ").replace("-", " ").capitalize()


def _with(model: BaseModel, place: _Place, value: Value) -> BaseModel:
    choices = [allowed for allowed, _ in _choices(place)]
    if choices and value not in choices:
        raise _refused(place, value, "one of the choices")
    try:
        return type(model).model_validate(model.model_dump() | {place.name: value})
    except ValidationError as error:
        first = error.errors()[0]
        unit = f" {place.unit}" if place.unit else ""
        wanted = SHOULD_BE.get(first["type"], first["msg"])
        raise _refused(place, value, wanted.format(unit=unit, **first.get("ctx", {}))) from None


def _refused(place: _Place, value: Value, wanted: str) -> BadInput:
    shown = f"{value:g}" if isinstance(value, float) and math.isfinite(value) else f"{value}"
    unit = f" {place.unit}" if place.unit and not isinstance(value, str) else ""
    return BadInput(f"{place.info.title} cannot be {shown}{unit}: it must be {wanted}.")
