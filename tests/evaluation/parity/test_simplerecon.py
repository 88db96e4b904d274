"""The stored fixture, a fixture of our own at another size, and damaged ones."""

import json
from pathlib import Path

import numpy as np
import pytest

from engine.core.faults import BadInput
from engine.evaluation.parity import simplerecon
from engine.evaluation.parity.check import Check
from tests.evaluation.parity.simplerecon_fixture import write

STORED = Path(__file__).resolve().parents[3].parent / "shared" / "parity" / "simplerecon"
GIVEN = {
    "mlp_plane",
    "mlp_row",
    "mlp_col",
    "poses",
    "dist_to_last_valid",
    "grad_names",
}
FILES = ("features", "cost_volume", "depth", "losses", "train_step", "keyframes")

needs_stored = pytest.mark.skipif(not STORED.exists(), reason="the stored fixture is not here")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a complete fixture of the small network."""
    folder = tmp_path_factory.mktemp("simplerecon")
    write(folder)
    return folder


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Path:
    """Return a copy that may be damaged."""
    for file in made.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


def names_of(folder: Path, files: tuple[str, ...]) -> set[str]:
    return {
        f"{file}.npz/{key}" for file in files for key in np.load(folder / f"{file}.npz").files
    } - {f"{file}.npz/{key}" for file in ("cost_volume", "keyframes") for key in GIVEN}


def failed(found: list[Check]) -> list[str]:
    return [
        f"{check.name}: {check.rel_err:.2g} > {check.tol:.2g}" for check in found if not check.ok
    ]


@needs_stored
def test_released_network_gives_the_stored_features_volume_depth_and_losses(tmp_path):
    for file in STORED.iterdir():
        if file.stem not in ("train_step", "keyframes"):
            (tmp_path / file.name).symlink_to(file)
    found = list(simplerecon.checks(tmp_path))
    assert failed(found) == []
    wanted = names_of(STORED, ("features", "cost_volume", "depth", "losses"))
    weights = json.loads((STORED / "fixture.json").read_text())["checksums"]
    wanted |= {"manifest"} | {f"weights/{name}" for name in weights}
    assert {check.name for check in found} == wanted


@needs_stored
@pytest.mark.slow
def test_released_network_gives_all_that_is_stored():
    found = list(simplerecon.checks(STORED))
    assert failed(found) == []
    assert names_of(STORED, FILES) <= {check.name for check in found}


def test_small_network_gives_all_that_was_written(made):
    found = list(simplerecon.checks(made))
    assert failed(found) == []
    assert names_of(made, FILES) <= {check.name for check in found}
    assert np.isfinite(np.load(made / "train_step.npz")["grad_norms"]).all()


def test_every_perturbed_array_fails(copy):
    for file in FILES:
        arrays = dict(np.load(copy / f"{file}.npz"))
        for key, array in arrays.items():
            if key == "grad_norms":
                array[np.argmax(array)] *= 1.02
            elif array.dtype == bool:
                array[: len(array) // 4] ^= True
            elif key == "lowest_cost":
                array[:2] *= 1.05
            elif key not in GIVEN:
                array.reshape(-1)[-1] += 1 if array.dtype.kind == "i" else 0.02 + array.max() * 0.01
        np.savez(copy / f"{file}.npz", **arrays)
    passed = {check.name for check in simplerecon.checks(copy) if check.ok}
    assert passed & names_of(copy, FILES) == {"train_step.npz/grad_names"}


def test_one_perturbed_array_fails_alone(copy):
    arrays = dict(np.load(copy / "depth.npz"))
    arrays["log_depth_s2"][3, 4] += 1e-3
    np.savez(copy / "depth.npz", **arrays)
    found = [check for check in simplerecon.checks(copy) if not check.ok]
    assert [check.name for check in found] == ["depth.npz/log_depth_s2"]


def test_what_the_network_does_not_make_fails(copy):
    np.savez(copy / "depth.npz", **np.load(copy / "depth.npz"), uncertainty=np.zeros(3))
    found = {check.name: check for check in simplerecon.checks(copy)}
    assert not found["depth.npz/uncertainty"].ok


def test_missing_optional_files_are_not_checked(copy):
    for file in FILES:
        (copy / f"{file}.npz").unlink()
    assert {check.name.split("/")[0] for check in simplerecon.checks(copy)} == {
        "manifest",
        "weights",
    }


def test_loss_of_a_source_that_sees_nothing_is_nan_on_both_sides(tmp_path):
    write(tmp_path, with_training=False, has_blind_source=True)
    assert np.isnan(np.load(tmp_path / "losses.npz")["mv_loss"])
    assert failed(list(simplerecon.checks(tmp_path))) == []


@pytest.mark.parametrize("what", ["order", "shape", "name", "kind", "dtype"])
def test_manifest_counts_every_deviation(copy, what):
    manifest = json.loads((copy / "manifest.json").read_text())
    entries = manifest["tensors"]
    if what == "order":
        entries[0], entries[1] = entries[1], entries[0]
    elif what == "shape":
        entries[1]["shape"] = [entries[1]["shape"][0] + 1]
    elif what == "name":
        entries[-1]["name"] += "_old"
    elif what == "kind":
        entries[0]["kind"] = "buffer"
    else:
        entries[0]["dtype"] = "float16"
    (copy / "manifest.json").write_text(json.dumps(manifest))
    first = next(simplerecon.checks(copy))
    assert first.name == "manifest"
    assert not first.ok


def change_json(folder: Path, file: str, **changes: object) -> None:
    values = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps(values | changes))


def change_inputs(folder: Path, **changes: np.ndarray) -> None:
    np.savez(folder / "inputs.npz", **(dict(np.load(folder / "inputs.npz")) | changes))


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "manifest.json").unlink(),
        lambda folder: (folder / "inputs.npz").write_bytes(b"no archive"),
        lambda folder: change_json(folder, "manifest.json", tensors=[]),
        lambda folder: change_json(folder, "manifest.json", tensors=[{"name": "a"}]),
        lambda folder: change_json(folder, "manifest.json", configuration={}),
        lambda folder: change_json(folder, "fixture.json", recipe={"kind": "dice"}),
        lambda folder: change_json(
            folder, "fixture.json", recipe={"kind": "splitmix64-uniform", "salt": 1}
        ),
        lambda folder: change_json(folder, "fixture.json", image_width=64),
        lambda folder: change_json(folder, "fixture.json", seed="many"),
        lambda folder: change_json(folder, "fixture.json", checksums={"encoder.bn1.bias": {}}),
        lambda folder: change_inputs(folder, poses=np.eye(4)),
        lambda folder: change_inputs(folder, poses=np.zeros((4, 4, 4))),
        lambda folder: change_inputs(folder, poses=np.full((4, 4, 4), np.nan)),
        lambda folder: change_inputs(folder, K_image=np.zeros((4, 4))),
        lambda folder: np.savez(
            folder / "cost_volume.npz",
            **dict.fromkeys(("mlp_plane", "mlp_row", "mlp_col"), np.array([99])),
        ),
        lambda folder: change_inputs(folder, rgb=np.zeros((4, 3, 90, 128), np.uint8)),
        lambda folder: change_inputs(
            folder,
            rgb=np.zeros((3, 3, 96, 128), np.uint8),
            poses=np.stack([np.eye(4)] * 3),
            depth=np.ones((3, 48, 64)),
        ),
    ],
)
def test_damaged_fixtures_are_bad_input(copy, damage):
    damage(copy)
    with pytest.raises(BadInput):
        list(simplerecon.checks(copy))
