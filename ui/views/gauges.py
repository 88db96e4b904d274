"""Small signs and bars that are painted, each with words beside or inside: never colour alone."""

import math
from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QVBoxLayout, QWidget

from engine.core.news import Tracking
from ui import theme
from ui.widgets.labels import label, strong

SIGN_PX = 44
BARS = 5
MARKER_PX = 7
NOTHING = "unknown"


@dataclass(frozen=True, slots=True)
class Zones:
    """Neighbouring ranges of a value.

    Attributes:
        words: what each range is called.
        edges: the values between them, one fewer than words, and before and after them where the
            bar begins and ends.
        shares: how much of the bar each range takes.
        good: which of them is the good one.
    """

    words: tuple[str, ...]
    edges: tuple[float, ...]
    shares: tuple[float, ...]
    good: int

    def place(self, value: float, zone: int) -> float:
        """Return where a value is on the bar, 0 to 1, and never outside of its zone."""
        low, high = self.edges[zone], self.edges[zone + 1]
        within = min(max((value - low) / (high - low), 0.03), 0.97)
        return sum(self.shares[:zone]) + within * self.shares[zone]


# The engine decides which zone it is, by its settings; the edges only place the marker.
DISTANCE_ZONES = Zones(
    ("too near", "good", "too far"), (0.0, 0.3, 5.0, 8.0), (0.27, 0.48, 0.25), good=1
)
PACE_ZONES = Zones(("good", "too fast"), (0.0, 1.0, 2.0), (0.68, 0.32), good=0)


class Sign(QWidget):
    """A tick, an exclamation mark, a cross, or two bars for a pause."""

    def __init__(self) -> None:
        """Wait."""
        super().__init__()
        self._state: Tracking | None = Tracking.WAITING
        self.setFixedSize(SIGN_PX, SIGN_PX)

    def show_state(self, state: Tracking | None) -> None:
        """Show a state of tracking; None is a pause."""
        if state is not self._state:
            self._state = state
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw a form of its own for each state."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        color = state_color(self._state)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(color)
        middle, size = SIGN_PX / 2, SIGN_PX
        if self._state is Tracking.WEAK:
            corners = ((middle, 3), (size - 2, size - 5), (2, size - 5))
            painter.drawPolygon(QPolygonF([QPointF(x, y) for x, y in corners]))
        elif self._state is Tracking.LOST:
            painter.drawRoundedRect(QRectF(3, 3, size - 6, size - 6), 8, 8)
        else:
            painter.drawEllipse(QRectF(2, 2, size - 4, size - 4))
        ink = QPen(QColor(theme.current().background), 5)
        ink.setCapStyle(Qt.PenCapStyle.RoundCap)
        ink.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
        painter.setPen(ink)
        for stroke in _STROKES[self._state]:
            painter.drawPolyline([QPointF(x * size, y * size) for x, y in stroke])
        painter.end()


_STROKES: dict[Tracking | None, tuple[tuple[tuple[float, float], ...], ...]] = {
    Tracking.GOOD: (((0.29, 0.52), (0.44, 0.67), (0.71, 0.36)),),
    Tracking.WEAK: (((0.5, 0.36), (0.5, 0.57)), ((0.5, 0.74), (0.5, 0.745))),
    Tracking.LOST: (((0.32, 0.32), (0.68, 0.68)), ((0.68, 0.32), (0.32, 0.68))),
    Tracking.WAITING: tuple(((x, 0.5), (x, 0.505)) for x in (0.3, 0.5, 0.7)),
    None: (((0.39, 0.34), (0.39, 0.66)), ((0.61, 0.34), (0.61, 0.66))),
}


def state_color(state: Tracking | None) -> QColor:
    """Return the colour that goes with a state; None is a pause."""
    palette = theme.current()
    colors = {
        Tracking.GOOD: palette.good,
        Tracking.WEAK: palette.warn,
        Tracking.LOST: palette.record,
    }
    return QColor(palette.muted if state is None else colors.get(state, palette.muted))


