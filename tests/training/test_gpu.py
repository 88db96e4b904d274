from pathlib import Path

import pytest
import torch

from engine.training import checkpoint
from engine.training.command import start

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA"),
]


@pytest.mark.parametrize("recipe", ["depth", "finerecon"])
def test_a_recipe_runs_and_is_taken_up(tmp_path: Path, recipe: str) -> None:
    given = {"size": "smoke", "steps": 20}
    news = list(start(recipe, tmp_path / "a", dict(given), minutes=0.3, device="cuda"))
    assert news[-1].step > 0
    before = checkpoint.read_state(tmp_path / "a")["step"]
    more = list(start(recipe, tmp_path / "a", {}, is_resumed=True, device="cuda"))
    assert more[-1].step == 20 or before == 20
    tensors = checkpoint.load(tmp_path / "a").tensors
    assert all(torch.isfinite(value).all() for value in tensors.values())


def test_a_batch_drawn_by_another_thread_is_the_same() -> None:
    from engine.training.feed import Feed
    from engine.training.worlds import Plan, TrainingWorlds

    device = torch.device("cuda", 0)
    plan = Plan(batch=2, views=3, height=64, width=96)
    worlds = TrainingWorlds(device, 0, None, plan)
    batches = iter(Feed(worlds.batch, 3, 1, device))
    drawn = [next(batches) for _ in range(2)]
    batches.close()
    again = TrainingWorlds(device, 0, None, plan)
    for index, batch in enumerate(drawn):
        assert torch.equal(batch.pictures, again.batch(3 + index).pictures)
