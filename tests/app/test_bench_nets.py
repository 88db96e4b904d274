import json

import psutil
import pytest
import torch

from app.bench import nets as bench_nets
from app.bench.nets import CASES, measure, nets


@pytest.fixture
def _quick(monkeypatch):
    monkeypatch.setattr(bench_nets, "ENOUGH_S", 0.0)


@pytest.mark.usefixtures("_quick")
@pytest.mark.parametrize("case", ["finerecon_picture", "finerecon_points", "simplerecon_depth"])
def test_a_small_network_is_timed_and_weighed(case):
    ms, mb = measure(case, "small", "cpu", "float32")
    assert 0 < ms < 60_000
    assert mb > 50


@pytest.mark.usefixtures("_quick")
def test_every_case_has_a_row_and_the_machine_is_named(monkeypatch):
    class Here:
        """Runs at once: what is asked is the table, not the process."""

        def __init__(self, *args, **kwargs):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *exception):
            pass

        def submit(self, call, *args):
            self.value = (call, args)
            return self

        def result(self):
            return 12.5, 300.0

    monkeypatch.setattr(bench_nets, "ProcessPoolExecutor", Here)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    steps = []
    row = json.loads(json.dumps(nets(steps.append)))
    for case in CASES:
        assert row[f"{case}_small_ms"] == 12.5
        assert row[f"{case}_small_peak_mb"] == 300.0
    assert row["machine"]["cores"] >= 1
    assert steps[-1].done == steps[-1].total == 2 * len(CASES)


@pytest.mark.usefixtures("_quick")
def test_a_network_that_does_not_fit_is_skipped_with_the_reason(monkeypatch):
    class Poor:
        available = 1 << 30

    monkeypatch.setattr(psutil, "virtual_memory", lambda: Poor)
    monkeypatch.setattr(bench_nets, "CASES", {"gtr_triplane": bench_nets.gtr_triplane})
    row = nets(lambda step: None, sizes=("published",))
    assert row["gtr_triplane_published"] == "skipped: needs 4000 MB, 1024 MB are free"