class MarginMeter(QWidget):
    """Five bars like those of a radio: how far tracking is from being lost."""

    def __init__(self) -> None:
        """Know nothing."""
        super().__init__()
        self._bars: int | None = None
        self.setFixedSize(SIGN_PX, 22)
        self.setAccessibleName("How well tracking holds")
        self.setToolTip("How well tracking holds: with no bar left it is lost.")

    def show_margin(self, margin: float | None) -> None:
        """Show a margin from 0 to 1, or that it is unknown."""
        bars = None if margin is None else math.ceil(margin * BARS - 1e-9)
        if bars != self._bars:
            self._bars = bars
            self.setAccessibleDescription(NOTHING if bars is None else f"{bars} of {BARS}")
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw rising bars."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        palette = theme.current()
        painter.setPen(Qt.PenStyle.NoPen)
        for number in range(BARS):
            high = self.height() * (number + 2) / (BARS + 1)
            is_on = number < (self._bars or 0)
            painter.setBrush(QColor(palette.text if is_on else palette.line))
            left = number * SIGN_PX / BARS
            painter.drawRoundedRect(QRectF(left + 1, self.height() - high, 6, high), 2, 2)
        painter.end()


class Gauge(QWidget):
    """A value with its name, above a bar of zones with a marker."""

    def __init__(self, name: str, zones: Zones) -> None:
        """Know no value."""
        super().__init__()
        self.setAccessibleName(name)
        self.value = strong(label(NOTHING))
        self.bar = _ZoneBar(zones)
        self._zones = zones
        head = QHBoxLayout()
        head.addWidget(label(name, "muted"))
        head.addStretch()
        head.addWidget(self.value)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addLayout(head)
        column.addWidget(self.bar)

    def show_value(self, value: float, text: str, zone: int) -> None:
        """Show a value that lies in a zone."""
        # The bar moves by steps that can be seen, and is not painted for less.
        place = round(self._zones.place(value, zone), 2)
        self._tell(f"{text} · {self._zones.words[zone]}")
        self.bar.show_marker(zone, place)

    def show_nothing(self) -> None:
        """Show that the value is unknown."""
        self._tell(NOTHING)
        self.bar.show_marker(None, 0.0)

    def _tell(self, text: str) -> None:
        if text != self.value.text():
            self.value.setText(text)
            self.setAccessibleDescription(text)


class _ZoneBar(QWidget):
    def __init__(self, zones: Zones) -> None:
        super().__init__()
        self._zones = zones
        self._zone: int | None = None
        self._place = 0.0
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def show_marker(self, zone: int | None, place: float) -> None:
        if (zone, place) != (self._zone, self._place):
            self._zone, self._place = zone, place
            self.update()

    def sizeHint(self) -> QSize:
        # Every word must fit into its zone.
        metrics = self.fontMetrics()
        pairs = zip(self._zones.words, self._zones.shares, strict=True)
        wide = max((metrics.horizontalAdvance(word) + 10) / share for word, share in pairs)
        return QSize(round(wide), metrics.height() + 2 + MARKER_PX)

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        palette = theme.current()
        left, wide = 0.0, float(self.width())
        for number, (word, share) in enumerate(
            zip(self._zones.words, self._zones.shares, strict=True)
        ):
            room = QRectF(left, MARKER_PX, share * wide - 2, self.height() - MARKER_PX)
            is_here = number == self._zone
            good = number == self._zones.good
            fill = (palette.good if good else palette.warn) if is_here else palette.line
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(fill))
            painter.drawRoundedRect(room, 4, 4)
            painter.setPen(QColor(palette.background if is_here else palette.muted))
            painter.drawText(room, Qt.AlignmentFlag.AlignCenter, word)
            left += share * wide
        if self._zone is not None:
            at = self._place * wide
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(palette.text))
            corners = ((at - MARKER_PX, 0), (at + MARKER_PX, 0), (at, MARKER_PX + 1))
            painter.drawPolygon(QPolygonF([QPointF(x, y) for x, y in corners]))
        painter.end()
