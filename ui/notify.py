"""Toasts: what happened and what to do, without stopping anyone."""

from PySide6.QtCore import QEvent, QObject, Qt, QTimer
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from engine.core.news import FaultNews

SHOWN_MS = 9000
WIDTH_PX = 400
MARGIN_PX = 20
AT_MOST = 4


class Toasts(QWidget):
    """Notes stacked in the upper right corner of their parent.

    Notes about things that stopped stay until closed; the others leave by themselves. The same
    note is not shown twice at a time.
    """

    def __init__(self, parent: QWidget) -> None:
        """Lie invisibly over the parent's corner."""
        super().__init__(parent)
        self._over = parent
        self.setProperty("role", "toasts")
        self.setFixedWidth(WIDTH_PX)
        self._rows = QVBoxLayout(self)
        self._rows.setContentsMargins(0, 0, 0, 0)
        self._rows.setSpacing(10)
        self._notes: list[tuple[FaultNews, QFrame]] = []
        parent.installEventFilter(self)
        self.hide()

    def show_fault(self, fault: FaultNews) -> None:
        """Add a note."""
        if any(shown == fault for shown, _ in self._notes):
            return
        while len(self._notes) >= AT_MOST:
            self._remove(self._notes[0][1])
        note = self._note(fault)
        self._notes.append((fault, note))
        self._rows.addWidget(note)
        if fault.severity != "stop":
            timer = QTimer(note)
            timer.setSingleShot(True)
            timer.timeout.connect(lambda: self._remove(note))
            timer.start(SHOWN_MS)
        self._place()

    def say(self, sentence: str) -> None:
        """Add a note about something that went well."""
        self.show_fault(FaultNews(sentence, "", "info"))

    def clear(self) -> None:
        """Take all notes away: they were about something else."""
        for _, note in list(self._notes):
            self._remove(note)

    def sentences(self) -> list[str]:
        """Return what is being said now, oldest first."""
        return [fault.says for fault, _ in self._notes]

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Follow the parent's size."""
        if event.type() == QEvent.Type.Resize:
            self._place()
        return super().eventFilter(watched, event)

    def _note(self, fault: FaultNews) -> QFrame:
        note = QFrame(self)
        note.setProperty("role", "toast")
        note.setProperty("severity", fault.severity)
        note.setAccessibleName(f"{fault.says} {fault.remedy}".strip())
        row = QHBoxLayout(note)
        row.setContentsMargins(16, 12, 8, 12)
        words = QVBoxLayout()
        words.setSpacing(4)
        says = QLabel(fault.says, note)
        says.setWordWrap(True)
        words.addWidget(says)
        if fault.remedy:
            remedy = QLabel(fault.remedy, note)
            remedy.setWordWrap(True)
            remedy.setProperty("role", "muted")
            words.addWidget(remedy)
        row.addLayout(words, 1)
        close = QPushButton("×", note)
        close.setProperty("role", "link")
        close.setAccessibleName("Close this note")
        close.setFixedWidth(24)
        close.clicked.connect(lambda: self._remove(note))
        row.addWidget(close, 0, Qt.AlignmentFlag.AlignTop)
        return note

    def _remove(self, note: QFrame) -> None:
        self._notes = [entry for entry in self._notes if entry[1] is not note]
        self._rows.removeWidget(note)
        note.hide()
        note.deleteLater()
        self._place()

    def _place(self) -> None:
        self.setVisible(bool(self._notes))
        height = 0
        for _, note in self._notes:
            row = note.layout()
            needed = row.heightForWidth(WIDTH_PX) if row is not None else 0
            note.setFixedHeight(max(needed, note.minimumSizeHint().height()))
            height += note.height() + self._rows.spacing()
        self.setFixedHeight(height)
        self.move(self._over.width() - WIDTH_PX - MARGIN_PX, MARGIN_PX + 24)
        self.raise_()
