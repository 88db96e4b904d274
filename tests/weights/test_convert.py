import dataclasses
import functools
import os
import sys

import pytest
import torch

from app.blueprints import blueprints
from engine.core.faults import BadInput
from engine.nets.finerecon.config import FineReconConfig
from engine.nets.finerecon.model import FineRecon
from engine.runtime.progress import run_job
from engine.weights import convert as room
from engine.weights.convert import Converted, convert
from engine.weights.match import Spec, fit, recognise
from tests.weights.files import (
    SMALL,
    Calls,
    dumps,
    in_front_of,
    small_state,
    table_of,
    with_table,
)


def converted(path, scratch) -> Converted:
    return run_job(convert(path, blueprints(), scratch), lambda _: None, lambda: False)


def lightning(state: dict, **more) -> dict:
    """Return what Lightning keeps in a checkpoint of this state dict."""
    return {
        "epoch": 3,
        "global_step": 1200,
        "pytorch-lightning_version": "1.8.0",
        "state_dict": state,
        "loops": {"fit_loop": {"state_dict": {}}},
        "callbacks": {"ModelCheckpoint{'monitor': None}": {"best_model_score": torch.ones(())}},
        "optimizer_states": [{"state": {0: {"exp_avg": torch.ones(2)}}, "param_groups": []}],
        "lr_schedulers": [],
        **more,
    }


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    path = tmp_path_factory.mktemp("lightning") / "small.ckpt"
    torch.save(lightning(small_state()), path)
    return path


def saved(tmp_path, state: dict):
    path = tmp_path / "changed.ckpt"
    torch.save(lightning(state), path)
    return path


def test_a_small_network_is_recognised_sized_and_read(checkpoint, tmp_path):
    found = converted(checkpoint, tmp_path)
    assert found.network == "finerecon"
    assert not found.is_released
    assert FineReconConfig.from_dict(found.config) == SMALL
    assert found.refused is None
    assert (found.match.missing, found.match.extra, found.match.wrong) == ((), (), ())
    assert found.tensors.keys() == small_state().keys()
    for name, value in small_state().items():
        assert torch.equal(found.tensors[name], value), name


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "depth_model.", "model.module."])
def test_prefixes_of_wrappers_come_off(tmp_path, prefix):
    path = saved(tmp_path, {prefix + name: value for name, value in small_state().items()})
    found = converted(path, tmp_path)
    assert found.refused is None
    assert found.tensors.keys() == small_state().keys()


def test_missing_and_extra_entries_are_named(tmp_path):
    state = dict(small_state())
    del state["cnn3d.stem.0.net.1.running_var"]
    state["loss.lpips.weight"] = torch.ones(3)
    found = converted(saved(tmp_path, state), tmp_path)
    assert found.match.missing == ("cnn3d.stem.0.net.1.running_var",)
    assert found.match.extra == ("loss.lpips.weight",)
    assert found.tensors == {}
    assert "lack entries" in found.refused


def test_extra_entries_alone_are_left_out(tmp_path):
    found = converted(saved(tmp_path, {**small_state(), "x.y": torch.ones(1)}), tmp_path)
    assert found.refused is None
    assert found.match.extra == ("x.y",)
    assert "x.y" not in found.tensors


def test_an_entry_that_says_the_sizes_may_be_missing(tmp_path):
    state = dict(small_state())
    del state["cnn2d.out0.0.weight"]
    found = converted(saved(tmp_path, state), tmp_path)
    # Without the sizes it is held against the released network.
    assert "cnn2d.out0.0.weight" in found.match.missing
    assert "do not fit finerecon" in found.refused


@pytest.mark.parametrize("network", ["finerecon", "simplerecon", "gtr"])
def test_whatever_is_missing_of_a_released_network_is_named(network):
    """Also an entry of the last block, without which the network looks like a smaller one."""
    blueprint = next(b for b in blueprints() if b.network == network)
    released = blueprint.released()
    weights = [n for n in released.specs if n.rpartition(".")[2] not in blueprint.constants]
    for gone in (weights[::37] + weights[-3:]) if network == "gtr" else weights[::101]:
        found = {name: spec for name, spec in released.specs.items() if name != gone}
        _, matched = fit(found, blueprint, "")
        assert (matched.missing, matched.extra, matched.wrong) == ((gone,), (), ()), gone


def test_our_own_files_keep_what_shapes_do_not_tell(tmp_path):
    from engine.weights.store import save

    config = dataclasses.replace(SMALL, guidance_margin_vox=2.0)
    path = tmp_path / "ours.safetensors"
    save(path, "finerecon", config.as_dict(), small_state(), {})
    found = converted(path, tmp_path)
    assert FineReconConfig.from_dict(found.config) == config
    for odd in ({"surprise": 1}, {**config.as_dict(), "head_width": "wide"}):
        save(path, "finerecon", odd, small_state(), {})
        assert FineReconConfig.from_dict(converted(path, tmp_path).config) == SMALL


