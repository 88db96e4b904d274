from pathlib import Path

import pytest
import torch

from engine.core.faults import BadInput
from engine.training.kept import KeptSample, keep
from engine.training.mixed import MixedWorlds, sample_files, sample_path

CPU = torch.device("cpu")


class Counted:
    """Worlds that answer with what they were asked for."""

    def batch(self, index: int) -> tuple[str, int]:
        return "batch", index

    def walk(self, index: int) -> tuple[str, int]:
        return "walk", index

    def held_out(self, number: int) -> tuple[str, int]:
        return "held_out", number


def sample(number: int, hw: tuple[int, int] = (6, 8)) -> KeptSample:
    """Return a sample (b = 1) whose depth says which one it is."""
    return KeptSample(
        torch.full((1, 2, 3, *hw), 0.2),
        torch.full((1, 2, *hw), float(number)),
        torch.eye(3).expand(1, 2, 3, 3),
        torch.eye(4).expand(1, 2, 4, 4),
        None,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(5):
        keep(sample(number), sample_path(tmp_path / "00", False, number))
    for number in range(5, 8):
        keep(sample(number, (8, 6)), sample_path(tmp_path / "01", True, number))
    return tmp_path


def mixed(folder: Path, share: float = 0.4, seed: int = 3) -> MixedWorlds:
    return MixedWorlds(Counted(), folder, share, 3, seed, CPU)  # type: ignore[arg-type]


def shown(worlds: MixedWorlds, index: int) -> list[float] | None:
    """Return which samples a batch shows; None where it is of made-up worlds."""
    batch = worlds.batch(index)
    if isinstance(batch, tuple):
        assert batch == ("batch", index)
        return None
    assert batch.pictures.shape[:2] == (3, 2)
    assert batch.depth.shape == (3, 2, *batch.pictures.shape[-2:])
    return batch.depth[:, 0, 0, 0].tolist()


def test_a_batch_depends_on_seed_and_index_alone(folder: Path) -> None:
    forward = [shown(mixed(folder), index) for index in range(40)]
    backward = [shown(mixed(folder), index) for index in reversed(range(40))]
    assert forward == backward[::-1]
    assert forward != [shown(mixed(folder, seed=4), index) for index in range(40)]


def test_the_share_is_kept_and_all_samples_come(folder: Path) -> None:
    found = [shown(mixed(folder), index) for index in range(300)]
    own = [numbers for numbers in found if numbers is not None]
    # Four standard deviations of 300 throws at 0.4.
    assert abs(len(own) - 120) < 34
    assert {number for numbers in own for number in numbers} == set(map(float, range(8)))
    # Portraits and landscapes never share a batch.
    assert all(len({number < 5 for number in numbers}) == 1 for numbers in own)
    assert all(shown(mixed(folder, 1.0), index) is not None for index in range(20))


def test_all_else_is_asked_of_the_made_up_worlds(folder: Path) -> None:
    worlds = mixed(folder, 1.0)
    assert worlds.walk(4) == ("walk", 4)
    assert worlds.held_out(2) == ("held_out", 2)


def test_samples_of_several_sizes_and_empty_folders_are_refused(folder: Path) -> None:
    with pytest.raises(BadInput, match="no samples of recordings"):
        sample_files(folder / "00")
    for path in sample_files(folder):
        path.unlink()
    for number, width in enumerate((8, 10)):
        keep(sample(number, (6, width)), sample_path(folder / "00", False, number))
    # Three of two files: the seed's first batch holds both.
    with pytest.raises(BadInput, match="differ in size"):
        mixed(folder, 1.0, seed=1).batch(0)
