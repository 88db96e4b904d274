"""The log pane: what the program wrote down, to be searched, copied and saved."""

import logging
from pathlib import Path

from PySide6.QtCore import QSize, Qt, QTimer, Signal
from PySide6.QtGui import QFontDatabase, QGuiApplication, QHideEvent, QShowEvent
from PySide6.QtWidgets import (
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from engine.core.news import FaultNews
from ui.logbook import AT_MOST, Entry, Logbook

EVERY_MS = 250
HEIGHT_PX = 150
LEVELS = (
    ("Everything", logging.INFO),
    ("Warnings and errors", logging.WARNING),
    ("Errors", logging.ERROR),
)


class LogPane(QWidget):
    """Shows what of the logbook passes the filter, newest last; idle while hidden."""

    faulted = Signal(object)
    saved = Signal(object)

    def __init__(self, logbook: Logbook, parent: QWidget | None = None) -> None:
        """Show nothing until it is visible."""
        super().__init__(parent)
        self._logbook = logbook
        self._shown = 0
        self.level_box = QComboBox(self)
        self.level_box.setAccessibleName("Show")
        for title, level in LEVELS:
            self.level_box.addItem(title, level)
        self.level_box.currentIndexChanged.connect(self._begin_again)
        self.search = QLineEdit(self)
        self.search.setAccessibleName("Find in the log")
        self.search.setPlaceholderText("Find …")
        self.search.setClearButtonEnabled(True)
        self.search.textChanged.connect(self._begin_again)
        self.count = QLabel(self)
        self.count.setProperty("role", "small")
        self.copy_button = QPushButton("Copy", self)
        self.copy_button.setToolTip("Copy what is shown")
        self.copy_button.clicked.connect(lambda: QGuiApplication.clipboard().setText(self.text()))
        save = QPushButton("Save…", self)
        save.setToolTip("Save the whole log as a file")
        save.clicked.connect(self._ask_where)
        top = QHBoxLayout()
        top.setSpacing(10)
        top.addWidget(self.level_box)
        top.addWidget(self.search, 1)
        top.addWidget(self.count)
        top.addWidget(self.copy_button)
        top.addWidget(save)
        self._page = QPlainTextEdit(self)
        self._page.setProperty("role", "log")
        self._page.setAccessibleName("Log")
        self._page.setReadOnly(True)
        self._page.setMaximumBlockCount(AT_MOST)
        self._page.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self._page.setTabChangesFocus(True)
        self._page.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse
            | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        family = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont).family()
        self._page.setStyleSheet(f'font-family: "{family}";')
        column = QVBoxLayout(self)
        column.setContentsMargins(10, 8, 10, 10)
        column.addLayout(top)
        column.addWidget(self._page, 1)
        self._timer = QTimer(self)
        self._timer.setInterval(EVERY_MS)
        self._timer.timeout.connect(self._take)

    def sizeHint(self) -> QSize:
        """Return a size that leaves most of the window to the page."""
        return QSize(super().sizeHint().width(), HEIGHT_PX)

    def text(self) -> str:
        """Return what is shown."""
        return self._page.toPlainText()

    def save(self, path: Path) -> None:
        """Write the whole log into a file; `saved` or `faulted` tells how that went."""
        try:
            path.write_text("\n".join(self._logbook.lines()) + "\n", encoding="utf-8")
        except OSError as error:
            self.faulted.emit(
                FaultNews(
                    f"{path} cannot be written ({error.strerror or error}).",
                    "Name another place.",
                    "degrade",
                )
            )
        else:
            self.saved.emit(path)

    def showEvent(self, event: QShowEvent) -> None:
        """Catch up, and keep up."""
        super().showEvent(event)
        self._take()
        self._timer.start()

    def hideEvent(self, event: QHideEvent) -> None:
        """Rest."""
        super().hideEvent(event)
        self._timer.stop()

    def _begin_again(self) -> None:
        self._shown = 0
        self._page.clear()
        self._take()

    def _take(self) -> None:
        new = self._logbook.after(self._shown)
        if not new:
            self._tell_count()
            return
        self._shown = new[-1].number
        wanted = [entry.text for entry in new if self._passes(entry)]
        if wanted:
            bar = self._page.verticalScrollBar()
            at_end = bar.value() == bar.maximum()
            self._page.appendPlainText("\n".join(wanted))
            # Whoever scrolled up to read is left in peace.
            if at_end:
                bar.setValue(bar.maximum())
        self._tell_count()

    def _passes(self, entry: Entry) -> bool:
        is_grave = entry.level >= self.level_box.currentData()
        return is_grave and self.search.text().casefold() in entry.text.casefold()

    def _tell_count(self) -> None:
        lines = self._page.blockCount() if self.text() else 0
        self.count.setText(f"{lines:,} lines" if lines != 1 else "1 line")

    def _ask_where(self) -> None:
        suggested = str(Path.home() / "finescan-log.txt")
        chosen, _ = QFileDialog.getSaveFileName(self, "Save the log", suggested)
        if chosen:
            self.save(Path(chosen))
