import json
from pathlib import Path

import pytest
import torch

from app import chosen_weights
from app import weights as room
from app.chosen_weights import corrected_sweep, weights_file
from engine.core.faults import BadInput, MissingPart
from engine.core.frames import Photo
from engine.nets.sweepdepth.config import SweepDepthConfig
from engine.nets.sweepdepth.model import Corrected, SweepDepth, Swept
from engine.weights.bundle import bundle
from engine.weights.shelf import Record
from engine.weights.store import save
from tests.scenes import orbit
from tests.weights.cards import CARD
from tests.weights.files import SMALL, small_state


@pytest.fixture(autouse=True)
def assets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ship one set of weights with the program, in folders of the test."""
    folder = tmp_path / "assets"
    folder.mkdir()
    rows = json.loads((room.ASSETS / "catalogue.json").read_text())["entries"]
    rows = [row for row in rows if row["kind"] == "published"]
    (folder / "catalogue.json").write_text(json.dumps({"entries": rows}))
    (folder / "thing.md").write_text(CARD)
    trained = tmp_path / "trained.safetensors"
    tensors = {name: value.clone() for name, value in small_state().items()}
    save(trained, "finerecon", SMALL.as_dict(), tensors, {"licence": "Apache-2.0"})
    bundle(trained, folder, "thing", "Sees things")
    monkeypatch.setattr(room, "ASSETS", folder)
    monkeypatch.setenv("FINESCAN_WEIGHTS", str(tmp_path / "weights"))
    return folder


def install(name: str) -> Path:
    store = room.shelf()
    store.weights(name).parent.mkdir(parents=True)
    store.weights(name).write_bytes(b"somebody's own")
    record = Record(network="finerecon", sha256="0", bytes=1, source="s", source_sha256="")
    store.write_record(name, record)
    return store.weights(name)


def test_what_came_with_the_program_is_used(assets: Path) -> None:
    assert weights_file(None, "finerecon") == assets / "thing.safetensors"
    assert weights_file("thing", "finerecon") == assets / "thing.safetensors"


def test_what_the_user_installed_comes_first(assets: Path) -> None:
    own = install("finerecon")
    assert weights_file(None, "finerecon") == own
    assert weights_file("thing", "finerecon") == assets / "thing.safetensors"
    assert weights_file("finerecon", "finerecon") == own


def test_an_import_is_used_where_it_is_named(assets: Path) -> None:
    own = install("mine")
    assert weights_file("mine", "finerecon") == own
    assert weights_file(None, "finerecon") == assets / "thing.safetensors"


def test_the_way_out_is_true_for_what_is_missing(assets: Path) -> None:
    with pytest.raises(MissingPart, match="GTR needs weights") as published:
        weights_file(None, "gtr", "--gtr-weights")
    assert "its authors publish" in published.value.remedy
    assert "install it again" not in published.value.remedy
    assert "--gtr-weights FILE" in published.value.remedy
    (assets / "thing.safetensors").unlink()
    with pytest.raises(MissingPart) as gone:
        weights_file(None, "finerecon")
    assert "install it again" in gone.value.remedy
    with pytest.raises(MissingPart, match="other needs") as unknown:
        weights_file(None, "other")
    assert "authors" not in unknown.value.remedy
    with pytest.raises(BadInput, match="no weights 'thing'"):
        weights_file("thing", "finerecon")
    install("mine")
    with pytest.raises(MissingPart, match="names of your own") as named:
        weights_file(None, "finerecon")
    assert named.value.remedy == "Use --weights mine."


def test_the_backend_is_the_one_that_was_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    config = SweepDepthConfig(widths=(8, 8, 8, 8, 8), volume_width=8)
    path = tmp_path / "depth.safetensors"
    save(path, "sweepdepth", config.as_dict(), SweepDepth(config).state_dict(), {})
    asked: list[object] = []

    class Watched:
        """Stands where OpenVINO does, and lets torch compute."""

        def __init__(self, module: SweepDepth, dtype: torch.dtype | None) -> None:
            self._module = module
            asked.append(dtype)

        def __call__(self, swept: Swept) -> Corrected:
            asked.append(swept.picture_b3hw.shape)
            with torch.inference_mode():
                said: Corrected = self._module(swept)
            return said

    monkeypatch.setattr(chosen_weights, "OpenVino", Watched)
    photos = [Photo(f.color, f.intrinsics, f.T_world_cam) for f in orbit(9)[:5:2]]
    how = torch.device("cpu"), torch.float32
    plain = corrected_sweep(str(path), *how).estimate(photos[1], photos[::2])
    assert asked == []
    other = corrected_sweep(str(path), *how, "openvino").estimate(photos[1], photos[::2])
    assert len(asked) == 2
    assert asked[0] is None
    assert abs(plain.depth_m - other.depth_m).max() < 1e-4
    assert plain.depth_m.std() > 0.01
