import json
import shutil
from pathlib import Path

import numpy as np
import psutil
import pytest

from engine.core.faults import BadInput
from engine.evaluation.parity import gtr, gtr_forward
from engine.evaluation.parity.gtr import checks
from tests.evaluation.parity.gtr_made import make

STORED = Path(__file__).resolve().parents[3].parent / "shared" / "parity" / "gtr"
needs_stored = pytest.mark.skipif(not STORED.exists(), reason=f"{STORED.name} fixture is absent")


@pytest.fixture(scope="session")
def made(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("gtr")
    make(folder)
    return folder


@pytest.fixture
def copied(made, tmp_path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "copy"))


def change(path: Path, **new: np.ndarray) -> None:
    with np.load(path) as found:
        np.savez(path, **{**found, **new})


def failures(folder: Path) -> list[str]:
    return [check.name for check in checks(folder) if not check.ok]


@needs_stored
def test_stored_reduced_network(tmp_path):
    for name in STORED.iterdir():
        if not name.name.startswith("full"):
            shutil.copy(name, tmp_path)
    found = {check.name: check for check in checks(tmp_path)}
    assert [name for name, check in found.items() if not check.ok] == []
    assert found["manifest.json/released"].rel_err == 0
    with np.load(STORED / "small_outputs.npz") as stored:
        assert {f"small_outputs.npz/{name}" for name in stored.files} <= found.keys()


@pytest.mark.slow
@needs_stored
def test_stored_released_network(tmp_path):
    for name in ("full_config.json", "full_outputs.npz", "small_inputs.npz"):
        shutil.copy(STORED / name, tmp_path)
    found = {check.name: check for check in checks(tmp_path)}
    assert [name for name, check in found.items() if not check.ok] == []
    with np.load(STORED / "full_outputs.npz") as stored:
        outputs = {f"full_outputs.npz/{name}" for name in set(stored.files) - gtr.NOT_OUTPUTS}
    assert outputs == found.keys()


def test_another_network_and_other_pictures(made):
    found = {check.name: check for check in checks(made)}
    assert [name for name, check in found.items() if not check.ok] == []
    with np.load(made / "odd_outputs.npz") as stored:
        assert {f"odd_outputs.npz/{name}" for name in stored.files} < found.keys()
    assert found["manifest.json/odd"].rel_err == 0


def test_every_perturbed_array_is_noticed(made, copied):
    with np.load(made / "odd_outputs.npz") as stored:
        outputs = dict(stored)
    for name, values in outputs.items():
        wrong = values.copy()
        # Not the first number of all: a distance of a ray that misses is infinite anyway.
        at = np.unravel_index(np.argmin(np.abs(wrong)), wrong.shape)
        wrong[at] += 0.01
        change(copied / "odd_outputs.npz", **{**outputs, name: wrong})
        assert failures(copied) == [f"odd_outputs.npz/{name}"]


def test_arrays_of_another_shape_are_noticed(made, copied):
    with np.load(made / "odd_outputs.npz") as stored:
        outputs = dict(stored)
    for name, values in outputs.items():
        change(copied / "odd_outputs.npz", **{**outputs, name: values[..., :1]})
        assert failures(copied) == [f"odd_outputs.npz/{name}"]


def test_an_output_nobody_makes_is_a_failure(copied):
    change(copied / "odd_outputs.npz", **{"gen.block7.out": np.zeros(3)})
    assert failures(copied) == ["odd_outputs.npz/gen.block7.out"]


def test_missing_outputs_are_not_checked(made, copied):
    with np.load(made / "odd_outputs.npz") as stored:
        np.savez(copied / "odd_outputs.npz", **{"gen.triplane": stored["gen.triplane"]})
    names = [check.name for check in checks(copied)]
    assert [name for name in names if name.startswith("odd_outputs")] == [
        "odd_outputs.npz/zero123pp_rig_camera_text",
        "odd_outputs.npz/gen.triplane",
    ]


def test_manifest_of_an_unknown_network_is_read_from_its_shapes(copied):
    manifest = json.loads((copied / "manifest.json").read_text())
    (copied / "manifest.json").write_text(json.dumps({"other": manifest["odd"]}))
    assert failures(copied) == []


def test_manifest_with_another_shape_name_or_order_fails(copied):
    path = copied / "manifest.json"
    entries = json.loads(path.read_text())["odd"]["entries"]
    reversed_order = dict(reversed(entries.items()))
    longer = {**entries, "generator.extra": {"shape": [1], "dtype": "float32"}}
    wider = {**entries, "field.aabb": {"shape": [7], "dtype": "float32"}}
    for wrong in (reversed_order, longer, wider):
        path.write_text(json.dumps({"odd": {"entries": wrong}}))
        assert failures(copied) == ["manifest.json/odd"]


@needs_stored
def test_checksums_of_another_seed_fail(tmp_path):
    sums = json.loads((STORED / "weights_checksums.json").read_text())
    sums["SEED"] += 1
    (tmp_path / "weights_checksums.json").write_text(json.dumps(sums))
    found = list(gtr.checksum_checks(gtr.read_json(tmp_path, "weights_checksums.json")))
    assert [check.name.split("/")[-1] for check in found if check.ok] == ["field.aabb"]


