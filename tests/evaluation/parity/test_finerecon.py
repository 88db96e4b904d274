import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.core.faults import BadInput
from engine.evaluation.parity.check import Check
from engine.evaluation.parity.finerecon import checks
from tests.evaluation.parity.finerecon_case import CONFIG, make

STORED = Path(__file__).resolve().parents[3].parent / "shared" / "parity" / "finerecon"


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("finerecon") / "own")


@pytest.fixture
def copy(own: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(own, tmp_path / "copy"))


def failing(folder: Path) -> list[str]:
    return [check.name for check in checks(folder) if not check.ok]


def edit(path: Path, name: str, change) -> None:
    """Rewrite one array of an archive; a change to None removes it."""
    with np.load(path) as stored:
        arrays = {key: stored[key] for key in stored.files}
    changed = change(arrays.pop(name))
    np.savez(path, **arrays, **({} if changed is None else {name: changed}))


@pytest.mark.skipif(not STORED.exists(), reason="the stored fixture is not beside the project")
def test_every_stored_output_is_reproduced(tmp_path: Path) -> None:
    for file in STORED.iterdir():
        # The long scan has its own tests.
        if file.name != "chunked.npz":
            (tmp_path / file.name).symlink_to(file)
    found = list(checks(tmp_path))
    assert [check for check in found if not check.ok] == []
    names = {check.name for check in found}
    given = {"crop_center", "crop_rotation", "query", "gt_tsdf", "gt_occ"}
    for archive in ("features", "volume", "step_eval", "step_train"):
        with np.load(STORED / f"{archive}.npz") as stored:
            assert {f"{archive}.npz/{key}" for key in set(stored.files) - given} <= names
    fixture = json.loads((STORED / "fixture.json").read_text())
    assert {f"layer_stats/{name}" for name in fixture["layer_stats"]} <= names
    assert {f"weights/{name}" for name in fixture["checksums"]} <= names


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"guidance": "density"},
        {"guidance": "none", "point_guidance": False},
        {"point_backprojection": False},
        {"bp_weighting": "none", "unet_blocks": 2, "image_feature_dim": 11},
    ],
)
def test_a_fixture_of_another_size_and_kind_is_reproduced(
    change: dict[str, object], tmp_path: Path
) -> None:
    found = list(checks(make(tmp_path / "other", replace(CONFIG, **change), views=2)))
    assert [check for check in found if not check.ok] == []
    assert len(found) > 30


def test_what_the_fixture_lacks_is_not_checked(own: Path, copy: Path) -> None:
    for name in ("features.npz", "step_train.npz", "volume.npz"):
        (copy / name).unlink()
    assert failing(copy) == []
    rest = {check.name for check in checks(own)} - {check.name for check in checks(copy)}
    assert {name.split("/")[0] for name in rest} == {
        "features.npz",
        "step_train.npz",
        "volume.npz",
    }


@pytest.mark.parametrize(
    ("file", "array"),
    [
        ("features.npz", "feat_fine"),
        ("volume.npz", "count"),
        ("volume.npz", "mean"),
        ("volume.npz", "occ_logits"),
        ("step_eval.npz", "input_coords"),
        ("step_eval.npz", "point_coarse_valid"),
        ("step_eval.npz", "bce_loss"),
        ("step_train.npz", "tsdf_logits"),
        ("step_train.npz", "fusion_running_var"),
        ("step_train.npz", "grad_norms"),
    ],
)
def test_one_array_a_little_off_is_found(copy: Path, file: str, array: str) -> None:
    def off(values: np.ndarray) -> np.ndarray:
        if values.dtype == bool:
            return ~values
        return (values * 1.03 + 1).astype(values.dtype)

    edit(copy / file, array, off)
    assert f"{file}/{array}" in failing(copy)


def test_another_seed_is_found_everywhere(copy: Path) -> None:
    fixture = json.loads((copy / "fixture.json").read_text())
    (copy / "fixture.json").write_text(json.dumps({**fixture, "seed": fixture["seed"] + 1}))
    wrong = failing(copy)
    assert {"features.npz/feat_coarse", "volume.npz/unet_out", "step_eval.npz/loss"} < set(wrong)
    assert any(name.startswith("weights/") for name in wrong)


def test_statistics_of_a_layer_are_checked(copy: Path) -> None:
    fixture = json.loads((copy / "fixture.json").read_text())
    fixture["layer_stats"]["cnn3d.stem"]["absmax"] += 0.01
    (copy / "fixture.json").write_text(json.dumps(fixture))
    assert failing(copy) == ["layer_stats/cnn3d.stem"]


def test_the_manifest_is_held_against_name_shape_type_kind_and_order(copy: Path) -> None:
    manifest = json.loads((copy / "manifest.json").read_text())

    def mismatches(tensors: list[dict[str, object]]) -> float:
        (copy / "manifest.json").write_text(json.dumps({**manifest, "tensors": tensors}))
        return next(check for check in checks(copy) if check.name == "manifest").rel_err

    tensors = manifest["tensors"]
    assert mismatches(tensors) == 0
    assert mismatches([tensors[1], tensors[0], *tensors[2:]]) == 1
    assert mismatches([{**tensors[0], "dtype": "float16"}, *tensors[1:]]) == 1
    assert mismatches([{**tensors[0], "kind": "buffer"}, *tensors[1:]]) == 1
    assert mismatches([*tensors, {**tensors[0], "name": "cnn2d.extra"}]) > 0


