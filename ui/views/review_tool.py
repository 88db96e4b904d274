"""What every tool of the review page is, and the small parts they are made of."""

from collections.abc import Callable

from PySide6.QtCore import Signal
from PySide6.QtWidgets import (
    QDoubleSpinBox,
    QLabel,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from ui.gl.picking import Hit
from ui.units import Units, metres_a_unit
from ui.views.review_aim import Aim
from ui.views.review_desk import Desk

STRAIGHT = Aim()
FARTHEST_M = 1000.0
MARGIN_PX = 8


class Tool(QWidget):
    """One of the tools; at most one is open."""

    title = ""
    # Read aloud, and shown as a tip.
    purpose = ""

    def __init__(self, desk: Desk, parent: QWidget) -> None:
        """Stand ready, closed."""
        super().__init__(parent)
        self.desk = desk
        self.setAccessibleName(self.title)
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(0, 0, 0, 0)
        self.column.setSpacing(10)

    def open_up(self) -> None:
        """Begin: the tool is on the screen now."""

    def put_away(self) -> None:
        """End: leave the view as it was found."""

    def refresh(self) -> None:
        """Say everything anew; the surface, the units or what is being done have changed."""

    def take(self, hit: Hit, aim: Aim = STRAIGHT) -> None:
        """Take a click on the surface; only tools that asked for picking get any."""

    def words(self, text: str = "", role: str = "muted") -> QLabel:
        """Add a line of text, wrapped."""
        label = QLabel(text, self)
        label.setProperty("role", role)
        label.setWordWrap(True)
        self.column.addWidget(label)
        return label

    def button(self, text: str, action: Callable[[], None], role: str = "") -> QPushButton:
        """Return a new button, not placed yet."""
        button = QPushButton(text, self)
        if role:
            button.setProperty("role", role)
        button.clicked.connect(lambda: action())
        return button


class LengthField(QDoubleSpinBox):
    """A length that is held in metres and shown in metres or feet."""

    edited = Signal()

    def __init__(self, name: str, parent: QWidget, least_m: float = -FARTHEST_M) -> None:
        """Show nothing yet."""
        super().__init__(parent)
        self.setAccessibleName(name)
        self.setDecimals(3)
        self.setMinimumWidth(84)
        self.lineEdit().setTextMargins(MARGIN_PX, 0, 0, 0)
        self._least_m = least_m
        self._metres = 0.0
        self._units = Units.METRIC
        # Typing 1.25 is one edit, not three.
        self.setKeyboardTracking(False)
        self.show_units(Units.METRIC)
        self.valueChanged.connect(self._take)

    @property
    def metres(self) -> float:
        """The length, not rounded to what is shown."""
        return self._metres

    def show_metres(self, metres: float) -> None:
        """Show a length without calling it an edit."""
        self._metres = metres
        was = self.blockSignals(True)
        self.setValue(metres / metres_a_unit(self._units))
        self.blockSignals(was)

    def show_units(self, units: Units) -> None:
        """Show the same length in other units."""
        self._units = units
        unit_m = metres_a_unit(units)
        was = self.blockSignals(True)
        self.setRange(self._least_m / unit_m, FARTHEST_M / unit_m)
        self.setSuffix(" m" if units is Units.METRIC else " ft")
        self.setSingleStep(0.05 if units is Units.METRIC else 0.1)
        self.blockSignals(was)
        self.show_metres(self._metres)

    def _take(self, value: float) -> None:
        self._metres = value * metres_a_unit(self._units)
        self.edited.emit()


def whole_number(name: str, low: int, high: int, value: int, parent: QWidget) -> QSpinBox:
    """Return a field for a whole number whose typing counts as one edit."""
    field = QSpinBox(parent)
    field.setAccessibleName(name)
    field.setRange(low, high)
    field.setValue(value)
    field.setKeyboardTracking(False)
    field.setGroupSeparatorShown(True)
    field.lineEdit().setTextMargins(MARGIN_PX, 0, 0, 0)
    # As wide as a million needs, however far the range goes.
    field.setMaximumWidth(field.fontMetrics().horizontalAdvance("0") * 16 + 2 * MARGIN_PX)
    return field


def counted(count: int, what: str) -> str:
    """Return "1 piece" or "1,234 pieces"."""
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"
