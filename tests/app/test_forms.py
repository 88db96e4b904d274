"""The form shows every setting there is, and takes back only what is allowed."""

import math
import pickle
from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.choices import Choices
from app.forms import GIB, Chosen, Machine, changed, differing, form, suggest
from app.method import Method
from app.preferences import Preferences, PreferencesFile
from engine.core.faults import BadInput
from engine.core.settings import Detail, Settings, preset

USUAL = Chosen(Settings(), Method(), Preferences())
SMALL = Machine(2, 15 * GIB)


def fields_of(shown):
    return {field.path: field for group in shown.groups for field in group.fields}


FIELDS = fields_of(form(USUAL, USUAL, SMALL))


def test_no_setting_is_left_out():
    leaves = [
        f"{branch}.{name}"
        for branch in Settings.model_fields
        for name in type(getattr(Settings(), branch)).model_fields
    ]
    assert [path for path in leaves if path not in FIELDS] == []
    others = set(FIELDS) - set(leaves)
    assert others >= {"method.name", "method.depth", "program.theme", "program.sound"}


def test_every_field_speaks_to_people():
    for field in FIELDS.values():
        assert field.title
        assert field.title[0].isupper()
        assert field.help.endswith("."), field.path
        assert "_" not in field.title + "".join(title for _, title in field.choices)
        assert field.kind in ("switch", "integer", "number", "choice", "text")
        assert (field.kind == "choice") == bool(field.choices)
        assert field.value == field.default
        if field.choices:
            assert field.value in [value for value, _ in field.choices]
    titles = [field.title for field in FIELDS.values()]
    assert len(set(titles)) == len(titles)


def test_units_and_bounds_come_from_the_settings():
    units = {path: FIELDS[path].unit for path in FIELDS}
    assert units["depth.max_m"] == "m"
    assert units["keyframes.min_turn_deg"] == "°"
    assert units["volume.memory_mb"] == "MB"
    assert units["refine.halo_vox"] == "voxels"
    assert units["texture.max_views"] == ""
    size = FIELDS["texture.size_px"]
    assert (size.kind, size.unit, size.low, size.high) == ("integer", "px", 256, 8192)
    assert (FIELDS["depth.max_m"].low, FIELDS["depth.max_m"].high) == (0, None)
    assert FIELDS["depth.max_m"].is_low_open
    assert not FIELDS["depth.min_m"].is_low_open
    voxel = FIELDS["volume.voxel_m"]
    assert voxel.choices == ((0.04, "4 cm"), (0.02, "2 cm"), (0.01, "1 cm"), (0.005, "5 mm"))


def test_few_fields_are_for_everyone():
    plain = [path for path, field in FIELDS.items() if not field.is_advanced]
    assert {"depth.max_m", "volume.voxel_m", "mesh.detail", "method.depth"} <= set(plain)
    assert len(plain) < len(FIELDS) / 2


def test_a_form_can_be_sent():
    shown = form(USUAL, USUAL, SMALL)
    assert pickle.loads(pickle.dumps(shown)) == shown


@pytest.mark.parametrize("name", get_args(Detail))
def test_a_preset_is_recognised(name):
    chosen = replace(USUAL, settings=preset(name))
    assert form(chosen, USUAL, SMALL).preset == name
    other = changed(chosen, {"depth.max_m": 4.25})
    assert form(other, USUAL, SMALL).preset == ""


@pytest.mark.parametrize("path", FIELDS)
def test_every_field_can_be_changed_and_read_again(path):
    field = FIELDS[path]
    if field.kind == "switch":
        value = not field.value
    elif field.kind == "choice":
        value = next(value for value, _ in field.choices if value != field.value)
    elif field.kind == "text":
        value = "/somewhere"
    elif field.high is not None:
        value = field.high
    else:
        value = field.value + (4 if field.kind == "integer" else 0.5)
    after = changed(USUAL, {path: value})
    shown = fields_of(form(after, USUAL, SMALL))[path]
    assert (shown.value, shown.default) == (value, field.default)
    if not path.startswith("program."):
        assert differing(after, USUAL) == {path: value}
        assert changed(USUAL, differing(after, USUAL)) == after
    assert changed(after, {path: field.value}) == USUAL


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("depth.max_m", -1.0, "Farthest depth cannot be -1 m: it must be more than 0 m."),
        ("depth.max_m", math.inf, "Farthest depth cannot be inf m: it must be a finite number."),
        ("depth.max_m", math.nan, "Farthest depth cannot be nan m: it must be a finite number."),
        ("depth.max_m", "far", "Farthest depth cannot be far: it must be a number."),
        ("volume.voxel_m", 0.03, "Surface voxel cannot be 0.03 m: it must be one of the choices."),
        ("refine.halo_vox", 3, "Halo of a chunk cannot be 3 voxels: it must be a multiple of 4."),
        ("texture.max_views", 0, "Photographs cannot be 0: it must be at least 1."),
        ("texture.max_views", 2.5, "Photographs cannot be 2.5: it must be a whole number."),
        ("mesh.detail", "best", "Detail cannot be best: it must be one of the choices."),
        ("refine.denies", "no!", "May erase measured surface cannot be no!: it must be on or off."),
        ("program.theme", "pink", "Colours cannot be pink: it must be one of the choices."),
    ],
)
def test_a_wrong_value_is_refused_by_its_title(path, value, sentence):
    with pytest.raises(BadInput) as caught:
        changed(USUAL, {path: value})
    assert str(caught.value) == sentence