def test_an_output_nobody_makes_is_not_passed_over(copy: Path) -> None:
    with np.load(copy / "volume.npz") as stored:
        arrays = dict(stored)
    np.savez(copy / "volume.npz", **arrays, more=np.zeros(3))
    assert failing(copy) == ["volume.npz/more"]


def test_a_voxel_between_two_pixels_is_excused_and_taken_as_stored(copy: Path) -> None:
    def tie(channel: np.ndarray) -> np.ndarray:
        channel[3, 4, 5] += 0.1
        return channel

    edit(copy / "volume.npz", "tsdf_channel", tie)
    wrong = failing(copy)
    # Only what the 3D network makes of the other value; the channel itself is excused.
    assert set(wrong) == {"volume.npz/unet_out", "volume.npz/occ_logits"} | {
        name for name in wrong if name.startswith("layer_stats/cnn3d")
    }


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        ("manifest.json", b"{"),
        ("manifest.json", b"[]"),
        ("manifest.json", b'{"tensors": [{"name": "a", "shape": [1]}], "configuration": {}}'),
        ("fixture.json", b'{"seed": 1, "recipe": {"kind": "dice"}}'),
        ("fixture.json", b'{"seed": 1}'),
        ("fixture.json", b'{"seed": 1, "recipe": ["splitmix64-uniform"]}'),
        ("fixture.json", b'{"seed": "1", "recipe": {"kind": "splitmix64-uniform"}}'),
        ("fixture.json", b'{"seed": 1, "recipe": {"kind": "splitmix64-uniform", "gain": "1"}}'),
        ("fixture.json", b'{"seed": 1, "recipe": {"kind": "splitmix64-uniform", "luck": 1}}'),
        ("inputs.npz", b"PK\x03\x04 nothing"),
        ("step_eval.npz", b""),
        ("inputs.npz", None),
        ("manifest.json", None),
        ("fixture.json", None),
    ],
)
def test_a_damaged_file_is_refused_with_a_sentence(
    copy: Path, file: str, damage: bytes | None
) -> None:
    (copy / file).unlink()
    if damage is not None:
        (copy / file).write_bytes(damage)
    with pytest.raises(BadInput, match=r"\.$"):
        list(checks(copy))


@pytest.mark.parametrize(
    ("file", "array", "change"),
    [
        ("inputs.npz", "rgb", lambda a: a[..., :-3]),
        ("inputs.npz", "rgb", lambda a: a[:, :2]),
        ("inputs.npz", "depth", lambda a: a[1:]),
        ("inputs.npz", "poses", lambda a: a * 0),
        ("inputs.npz", "poses", lambda a: a * np.nan),
        ("inputs.npz", "K_color", lambda a: None),
        ("inputs.npz", "K_color", lambda a: a.astype(str)),
        ("inputs.npz", "voxel_size", lambda a: -a),
        ("inputs.npz", "output_sample_rate", lambda a: a * 0),
        ("inputs.npz", "gt_maxbound", lambda a: a - 9),
        ("inputs.npz", "gt_maxbound", lambda a: a + 1e6),
        ("inputs.npz", "output_sample_rate", lambda a: a * 10**5),
        ("step_eval.npz", "query", lambda a: a[:, :2]),
        ("step_eval.npz", "gt_occ", lambda a: a[1:]),
        ("step_eval.npz", "crop_center", lambda a: None),
    ],
)
def test_arrays_that_do_not_fit_are_refused(copy: Path, file: str, array: str, change) -> None:
    edit(copy / file, array, change)
    with pytest.raises(BadInput):
        list(checks(copy))


def test_what_nobody_makes_of_a_reconstruction_does_not_pass(copy: Path) -> None:
    arrays = {
        "sample_coords": np.zeros((2, 3), np.float32),
        "foreign": np.zeros(3),
        "sample_tsdf": np.array(["words"]),
        "origin": np.full(3, 9.0),
    }
    np.savez(copy / "final.npz", **arrays)
    assert {f"final.npz/{key}" for key in ("foreign", "sample_tsdf", "origin")} <= set(
        failing(copy)
    )


def test_a_network_that_would_fill_the_memory_is_not_built(copy: Path) -> None:
    manifest = json.loads((copy / "manifest.json").read_text())
    for tensor in manifest["tensors"]:
        if tensor["name"] == "occ_predictor.0.weight":
            tensor["shape"][0] = 10**6
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(BadInput, match="numbers"):
        list(checks(copy))


def test_a_fixture_without_pictures_is_refused(copy: Path) -> None:
    for name in ("rgb", "depth", "poses"):
        edit(copy / "inputs.npz", name, lambda a: a[:0])
    with pytest.raises(BadInput, match="no pictures"):
        list(checks(copy))


def test_an_unknown_module_in_the_statistics_is_refused(copy: Path) -> None:
    fixture = json.loads((copy / "fixture.json").read_text())
    fixture["layer_stats"]["cnn3d.attic"] = fixture["layer_stats"]["cnn3d.stem"]
    (copy / "fixture.json").write_text(json.dumps(fixture))
    with pytest.raises(BadInput, match="attic"):
        list(checks(copy))


def test_checks_are_numbers(own: Path) -> None:
    for check in checks(own):
        assert isinstance(check, Check)
        assert np.isfinite(check.rel_err)
        assert check.tol >= 0
