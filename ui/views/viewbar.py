"""The strip below the 3D view: what its colours mean, and what it shows."""

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QCheckBox, QComboBox, QHBoxLayout, QPushButton, QSizePolicy, QWidget

from ui import theme
from ui.gl.guessed import Guessed
from ui.gl.modes import LEGENDS, MODE_NAMES, ColorMode
from ui.views.folding import Folding
from ui.widgets.labels import label

GUESSED = {
    Guessed.SHOW: ("Show", "like all other surface"),
    Guessed.TINT: ("Tint", "in blue-violet"),
    Guessed.HIDE: ("Hide", "left out"),
}
GUESSED_TIP = (
    "Where no depth was measured, a network may complete the surface.\n"
    "Show it, tint it blue-violet, or leave it out. The scan itself stays the same."
)
NO_LEGEND = {
    ColorMode.COLOR: "as the camera saw it",
    ColorMode.PLAIN: "shape alone",
}
Entry = tuple[tuple[int, int, int] | None, str]


class ViewBar(Folding):
    """Colours with their legend; guessed surface, following, snapshot.

    `mode_chosen(ColorMode)`, `guessed_chosen(Guessed)`, `follow_toggled(bool)` and
    `asked_snapshot` say what the user wants.
    """

    mode_chosen = Signal(object)
    guessed_chosen = Signal(object)
    follow_toggled = Signal(bool)
    asked_snapshot = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        """Begin with true colours and all surface."""
        super().__init__(parent)
        self.mode_box = QComboBox()
        self.legend = Legend()
        self.guessed_box = QComboBox()
        self.follow = QCheckBox("Fo&llow camera")
        self.snapshot_button = QPushButton("Snapshot")
        self.hold(self._colors(), self._rest())
        self.setProperty("role", "panel")

    def set_mode(self, mode: ColorMode) -> None:
        """Choose what the surface is coloured by, as if by hand."""
        self.mode_box.setCurrentIndex(self.mode_box.findData(mode))

    def _colors(self) -> QWidget:
        for number, mode in enumerate(ColorMode, start=1):
            self.mode_box.addItem(MODE_NAMES[mode], mode)
            self.mode_box.setItemData(number - 1, f"Key {number}", Qt.ItemDataRole.ToolTipRole)
        self.mode_box.setAccessibleName("Colours")
        self.mode_box.setToolTip("What the colours tell (keys 1 to 7)")
        self.mode_box.currentIndexChanged.connect(self._choose_mode)
        self.legend.show_mode(ColorMode.COLOR)
        choice = _row(_buddy("&Colours", self.mode_box), self.mode_box)
        return _beside(choice, self.legend, self.legend)

    def _rest(self) -> QWidget:
        for number, (how, (word, meaning)) in enumerate(GUESSED.items()):
            self.guessed_box.addItem(word, how)
            tip = f"Guessed surface {meaning}."
            self.guessed_box.setItemData(number, tip, Qt.ItemDataRole.ToolTipRole)
        self.guessed_box.setToolTip(GUESSED_TIP)
        self.guessed_box.setAccessibleName("Guessed surface")
        self.guessed_box.currentIndexChanged.connect(
            lambda: self.guessed_chosen.emit(self.guessed_box.currentData())
        )
        self.follow.setToolTip("The view glides after the camera (C), or stays where you put it")
        self.follow.toggled.connect(self.follow_toggled)
        self.snapshot_button.setToolTip("Keeps a picture of the 3D view among your pictures")
        self.snapshot_button.setAccessibleName("Snapshot of the 3D view")
        self.snapshot_button.clicked.connect(self.asked_snapshot)
        guessed = _row(_buddy("&Guessed", self.guessed_box), self.guessed_box)
        return _beside(guessed, _row(self.follow, self.snapshot_button))

    def _choose_mode(self) -> None:
        mode = self.mode_box.currentData()
        self.legend.show_mode(mode)
        self.mode_chosen.emit(mode)


class Legend(QWidget):
    """What each colour of a mode means, in as many lines as it takes."""

    def __init__(self) -> None:
        """Show nothing yet."""
        super().__init__()
        self._entries: tuple[Entry, ...] = ()
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)

    def show_mode(self, mode: ColorMode) -> None:
        """Show the legend of a mode."""
        plain: tuple[Entry, ...] = ((None, NO_LEGEND[mode]),) if mode in NO_LEGEND else ()
        self._entries = LEGENDS[mode] or plain
        self.setAccessibleName("Legend: " + ", ".join(words for _, words in self._entries))
        self.updateGeometry()
        self.update()

    def words(self) -> tuple[str, ...]:
        """Return what is written."""
        return tuple(words for _, words in self._entries)

    def sizeHint(self) -> QSize:
        """Return room for two lines' worth in one, lest the strip folds for a long legend."""
        return QSize(150, self._line())

    def minimumSizeHint(self) -> QSize:
        """Return room for the longest entry."""
        return QSize(max((self._wide(e) for e in self._entries), default=0), self._line())

    def heightForWidth(self, width: int) -> int:
        """Return what all entries take."""
        return int(max((place.bottom() for _, place in self._places(width)), default=0))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw a swatch and words for each entry."""
        painter = QPainter(self)
        palette = theme.current()
        places = self._places(self.width())
        low = max((place.bottom() for _, place in places), default=0.0)
        painter.translate(QPointF(0, max(0.0, (self.height() - low) / 2)))
        for (color, words), place in places:
            left = 0
            if color is not None:
                side = self._swatch()
                box = QRectF(place.left(), place.center().y() - side / 2, side, side)
                painter.setPen(QPen(QColor(palette.edge), 1))
                painter.setBrush(QColor(*color))
                painter.drawRect(box)
                left = side + 6
            painter.setPen(QColor(palette.muted))
            painter.drawText(
                place.adjusted(left, 0, 0, 0), Qt.AlignmentFlag.AlignVCenter.value, words
            )
        painter.end()

    def _swatch(self) -> int:
        return self.fontMetrics().ascent()

    def _line(self) -> int:
        return self.fontMetrics().height() + 4

    def _wide(self, entry: Entry) -> int:
        swatch = 0 if entry[0] is None else self._swatch() + 6
        return swatch + self.fontMetrics().horizontalAdvance(entry[1]) + 2

    def _places(self, width: int) -> list[tuple[Entry, QRectF]]:
        x = y = 0
        places = []
        for entry in self._entries:
            wide = self._wide(entry)
            if x and x + wide > width:
                x, y = 0, y + self._line()
            places.append((entry, QRectF(x, y, wide, self._line())))
            x += wide + 14
        return places


def _buddy(text: str, box: QWidget) -> QWidget:
    words = label(text)
    words.setBuddy(box)
    return words


def _beside(first: QWidget, second: QWidget, wide: QWidget | None = None) -> Folding:
    """Return two parts close together that fold for themselves."""
    block = Folding()
    block.hold(first, second, wide)
    block.nest()
    return block


def _row(*parts: QWidget) -> QWidget:
    block = QWidget()
    row = QHBoxLayout(block)
    row.setContentsMargins(0, 0, 0, 0)
    row.setSpacing(8)
    for part in parts:
        row.addWidget(part)
    row.addStretch()
    return block
