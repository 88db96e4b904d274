"""The last minute of a scan as three small curves: speed, delay, losses."""

from collections import deque
from dataclasses import dataclass
from itertools import pairwise

import pyqtgraph
from PySide6.QtCore import QEvent, Qt
from PySide6.QtWidgets import QVBoxLayout, QWidget

from engine.core.news import ScanStats
from ui import theme

SPAN_S = 60.0
EVERY_S = 0.5
PLOT_PX = 98
# The steps a frame waits for, in short; the others are in the table.
SHOWN_STEPS = {"capture": "Read", "frame": "Frame", "mesh": "Triangles"}
RATE, DELAY, LOSS = "Frames a second", "Milliseconds a step", "Frames dropped a second"
TICK = "Window"


@dataclass(frozen=True, slots=True)
class Moment:
    """What the plots keep of one moment.

    Attributes:
        at_s: on any clock.
        dropped: frames lost so far.
        steps_ms: median of each shown step that has run, and of the window.
    """

    at_s: float
    frames_per_second: float
    dropped: int
    steps_ms: dict[str, float]


class Minute:
    """What the counters were over the last minute, twice a second."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._moments: deque[Moment] = deque()

    def add(self, stats: ScanStats, tick_ms: float, now_s: float) -> bool:
        """Keep a moment unless the last one is too young; return whether it was kept."""
        if self._moments and now_s - self._moments[-1].at_s < EVERY_S:
            return False
        steps = {s.name: s.median_ms for s in stats.stages if s.name in SHOWN_STEPS}
        self._moments.append(
            Moment(now_s, stats.frames_per_second, stats.dropped, {**steps, TICK: tick_ms})
        )
        while now_s - self._moments[0].at_s > SPAN_S:
            self._moments.popleft()
        return True

    def curves(self) -> dict[str, dict[str, tuple[list[float], list[float]]]]:
        """Return times, 0 for now and negative before, and values, by plot and curve."""
        moments = list(self._moments)
        if not moments:
            return {RATE: {}, DELAY: {}, LOSS: {}}
        ago = [moment.at_s - moments[-1].at_s for moment in moments]
        delays = {}
        for name in (*SHOWN_STEPS, TICK):
            pairs = [
                (t, m.steps_ms[name])
                for t, m in zip(ago, moments, strict=True)
                if name in m.steps_ms
            ]
            if pairs:
                delays[name] = ([t for t, _ in pairs], [value for _, value in pairs])
        losses = [
            max(0.0, (b.dropped - a.dropped) / (b.at_s - a.at_s)) for a, b in pairwise(moments)
        ]
        return {
            RATE: {"": (ago, [moment.frames_per_second for moment in moments])},
            DELAY: delays,
            LOSS: {"": (ago[1:], losses)},
        }


class Plots(QWidget):
    """Draws a `Minute` when it is told to."""

    def __init__(self, minute: Minute, parent: QWidget | None = None) -> None:
        """Draw nothing yet."""
        super().__init__(parent)
        self._minute = minute
        self._curves: dict[tuple[str, str], pyqtgraph.PlotDataItem] = {}
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        self._plots = {name: _plot(name) for name in (RATE, DELAY, LOSS)}
        for plot in self._plots.values():
            column.addWidget(plot)
        self._dress()

    def redraw(self) -> None:
        """Draw what the minute holds now."""
        for plot_name, curves in self._minute.curves().items():
            for name, (times, values) in curves.items():
                curve = self._curves.get((plot_name, name))
                if curve is None:
                    curve = self._add(plot_name, name)
                curve.setData(times, values)
            self._scale(plot_name, [v for _, values in curves.values() for v in values])

    def _scale(self, plot_name: str, values: list[float]) -> None:
        """Leave room above the highest value; two numbers are all that a low plot can hold."""
        top = max([1.0, *values])
        plot = self._plots[plot_name]
        plot.setYRange(0, top * (1.6 if plot_name == DELAY else 1.15), padding=0)
        words = f"{top:.0f}" if top >= 10 else f"{top:.1f}"
        plot.getAxis("left").setTicks([[(0.0, "0"), (top, words)]])

    def values(self, plot_name: str, curve: str = "") -> list[float]:
        """Return what a curve shows; empty when it is not there."""
        drawn = self._curves.get((plot_name, curve))
        shown = None if drawn is None else drawn.getData()[1]
        return [] if shown is None else [float(value) for value in shown]

    def changeEvent(self, event: QEvent) -> None:
        """Follow the palette."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.StyleChange and hasattr(self, "_plots"):
            self._dress()

    def _add(self, plot_name: str, name: str) -> pyqtgraph.PlotDataItem:
        words = SHOWN_STEPS.get(name, name) or None
        curve = self._plots[plot_name].plot([], [], name=words)
        self._curves[plot_name, name] = curve
        self._dress()
        return curve

    def _dress(self) -> None:
        palette = theme.current()
        colors = {"capture": palette.warn, "mesh": palette.record, TICK: palette.muted}
        for plot in self._plots.values():
            plot.setBackground(palette.panel)
            plot.setTitle(plot.getPlotItem().titleLabel.text, color=palette.muted, size="9pt")
            for side in ("left", "bottom"):
                plot.getAxis(side).setStyle(maxTickLevel=0)
                plot.getAxis(side).setPen(palette.line)
                plot.getAxis(side).setTextPen(palette.muted)
        for (_, name), curve in self._curves.items():
            # Told apart by their strokes as well.
            style = _STROKES.get(name, Qt.PenStyle.SolidLine)
            color = colors.get(name, palette.accent)
            curve.setPen(pyqtgraph.mkPen(color, width=1.5, style=style))


_STROKES = {
    "capture": Qt.PenStyle.DashLine,
    "mesh": Qt.PenStyle.DotLine,
    TICK: Qt.PenStyle.DashDotLine,
}


def _plot(name: str) -> pyqtgraph.PlotWidget:
    plot = pyqtgraph.PlotWidget()
    plot.setFixedHeight(PLOT_PX + (22 if name == DELAY else 0))
    plot.setTitle(name, size="9pt")
    plot.setAccessibleName(f"{name} over the last minute")
    plot.setMouseEnabled(False, False)
    plot.setMenuEnabled(False)
    plot.hideButtons()
    plot.setXRange(-SPAN_S, 0, padding=0.01)
    plot.getAxis("left").setWidth(38)
    plot.getAxis("bottom").setStyle(showValues=name == LOSS)
    plot.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    plot.setFrameShape(plot.Shape.NoFrame)
    if name == DELAY:
        legend = plot.addLegend(offset=(4, 1), colCount=4, labelTextSize="8pt")
        legend.setBrush(None)
    return plot
