"""The strip above the finished surface: how it is coloured, and what lengths are said in."""

from PySide6.QtCore import QRect, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFrame,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from ui import theme
from ui.gl.modes import LEGENDS, MODE_NAMES, ColorMode
from ui.units import UNIT_NAMES, Units
from ui.widgets.flow import Flow

SWATCH_PX, GAP_PX = 14, 6
SPACE_PX = 14
LETTERS = 9


class Legend(QWidget):
    """Colours and what they mean, in a row; gone where colours need no key."""

    def __init__(self, parent: QWidget) -> None:
        """Have nothing to tell."""
        super().__init__(parent)
        self._entries: tuple[tuple[tuple[int, int, int], str], ...] = ()
        self.setMinimumHeight(SWATCH_PX + 8)

    def show_mode(self, mode: ColorMode) -> None:
        """Tell what the colours of a mode mean."""
        self._entries = LEGENDS[mode]
        words = ", ".join(text for _, text in self._entries)
        self.setToolTip(words)
        self.setAccessibleName(f"Colours mean: {words}" if words else "No key to the colours")
        self.setVisible(bool(self._entries))
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw squares with words beside them."""
        painter = QPainter(self)
        metrics = painter.fontMetrics()
        x, middle = 0, self.height() // 2
        for rgb, text in self._entries:
            wide = metrics.horizontalAdvance(text)
            square = QRect(x, middle - SWATCH_PX // 2, SWATCH_PX, SWATCH_PX)
            painter.fillRect(square, QColor(*rgb))
            painter.setPen(QColor(theme.current().edge))
            painter.drawRect(square)
            painter.setPen(QColor(theme.current().text))
            x += SWATCH_PX + GAP_PX
            painter.drawText(x, 0, wide + 4, self.height(), Qt.AlignmentFlag.AlignVCenter, text)
            x += wide + SPACE_PX
        painter.end()


class ViewBar(QFrame):
    """Chooses colours, edges and units, and brings the view back."""

    mode_chosen = Signal(object)
    wireframe_wanted = Signal(bool)
    units_chosen = Signal(object)
    asked_fit = Signal()
    asked_reset = Signal()

    def __init__(self, parent: QWidget) -> None:
        """Show colours, no edges, metres."""
        super().__init__(parent)
        self.setProperty("role", "panel")
        self.mode_box = QComboBox(self)
        self.mode_box.setAccessibleName("What the surface is coloured by")
        for number, mode in enumerate(ColorMode, start=1):
            self.mode_box.addItem(MODE_NAMES[mode], mode)
            tip = f"Key {number}"
            self.mode_box.setItemData(number - 1, tip, Qt.ItemDataRole.ToolTipRole)
        self.legend = Legend(self)
        self.units_box = QComboBox(self)
        self.units_box.setAccessibleName("Units of length")
        for units in Units:
            self.units_box.addItem(UNIT_NAMES[units], units)
        self.wireframe = QCheckBox("Edges", self)
        self.wireframe.setToolTip("Shows the edges of the triangles (W)")
        self.fit_button = QPushButton("Fit", self)
        self.fit_button.setToolTip("Look at everything (F)")
        self.reset_button = QPushButton("Reset", self)
        self.reset_button.setToolTip("Look from the first place again (R)")
        self.reset_button.setAccessibleName("Reset the view")
        for box in (self.mode_box, self.units_box):
            # As wide as the longest entry, they would not let the window be small.
            box.setSizeAdjustPolicy(
                QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
            )
            box.setMinimumContentsLength(LETTERS)
        row = Flow(10)
        for widget in (
            self.mode_box,
            self.units_box,
            self.wireframe,
            self.fit_button,
            self.reset_button,
        ):
            row.addWidget(widget)
        rows = QVBoxLayout(self)
        rows.setContentsMargins(12, 8, 12, 8)
        rows.addLayout(row)
        rows.addWidget(self.legend)
        self.mode_box.currentIndexChanged.connect(self._mode_changed)
        self.wireframe.toggled.connect(self.wireframe_wanted)
        self.units_box.currentIndexChanged.connect(
            lambda: self.units_chosen.emit(self.units_box.currentData())
        )
        self.fit_button.clicked.connect(self.asked_fit)
        self.reset_button.clicked.connect(self.asked_reset)
        self.legend.show_mode(ColorMode.COLOR)

    def set_mode(self, mode: ColorMode) -> None:
        """Choose a mode as the list would."""
        self.mode_box.setCurrentIndex(self.mode_box.findData(mode))

    def _mode_changed(self) -> None:
        mode: ColorMode = self.mode_box.currentData()
        self.legend.show_mode(mode)
        self.mode_chosen.emit(mode)