def slices_of(made: Path, folder: Path) -> None:
    """Turn the made fixture into slices, as the released network's are stored."""
    tokens, channels = np.array([0, 47, 48, 70]), np.array([1, 19])
    with np.load(made / "odd_outputs.npz") as found:
        outputs = dict(found)
    shutil.copy(made / "odd_inputs.npz", folder)
    with np.load(made / "odd_inputs.npz") as inputs:
        points = inputs["query_points"]
    triplane = outputs["gen.triplane"].astype(np.float64)
    np.savez(
        folder / "whole_outputs.npz",
        token_index=tokens,
        channel_index=channels,
        query_points=points,
        **{"block01.out": outputs["gen.block1.out"][tokens][:, channels]},
        view_tokens_normed=outputs["gen.view_tokens_normed"][[0, 22]][:, channels],
        plane_tokens_normed=outputs["gen.plane_tokens_normed"][[0, 47]][:, channels],
        **{"triplane@stride": triplane[:, :, 3::29, 5::31]},
        **{"triplane.corner8": triplane[:, :4, :8, :8]},
        **{"triplane.mean_per_plane_channel": triplane.mean((2, 3))},
        **{"triplane.std_per_plane_channel": triplane.std((2, 3))},
        **{"query.rgb": outputs["query.rgb"], "grid9.sdf": 10 - outputs["grid.density"]},
    )
    config = json.loads((made / "odd_config.json").read_text())
    config["inputs"] = "first views of odd_inputs.npz"
    (folder / "whole_config.json").write_text(json.dumps(config))


def test_slices_of_a_network(made, tmp_path):
    slices_of(made, tmp_path)
    found = list(checks(tmp_path))
    assert [check.name for check in found if not check.ok] == []
    assert len(found) == 9
    change(tmp_path / "whole_outputs.npz", **{"block01.out": np.zeros((4, 2))})
    assert failures(tmp_path) == ["whole_outputs.npz/block01.out"]
    change(tmp_path / "whole_outputs.npz", token_index=np.array([999]))
    with pytest.raises(BadInput, match="do not fit"):
        list(checks(tmp_path))


def test_too_little_memory_is_said_not_skipped(monkeypatch, made):
    memory = psutil.virtual_memory()._replace(available=1 << 10)
    monkeypatch.setattr(gtr.psutil, "virtual_memory", lambda: memory)
    with pytest.raises(BadInput, match=r"needs \d+ MB of memory, 0 MB are free"):
        list(checks(made))


def edit_config(folder: Path, **new: object) -> None:
    path = folder / "odd_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **new}))


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda f: (f / "odd_config.json").unlink(), "no configuration"),
        (lambda f: (f / "odd_config.json").write_text("{"), "cannot be read"),
        (lambda f: (f / "odd_inputs.npz").unlink(), "cannot be read"),
        (lambda f: (f / "odd_outputs.npz").write_bytes(b"PK"), "cannot be read"),
        (lambda f: (f / "manifest.json").write_text('{"odd": {}}'), "damaged"),
        (lambda f: edit_config(f, views=4), "does not hold 4 views"),
        (lambda f: edit_config(f, views=0), "not a count"),
        (lambda f: edit_config(f, grid_res=2.5), "not a count"),
        (lambda f: edit_config(f, grid_res=10**5), "MB of memory"),
        (lambda f: edit_config(f, image_size=float("nan")), "not a number"),
        (lambda f: edit_config(f, image_size=11), "smaller than a patch"),
        (lambda f: edit_config(f, SEED="x"), "not a number"),
        (lambda f: edit_config(f, generator={"dropout": 1}), "dropout can only be"),
        (lambda f: edit_config(f, generator={"width": 1}), "width is not known"),
        (lambda f: change(f / "odd_inputs.npz", nerf_hw=np.zeros(3)), "has shape"),
        (lambda f: change(f / "odd_inputs.npz", camera_text=np.array(["x"] * 3)), "1 lines"),
        (lambda f: change(f / "odd_inputs.npz", nerf_c2w=np.zeros((4, 4))), "pose"),
        (
            lambda f: change(f / "odd_inputs.npz", probe_pixels_vyx=np.full((1, 3), 99)),
            "outside the pictures",
        ),
    ],
)
def test_a_damaged_fixture_is_refused_with_a_sentence(copied, damage, says):
    damage(copied)
    with pytest.raises(BadInput, match=says):
        list(checks(copied))


def test_preview_cameras_made_in_one_call_of_three_are_known(made, copied):
    # What the published look-at makes of three cameras at once: nothing but the viewing axis.
    with np.load(made / "odd_outputs.npz") as stored:
        flat = stored["turntable.world_to_camera"].copy()
        flat[:, :2] = 0
        mvp = stored["turntable.mvp"].copy()
        mvp[:, :2] = 0
    new = {"turntable.world_to_camera": flat, "turntable.mvp": mvp}
    change(copied / "odd_outputs.npz", **new)
    assert failures(copied) == []
    new["turntable.mvp"][1, 0] = 0.01
    change(copied / "odd_outputs.npz", **new)
    assert failures(copied) == ["odd_outputs.npz/turntable.mvp"]


def test_mesh_half_is_asked(monkeypatch, made):
    asked = []
    monkeypatch.setattr(gtr_forward, "mesh_checks", lambda *a: asked.append(a) or iter(()))
    list(checks(made))
    config, inputs, stored, network, triplane, views = asked[0]
    assert config["SEED"] == 5
    assert "rgba" in inputs
    assert "gen.triplane" in stored
    assert network.config.generator.out_channels == triplane.shape[1] == 5
    assert not triplane.is_inference()
    assert len(views.cameras) == 2