def test_thousands_of_blocks_are_not_built(tmp_path):
    """Each name would stand for a block: the sizes are not even asked for."""
    gtr = next(b for b in blueprints() if b.network == "gtr")
    asked = []
    blueprint = dataclasses.replace(gtr, fit=asked.append)
    found = dict(gtr.released().specs)
    for number in range(2000):
        found[f"generator.attn_layers.{number}.norm1.weight"] = Spec((1024,), "float32")
    _, matched = fit(found, blueprint, "")
    assert asked == []
    assert len(matched.extra) == 2000 - 24


def test_a_block_that_is_not_whole_is_refused(tmp_path):
    """A small network with a stray entry of a deeper one is not imported as if it were whole."""
    name = "cnn2d.conv0.2.1.block.0.0.weight"
    assert name not in small_state()
    state = {**small_state(), name: torch.ones(3)}
    found = converted(saved(tmp_path, state), tmp_path)
    assert "do not fit" in found.refused
    assert found.tensors == {}


def test_wrong_shapes_are_refused(tmp_path):
    name = "cnn3d.stem.0.net.1.bias"
    state = {**small_state(), name: torch.zeros(5)}
    found = converted(saved(tmp_path, state), tmp_path)
    assert found.refused == (
        f"The weights do not fit finerecon: {name} has shape 5 where 4 is needed."
    )
    assert found.tensors == {}


def test_half_numbers_become_floats_but_whole_numbers_do_not(tmp_path):
    state = {
        name: value.half() if value.is_floating_point() else value
        for name, value in small_state().items()
    }
    found = converted(saved(tmp_path, state), tmp_path)
    assert found.refused is None
    name = "cnn2d.out0.0.weight"
    assert found.tensors[name].dtype == torch.float32
    assert torch.equal(found.tensors[name], small_state()[name].half().float())
    state[name] = torch.ones_like(state[name], dtype=torch.int64)
    assert "holds int64" in converted(saved(tmp_path, state), tmp_path).refused


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_are_refused(tmp_path, value):
    name = "cnn2d.out0.0.weight"
    broken = small_state()[name].clone()
    broken.view(-1)[3] = value
    with pytest.raises(BadInput, match="not finite"):
        converted(saved(tmp_path, {**small_state(), name: broken}), tmp_path)


def test_other_networks_are_not_ours(tmp_path):
    state = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2)).state_dict()
    with pytest.raises(BadInput, match="belong to no network"):
        converted(saved(tmp_path, state), tmp_path)


def test_numbers_repeated_too_often_are_refused(tmp_path, monkeypatch, checkpoint):
    monkeypatch.setattr(room, "MOST_REPEATS", 0.1)
    with pytest.raises(BadInput, match="repeats its numbers"):
        converted(checkpoint, tmp_path)


def test_pixel_grids_of_another_resolution_are_computed_anew(tmp_path):
    simplerecon = next(b for b in blueprints() if b.network == "simplerecon")
    specs = simplerecon.released().specs
    constants = [n for n in specs if n.rpartition(".")[2] in simplerecon.constants]
    assert len(constants) == 7
    # One number stands for all of a tensor: only names and shapes are looked at here.
    found = dict(specs)
    grids = [name for name in constants if name.endswith("pix_coords_13N")]
    for name in grids:
        found[name] = Spec((1, 3, 300), "float32")
    del found["cost_volume.projector.eps"]
    _, matched = fit(found, simplerecon, "")
    assert (matched.missing, matched.extra, matched.wrong) == ((), (), ())
    assert set(matched.constants) == set(constants) - {"cost_volume.projector.eps"}
    assert len(matched.names) == 1127 - 7


@pytest.mark.parametrize(
    ("network", "entries"), [("finerecon", 810), ("simplerecon", 1127), ("gtr", 335)]
)
def test_released_networks_fit_themselves(network, entries):
    blueprint = next(b for b in blueprints() if b.network == network)
    released = blueprint.released()
    assert len(released.specs) == entries
    names = [f"module.{name}" for name in released.specs]
    assert recognise(names, blueprints()) == (blueprint, "module.")
    assert blueprint.fit({n: s.shape for n, s in released.specs.items()}) == released
    fitted, matched = fit(released.specs, blueprint, "")
    assert fitted.config == released.config
    assert (matched.missing, matched.extra, matched.wrong) == ((), (), ())


# What a hostile checkpoint may bring, each as instructions before or inside the honest content.


def touching(path) -> str:
    return f"touch {path}"


