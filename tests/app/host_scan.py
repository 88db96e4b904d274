"""A scan whose finished mesh can be reviewed."""

from app.scan import ScanController
from tests.gui.fake_model import FakeModel


class ScanWithModel(ScanController):
    _made = None

    @property
    def model(self):
        if self.result is not None and self._made is None:
            self._made = FakeModel(self.result, self.title)
        return self._made
