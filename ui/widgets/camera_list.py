"""The cameras that were found, as cards."""

from collections.abc import Callable

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from engine.core.news import FaultNews
from ui.ports import CameraCard, StudioPort
from ui.widgets.cards import CardGrid
from ui.widgets.errand import Errand
from ui.widgets.labels import button, heading, label
from ui.widgets.scan_card import CameraTile

TITLE = "Scan with a camera"
AGAIN = "Look again"
LOOKING = "Looking for cameras …"
NONE = "No camera was found. Plug one in and look again, or open a recording."
FAILED = "Cameras cannot be looked for."
NOT_USABLE = "“{title}” cannot be used."
LEAST_EM = 17


class CameraList(QWidget):
    """What `studio.cameras()` finds; those that cannot be used say why, below the others.

    `chose` carries what to open; `faulted` a FaultNews. `filled` says that the cards are others.
    """

    chose = Signal(str)
    filled = Signal()
    faulted = Signal(object)

    def __init__(self, studio: StudioPort, parent: QWidget | None = None) -> None:
        """Show that nothing is known yet; `refresh` looks."""
        super().__init__(parent)
        self._studio = studio
        self._looking: Errand | None = None
        self._shown: tuple[CameraCard, ...] | None = None
        self.again_button = button(AGAIN, self.refresh, "link", "Look for cameras again")
        self.note = label(LOOKING, "muted", wraps=True)
        self.grid = CardGrid(LEAST_EM, self)
        head = QHBoxLayout()
        head.addWidget(heading(TITLE), 1)
        head.addWidget(self.again_button)
        rows = QVBoxLayout(self)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(10)
        rows.addLayout(head)
        rows.addWidget(self.note)
        rows.addWidget(self.grid)

    def refresh(self) -> None:
        """Look again; what is shown stays until something else was found."""
        self.shut()
        self.again_button.setEnabled(False)
        self._looking = Errand(self._studio.cameras(), self)
        self._looking.done.connect(self._show)
        self._looking.failed.connect(self._cannot_look)

    def shut(self) -> None:
        """Look no more."""
        if self._looking is not None:
            self._looking.drop()
            self._looking = None

    def _show(self, cameras: tuple[CameraCard, ...]) -> None:
        self._looking = None
        self.again_button.setEnabled(True)
        self.note.setText(NONE)
        self.note.setVisible(not cameras)
        if cameras == self._shown:
            # Nobody who is choosing wants the cards to be exchanged below the hand.
            return
        self._shown = cameras
        tiles: list[CameraTile] = []
        for camera in sorted(cameras, key=lambda camera: not camera.is_usable):
            tile = CameraTile(camera.title, camera.remark, camera.is_usable, self.grid)
            tile.pressed.connect(self._press(camera))
            tiles.append(tile)
        self.grid.set_cards(list(tiles))
        self.filled.emit()

    def _cannot_look(self, fault: FaultNews) -> None:
        self._looking = None
        self.again_button.setEnabled(True)
        self.note.setText(f"{FAILED} {fault.says} {fault.remedy}".strip())
        self.note.show()

    def _press(self, camera: CameraCard) -> Callable[[], None]:
        def press() -> None:
            if camera.is_usable:
                self.chose.emit(camera.spec)
            else:
                says = NOT_USABLE.format(title=camera.title)
                self.faulted.emit(FaultNews(says, camera.remark, "degrade"))

        return press
