"""What holds for all tests."""

import pytest
from hypothesis import settings

# A busy machine, or a kernel compiled on first use, is no reason to fail a property.
# The same cases on every run, so that what passed once passes again; others: `make test-explore`.
settings.register_profile("finescan", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None)
settings.load_profile("finescan")


@pytest.fixture(autouse=True)
def home_of_its_own(request, tmp_path_factory, monkeypatch):
    """Keep the preferences and scans of whoever runs the tests out of them."""
    place = tmp_path_factory.getbasetemp() / "homes" / str(abs(hash(request.node.nodeid)))
    monkeypatch.setenv("FINESCAN_HOME", str(place))
    return place