def by_global(touched) -> bytes:
    command = touching(touched).encode()
    return b"cos\nsystem\n(U" + bytes([len(command)]) + command + b"tR."


def by_stack_global(touched) -> bytes:
    command = touching(touched).encode()
    return (
        b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c" + bytes([len(command)]) + command + b"\x85R."
    )


def by_exec(touched) -> bytes:
    return dumps(Calls(exec, f"open({str(touched)!r}, 'w').close()"))


def by_method(touched) -> bytes:
    """Let the object's own state be set by a call of a function."""
    return b"cos\nmkdir\n(U" + bytes([len(str(touched))]) + str(touched).encode() + b"tR}b."


def by_extension(touched) -> bytes:
    return b"\x82\x07)R."


def by_persistent_id(touched) -> bytes:
    """Ask for a storage whose type is a function."""
    text = str(touched).encode()
    return (
        b"((X\x07\x00\x00\x00storagecos\nmkdir\nU" + bytes([len(text)]) + text + b"U\x01cK\x01tQt."
    )


ATTACKS = [by_global, by_stack_global, by_exec, by_method, by_extension, by_persistent_id]


@pytest.mark.parametrize("attack", ATTACKS)
def test_checkpoints_with_code_are_refused_and_nothing_is_run(checkpoint, tmp_path, attack):
    touched = tmp_path / "touched"
    table = in_front_of(table_of(checkpoint), attack(touched))
    path = with_table(checkpoint, tmp_path / "evil.ckpt", table)
    with pytest.raises(BadInput, match=r"carries code|never writes"):
        converted(path, tmp_path)
    assert not touched.exists()


@pytest.mark.parametrize("attack", [by_global, by_exec])
def test_the_attacks_are_real(checkpoint, tmp_path, attack):
    """What we refuse does run where a checkpoint is loaded without care."""
    touched = tmp_path / "touched"
    table = in_front_of(table_of(checkpoint), attack(touched))
    path = with_table(checkpoint, tmp_path / "evil.ckpt", table)
    torch.load(path, weights_only=False)
    assert touched.exists()


@pytest.mark.parametrize("function", [os.system, eval, exec])
@pytest.mark.parametrize("where", ["hyper_parameters", "callbacks", "state_dict", "optimizer"])
def test_code_deep_inside_is_found(tmp_path, where, function):
    touched = tmp_path / "touched"
    evil = Calls(function, touching(touched))
    content = lightning(dict(small_state()))
    if where == "state_dict":
        content[where]["cnn2d.evil"] = evil
    else:
        content[where] = {"config": {"list": [1, (2, evil)]}}
    path = tmp_path / "evil.ckpt"
    torch.save(content, path)
    with pytest.raises(BadInput, match="carries code"):
        converted(path, tmp_path)
    assert not touched.exists()


FOREIGN = """
import pathlib
pathlib.Path({touched!r}).touch()

class Box(dict):
    def __setstate__(self, state):
        pathlib.Path({touched!r}).touch()
        self.__dict__.update(state)
    def __reduce_ex__(self, protocol):
        return {reduced}

class Hook:
    pass
"""


@pytest.mark.parametrize(
    "reduced",
    ["(Box, (), {'frozen': True}, None, iter(self.items()))", "(Box, (dict(self),), {'a': 1})"],
)
def test_a_foreign_configuration_is_skipped_without_its_module(tmp_path, monkeypatch, reduced):
    """The module can be imported here, to show that it is not."""
    touched = tmp_path / "imported"
    folder = tmp_path / "site"
    folder.mkdir()
    source = FOREIGN.format(touched=str(touched), reduced=reduced)
    (folder / "foreign_box.py").write_text(source)
    monkeypatch.syspath_prepend(folder)
    import foreign_box

    config = foreign_box.Box(width=3, inner=foreign_box.Box(a=[1, 2]), hook=foreign_box.Hook())
    path = tmp_path / "foreign.ckpt"
    # Older versions of Lightning even have classes as keys.
    callbacks = {foreign_box.Hook: {"state": 1}}
    content = lightning(small_state(), hyper_parameters={"config": config}, callbacks=callbacks)
    torch.save(content, path)
    del sys.modules["foreign_box"]
    touched.unlink()

    found = converted(path, tmp_path)
    assert found.refused is None
    assert found.tensors.keys() == small_state().keys()
    assert not touched.exists()
    assert "foreign_box" not in sys.modules


@functools.cache
def released_state() -> dict[str, torch.Tensor]:
    return FineRecon(FineReconConfig()).state_dict()


def test_the_released_size_is_known_as_such(tmp_path):
    path = saved(tmp_path, released_state())
    assert converted(path, tmp_path).is_released
