import threading

import pytest

from app.scan import ScanController
from tests.app.fakes import FakeFuser, FakeSource


@pytest.fixture
def scan_of():
    """Makes controllers, and demands that none leaves a thread behind."""
    before = set(threading.enumerate())
    made = []

    def make(source=None, fuser=None, recorder=None):
        box = []

        def make_fuser(info):
            box.append(fuser if fuser is not None else FakeFuser())
            box[-1].threads = {threading.current_thread().name}
            return box[-1]

        scan = ScanController(source or FakeSource(), make_fuser, recorder=recorder)
        scan.fuser = box
        made.append(scan)
        return scan

    yield make
    for scan in made:
        assert scan.abort() == ()
        assert all(fuser.is_closed for fuser in scan.fuser)
    assert set(threading.enumerate()) == before
