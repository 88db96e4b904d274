"""The details of a scan: the last minute as curves, and all counters in a table that scrolls."""

from time import monotonic

from PySide6.QtCore import QEvent, QModelIndex, QPersistentModelIndex, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QHeaderView,
    QLabel,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from engine.core.news import ScanStats
from ui import theme
from ui.views.plots import Minute, Plots
from ui.views.readouts import MINUTE_S, LastMinute, Row, rows_of
from ui.views.scale import text_scale

WIDTH_PX = 372
COLUMNS_PX = (0, 78, 58, 76)
ROW_PX, HEAD_PX = 22, 34
# Nobody reads faster.
EVERY_S = 0.5
# On a lower screen the table has all the room; its own bars show the last minute too.
PLOTS_FROM_PX = 620
MINUTE_COLUMN = 3
RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignBottom
LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignBottom


class Details(QFrame):
    """A panel of read-outs; it works only while it is visible."""

    def __init__(self, parent: QWidget | None = None) -> None:
        """Show nothing yet."""
        super().__init__(parent)
        self.setProperty("role", "panel")
        title = QLabel("Details", self)
        title.setProperty("role", "muted")
        # In line with the text of the cells.
        title.setIndent(7)
        self.table = QTableWidget(0, len(COLUMNS_PX), self)
        self.table.setAccessibleName("Details of the scan")
        self.table.setProperty("role", "details")
        self._minute = LastMinute()
        self.history = Minute()
        self.plots: Plots | None = None
        self._shape: list[tuple[str, bool]] = []
        self._told_s = -EVERY_S
        _prepare(self.table)
        self._painter = _MinutePainter(self._minute, self.table)
        self.table.setItemDelegateForColumn(MINUTE_COLUMN, self._painter)
        self._column = QVBoxLayout(self)
        half = theme.GAP_PX // 2
        self._column.setContentsMargins(half, theme.GAP_PX, half, theme.GAP_PX)
        self._column.addWidget(title)
        self._column.addWidget(self.table, 1)
        self._fit()

    def is_due(self) -> bool:
        """Return whether it is visible and its figures are old enough to be replaced."""
        return self.isVisible() and monotonic() - self._told_s >= EVERY_S

    def show_stats(self, stats: ScanStats, tick_ms: float) -> None:
        """Show these counters; `tick_ms` as `rows_of` takes it."""
        self._told_s = monotonic()
        self._minute.add(stats.stages, self._told_s)
        if self.plots is None:
            # Slow to make, and many never open this.
            self.plots = Plots(self.history, self)
            self.plots.setVisible(self.height() >= PLOTS_FROM_PX)
            self._column.insertWidget(1, self.plots)
        if self.plots.isVisible():
            self.plots.redraw()
        rows = rows_of(stats, tick_ms)
        shape = [(row.name, row.is_head) for row in rows]
        if shape != self._shape:
            self._shape = shape
            self._lay_out(rows)
        for number, row in enumerate(rows):
            for column, text in enumerate(row.cells, start=1):
                self._item(number, column).setText(text)
        # The bars move on even where no figure changed.
        self.table.viewport().update()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Leave a low screen to the table."""
        super().resizeEvent(event)
        if self.plots is not None:
            self.plots.setVisible(event.size().height() >= PLOTS_FROM_PX)

    def changeEvent(self, event: QEvent) -> None:
        """Follow colours and size of text."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.StyleChange and hasattr(self, "_column"):
            self._shape = []
            self._fit()

    def _fit(self) -> None:
        scale = text_scale(self)
        self.setFixedWidth(round(WIDTH_PX * scale))
        for column, width in enumerate(COLUMNS_PX):
            if width:
                self.table.setColumnWidth(column, round(width * scale))

    def _lay_out(self, rows: list[Row]) -> None:
        at = self.table.verticalScrollBar().value()
        palette, scale = theme.current(), text_scale(self)
        self.table.clearSpans()
        self.table.setRowCount(0)
        self.table.setRowCount(len(rows))
        for number, row in enumerate(rows):
            self.table.setRowHeight(number, round((HEAD_PX if row.is_head else ROW_PX) * scale))
            for column in range(len(COLUMNS_PX)):
                item = QTableWidgetItem(row.name if column == 0 else "")
                item.setTextAlignment(RIGHT if column else LEFT)
                is_figure = column > 0 and not row.is_head
                item.setForeground(QColor(palette.text if is_figure else palette.muted))
                self.table.setItem(number, column, item)
            if row.step:
                self._item(number, MINUTE_COLUMN).setData(Qt.ItemDataRole.UserRole, row.step)
            elif len(row.cells) == 1:
                self.table.setSpan(number, 1, 1, len(COLUMNS_PX) - 1)
        self.table.verticalScrollBar().setValue(at)

    def _item(self, row: int, column: int) -> QTableWidgetItem:
        item = self.table.item(row, column)
        assert item is not None
        return item


class _MinutePainter(QStyledItemDelegate):
    """Draws a step's last minute as a bar a second: the median bright, up to the p95 dim."""

    def __init__(self, minute: LastMinute, table: QTableWidget) -> None:
        super().__init__(table)
        self._minute = minute
        self._table = table

    def paint(
        self,
        painter: QPainter,
        option: QStyleOptionViewItem,
        index: QModelIndex | QPersistentModelIndex,
    ) -> None:
        step = index.data(Qt.ItemDataRole.UserRole)
        if step is None:
            super().paint(painter, option, index)
            return
        room = QRectF(self._table.visualRect(index)).adjusted(10, 4, -4, -3)
        # Whole pixels, or some bars would look wider than others.
        width = room.width() // MINUTE_S
        palette = theme.current()
        median_color, p95_color = QColor(palette.accent), QColor(palette.line)
        for ago, median, p95 in self._minute.bars(step):
            left = room.right() - (ago + 1) * width
            for share, color in ((p95, p95_color), (median, median_color)):
                height = max(1.0, share * room.height())
                painter.fillRect(QRectF(left, room.bottom() - height, width, height), color)


def _prepare(table: QTableWidget) -> None:
    table.setShowGrid(False)
    table.setWordWrap(False)
    # Tab goes on to the next control, not from cell to cell.
    table.setTabKeyNavigation(False)
    table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
    table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    table.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
    table.verticalHeader().setMinimumSectionSize(ROW_PX)
    table.verticalHeader().hide()
    header = table.horizontalHeader()
    header.hide()
    header.setMinimumSectionSize(1)
    header.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
    header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