@pytest.mark.parametrize("path", ["", "depth", "depth.", "depth.far", "program.values", "a.b.c"])
def test_a_path_that_is_not_shown_is_refused(path):
    with pytest.raises(BadInput, match="no setting"):
        changed(USUAL, {path: 1})


@given(
    path=st.sampled_from(sorted(FIELDS)),
    value=st.one_of(st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
)
def test_any_answer_is_taken_or_refused_with_a_sentence(path, value):
    try:
        after = changed(USUAL, {path: value})
    except BadInput as fault:
        refused = fault.says
    else:
        taken = fields_of(form(after, USUAL, SMALL))[path].value
        # A whole number of more than 53 bits is rounded where a fraction is kept.
        assert taken == (float(value) if isinstance(taken, float) else value)
        refused = FIELDS[path].title
    assert refused.startswith(FIELDS[path].title)


@pytest.mark.parametrize(
    ("machine", "name"),
    [
        (Machine(2, 4 * GIB), "preview"),
        (Machine(2, 15 * GIB), "reduced"),
        (Machine(8, 15 * GIB), "medium"),
        (Machine(8, 64 * GIB, "GeForce"), "full"),
        (Machine(8, 5 * GIB, "GeForce"), "preview"),
    ],
)
def test_the_suggestion_grows_with_the_machine(machine, name):
    suggested, why = suggest(machine)
    assert suggested == name
    assert str(machine.cores) in why
    assert (machine.gpu or "no CUDA graphics card") in why
    assert form(USUAL, USUAL, machine).why.endswith(f"{name.capitalize()} suits it.")


def test_choices_are_kept_and_presets_replace_them(tmp_path):
    choices = Choices(PreferencesFile(tmp_path), Settings())
    choices.change({"depth.max_m": 3.0, "method.depth": "sensor", "program.theme": "dark"})
    again = Choices(PreferencesFile(tmp_path), Settings())
    assert again.now().settings.depth.max_m == 3.0
    assert (again.now().method.depth, again.preferences.theme) == ("sensor", "dark")
    assert again.form().preset == ""
    shown = again.use_preset("full")
    assert shown.preset == "full"
    assert again.now().settings == preset("full")
    # How depth is made, and how the window looks, are not the preset's business.
    assert (again.now().method.depth, again.preferences.theme) == ("sensor", "dark")
    voxel = fields_of(shown)["volume.voxel_m"]
    assert (voxel.value, voxel.default) == (0.01, 0.01)
    choices = Choices(PreferencesFile(tmp_path), Settings())
    assert choices.now().settings == preset("full")


def test_a_refused_change_keeps_all_as_it_was(tmp_path):
    choices = Choices(PreferencesFile(tmp_path), Settings())
    choices.change({"depth.max_m": 3.0})
    with pytest.raises(BadInput):
        choices.change({"depth.min_m": 0.5, "depth.max_m": -1.0})
    with pytest.raises(BadInput, match="preset"):
        choices.use_preset("best")
    assert choices.now().settings.depth.min_m == Settings().depth.min_m
    assert Choices(PreferencesFile(tmp_path), Settings()).now() == choices.now()


def test_a_kept_value_that_no_longer_fits_is_left_out(tmp_path, caplog):
    values = {"depth.max_m": 3.0, "depth.gone": 1, "volume.voxel_m": 0.03}
    PreferencesFile(tmp_path).change(values=values)
    now = Choices(PreferencesFile(tmp_path), Settings()).now()
    assert now.settings == changed(USUAL, {"depth.max_m": 3.0}).settings
    assert len(caplog.records) == 2


def test_the_window_has_names_of_its_own(tmp_path):
    choices = Choices(PreferencesFile(tmp_path), Settings())
    assert choices.window() == {
        "theme": "system",
        "text_scale": 1.0,
        "sound": False,
        "last_folder": "",
    }
    choices.set_window("last_folder", "/there")
    assert choices.window()["last_folder"] == "/there"
    for name, value in (("values", "x"), ("theme", "pink"), ("colour", 1)):
        with pytest.raises(BadInput):
            choices.set_window(name, value)
