"""Guides to what is yet to come: objects on a table, and measuring a camera."""

from dataclasses import dataclass

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import (
    QFrame,
    QGridLayout,
    QVBoxLayout,
    QWidget,
)

from ui.theme import GAP_PX
from ui.views import guide_pictures as pictures
from ui.widgets.column import Column
from ui.widgets.labels import button, heading, label

HOW = "How to prepare"
NOT_YET = "!  Not in this version"
WIDEST_PX = 1080
PICTURE_PX = 150
BESIDE_PX = 760


@dataclass(frozen=True, slots=True)
class Step:
    """One card of a guide."""

    title: str
    says: str
    picture: pictures.Picture


@dataclass(frozen=True, slots=True)
class Guide:
    """What a guide page says; `not_yet` is honest about what cannot be done today."""

    title: str
    promise: str
    not_yet: str
    steps: tuple[Step, ...]


OBJECT = Guide(
    "Scan an object",
    "A thing that stands on a table, from all sides and from below, as one closed and measured "
    "model.",
    "This version scans rooms and cannot put an object together yet. Until it can, walk round the "
    "object as if it were a room, then cut it out with Crop on the review page.",
    (
        Step(
            "Give it light",
            "Soft light from two sides, no bright window behind. Shiny, black and see-through "
            "things return no depth: powder or matt spray helps.",
            pictures.light,
        ),
        Step(
            "Stand it free",
            "On a low table or a turntable, with half a metre of space all round. A newspaper "
            "under it gives the camera something to hold on to.",
            pictures.turntable,
        ),
        Step(
            "Go round twice",
            "Once at its own height and once from above, 40 to 60 cm away. Each picture should "
            "show two thirds of the one before.",
            pictures.rounds,
        ),
        Step(
            "Turn it over",
            "Lay it on its side and go round once more: so the underside is seen as well.",
            pictures.turned,
        ),
    ),
)
CALIBRATION = Guide(
    "Check a camera",
    "Measures the lens, how colour and depth lie to each other, and how far depth is off, and "
    "says of each: good, could be better, or measure again.",
    "This version takes over what the camera or the recording says about itself and cannot "
    "measure it yet. Recordings whose figures do not fit are reported when they are opened.",
    (
        Step(
            "Print the target",
            "A chequered board on A4 or larger, printed at full size and glued onto something "
            "flat. Measure one square with a ruler: that figure sets the scale.",
            pictures.target,
        ),
        Step(
            "Clean the lens",
            "One fingerprint blurs every picture. Let the camera run for ten minutes, since "
            "depth drifts while it warms up. Hold focus and zoom still.",
            pictures.lens,
        ),
        Step(
            "Show it everywhere",
            "In the middle and in all corners of the picture, straight on and tilted by up to "
            "45 degrees, some thirty times in all.",
            pictures.corners,
        ),
        Step(
            "Then a bare wall",
            "Face a flat wall at half a metre, one, two and three metres. It tells how far "
            "depth is off, and where in the picture.",
            pictures.wall,
        ),
    ),
)


class GuideView(QWidget):
    """One guide: what will be done, how to prepare, and in one sentence that it is not there yet.

    `asked_back` leaves the page. `faulted` is there because every page has it.
    """

    asked_back = Signal()
    faulted = Signal(object)

    def __init__(self, guide: Guide, parent: QWidget | None = None) -> None:
        """Show the guide."""
        super().__init__(parent)
        column = Column(WIDEST_PX)
        column.setAccessibleName(guide.title)
        rows = column.rows
        rows.addWidget(label(guide.title, "title"))
        rows.addWidget(label(guide.promise, "muted", wraps=True))
        rows.addSpacing(GAP_PX // 2)
        rows.addWidget(_notice(guide.not_yet))
        rows.addSpacing(GAP_PX)
        rows.addWidget(heading(HOW))
        self.cards = [_card(number, step) for number, step in enumerate(guide.steps, start=1)]
        self._grid = QGridLayout()
        self._grid.setSpacing(GAP_PX)
        rows.addLayout(self._grid)
        rows.addSpacing(GAP_PX // 2)
        self.back_button = button("Back", self.asked_back.emit)
        rows.addWidget(self.back_button, 0, Qt.AlignmentFlag.AlignLeft)
        rows.addStretch()
        page = QVBoxLayout(self)
        page.setContentsMargins(0, 0, 0, 0)
        page.addWidget(column)
        self._columns = 0
        self._lay_out(2)
        self.setFocusProxy(self.back_button)

    @property
    def drawings(self) -> list[QWidget]:
        """The drawings, one a card."""
        return [drawing for card in self.cards for drawing in card.findChildren(_Drawing)]

    def shut(self) -> None:
        """Have nothing to stop."""

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Put cards side by side where there is room for it."""
        self._lay_out(2 if self.width() >= BESIDE_PX else 1)

    def _lay_out(self, columns: int) -> None:
        if columns == self._columns:
            return
        self._columns = columns
        for number, card in enumerate(self.cards):
            self._grid.addWidget(card, number // columns, number % columns)


def object_guide(parent: QWidget) -> GuideView:
    """Return the guide to scanning objects."""
    return GuideView(OBJECT, parent)


def calibration_guide(parent: QWidget) -> GuideView:
    """Return the guide to measuring a camera."""
    return GuideView(CALIBRATION, parent)


class _Drawing(QWidget):
    """A small drawing in the colours of the theme."""

    def __init__(self, picture: pictures.Picture, parent: QWidget) -> None:
        super().__init__(parent)
        self._picture = picture
        self.setFixedSize(QSize(PICTURE_PX, PICTURE_PX))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw it, as large as the widget is."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.scale(self.width() / pictures.GRID, self.height() / pictures.GRID)
        self._picture(painter)
        painter.end()


def _card(number: int, step: Step) -> QFrame:
    card = QFrame()
    card.setProperty("role", "card")
    drawing = _Drawing(step.picture, card)
    # What it shows is said beside it.
    drawing.setAccessibleName(f"Drawing: {step.title}")
    grid = QGridLayout(card)
    grid.setContentsMargins(GAP_PX, GAP_PX, GAP_PX, GAP_PX)
    grid.setHorizontalSpacing(GAP_PX)
    grid.addWidget(drawing, 0, 0, 3, 1, Qt.AlignmentFlag.AlignTop)
    grid.addWidget(heading(f"{number}  {step.title}"), 0, 1)
    grid.addWidget(label(step.says, "muted", wraps=True), 1, 1)
    grid.setRowStretch(2, 1)
    grid.setColumnStretch(1, 1)
    return card


def _notice(text: str) -> QFrame:
    frame = QFrame()
    frame.setProperty("role", "card")
    rows = QVBoxLayout(frame)
    rows.addWidget(label(NOT_YET, "warn"))
    rows.addWidget(label(text, wraps=True))
    return frame
