"""Toasts: what happened and what to do, without stopping anyone."""

from collections.abc import Callable

from PySide6.QtCore import QRect, Qt, QTimer
from PySide6.QtGui import QAccessible, QAccessibleEvent
from PySide6.QtWidgets import (
    QApplication,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from engine.core.news import FaultNews

SHOWN_MS = 9000
# One who wants to press a button has to find it first.
SHOWN_WITH_ACTION_MS = 20_000
WIDTH_EMS = 27
MARGIN_PX = 20
AT_MOST = 4
FOLLOW_MS = 200
# What is low in the window stays free of notes.
HIGHEST_SHARE = 0.6
# What a severity is called, and its sign: colour alone would not tell everyone.
KINDS = {
    "info": ("✓", "Done"),
    "ignore": ("i", "Note"),
    "degrade": ("!", "Note"),
    "pause": ("!", "Paused"),
    "stop": ("✕", "Problem"),
}

Action = tuple[str, Callable[[], object]]


class Toasts(QWidget):
    """Notes stacked in the upper right corner of an area, each with at most one button.

    Notes about things that stopped stay until closed; the others leave by themselves, though not
    from under the pointer or the keyboard. The same note is not shown twice at a time.
    """

    def __init__(self, parent: QWidget, area: Callable[[], QRect] | None = None) -> None:
        """Lie invisibly over the parent; `area` tells where it may cover something."""
        super().__init__(parent)
        self._over = parent
        self._area = area or parent.rect
        self._placed_in = QRect()
        self.setProperty("role", "toasts")
        self.setAccessibleName("Notes")
        self._rows = QVBoxLayout(self)
        self._rows.setContentsMargins(0, 0, 0, 0)
        self._rows.setSpacing(10)
        self._notes: list[tuple[FaultNews, QFrame]] = []
        # Only while there are notes: what they must not cover may move, and the window with it.
        self._follow = QTimer(self)
        self._follow.setInterval(FOLLOW_MS)
        self._follow.timeout.connect(self.place)
        self.hide()

    def show_fault(self, fault: FaultNews, action: Action | None = None) -> None:
        """Add a note; the action is what its button is called and what it does."""
        if any(shown == fault for shown, _ in self._notes):
            return
        while len(self._notes) >= AT_MOST:
            self._remove(self._notes[0][1])
        note = self._note(fault, action)
        self._notes.append((fault, note))
        self._rows.addWidget(note)
        if fault.severity != "stop":
            self._let_go_later(note, SHOWN_MS if action is None else SHOWN_WITH_ACTION_MS)
        self._place()
        while len(self._notes) > 1 and self.height() > HIGHEST_SHARE * self._over.height():
            self._remove(self._notes[0][1])
        QAccessible.updateAccessibility(QAccessibleEvent(note, QAccessible.Event.Alert))

    def say(self, sentence: str, action: Action | None = None) -> None:
        """Add a note about something that went well."""
        self.show_fault(FaultNews(sentence, "", "info"), action)

    def clear(self) -> None:
        """Take all notes away: they were about something else."""
        for _, note in list(self._notes):
            self._remove(note)

    def place(self) -> None:
        """Go where the area is now."""
        if self._notes and self._area() != self._placed_in:
            self._place()

    def sentences(self) -> list[str]:
        """Return what is being said now, oldest first."""
        return [fault.says for fault, _ in self._notes]

    def buttons(self) -> list[QPushButton]:
        """Return the buttons that notes were given, oldest first."""
        found = (note.findChild(QPushButton, "action") for _, note in self._notes)
        return [button for button in found if isinstance(button, QPushButton)]

    def _note(self, fault: FaultNews, action: Action | None) -> QFrame:
        sign, kind = KINDS[fault.severity]
        note = QFrame(self)
        note.setProperty("role", "toast")
        note.setProperty("severity", fault.severity)
        note.setAccessibleName(f"{kind}: {fault.says} {fault.remedy}".strip())
        head = QLabel(f"{sign}  {kind}", note)
        head.setProperty("role", {"info": "good", "stop": "danger"}.get(fault.severity, "warn"))
        close = QPushButton("×", note)
        close.setProperty("role", "link")
        close.setAccessibleName("Close this note")
        close.setToolTip("Close this note")
        close.clicked.connect(lambda: self._remove(note))
        top = QHBoxLayout()
        top.addWidget(head, 1)
        top.addWidget(close)
        rows = QVBoxLayout(note)
        rows.setContentsMargins(16, 8, 10, 12)
        rows.setSpacing(4)
        rows.addLayout(top)
        rows.addWidget(_sentence(fault.says, "", note))
        if fault.remedy:
            rows.addWidget(_sentence(fault.remedy, "muted", note))
        if action is not None:
            rows.addSpacing(4)
            rows.addWidget(self._action(action, note), 0, Qt.AlignmentFlag.AlignLeft)
        return note

    def _action(self, action: Action, note: QFrame) -> QPushButton:
        name, what = action
        button = QPushButton(name, note)
        button.setObjectName("action")
        # Without the signal's own argument, which the action may take for one of its own.
        button.clicked.connect(lambda: what())
        button.clicked.connect(lambda: self._remove(note))
        return button

    def _let_go_later(self, note: QFrame, shown_ms: int) -> None:
        timer = QTimer(note)
        timer.setInterval(shown_ms)
        timer.timeout.connect(lambda: self._let_go(note))
        timer.start()

    def _let_go(self, note: QFrame) -> None:
        if not _is_used(note):
            self._remove(note)

    def _remove(self, note: QFrame) -> None:
        if not any(entry[1] is note for entry in self._notes):
            return
        self._notes = [entry for entry in self._notes if entry[1] is not note]
        self._rows.removeWidget(note)
        note.hide()
        note.deleteLater()
        self._place()

    def _place(self) -> None:
        self.setVisible(bool(self._notes))
        if not self._notes:
            self._follow.stop()
            return
        self._follow.start()
        area = self._placed_in = self._area()
        # As many letters a line whatever the size of the text, but never wider than the area.
        letters_px = WIDTH_EMS * self.fontMetrics().height() * 9 // 10
        width = min(letters_px, area.width() - 2 * MARGIN_PX)
        self.setFixedWidth(width)
        height = 0
        for _, note in self._notes:
            note.ensurePolished()
            row = note.layout()
            needed = row.heightForWidth(width) if row is not None else 0
            note.setFixedHeight(max(needed, note.minimumSizeHint().height()))
            height += note.height() + self._rows.spacing()
        self.setFixedHeight(height)
        self.move(area.right() - width - MARGIN_PX, area.top() + MARGIN_PX)
        self.raise_()


def _sentence(text: str, role: str, note: QFrame) -> QLabel:
    label = QLabel(text, note)
    label.setWordWrap(True)
    # A path or a server's words could otherwise bring markup with them.
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setProperty("role", role)
    return label


def _is_used(note: QFrame) -> bool:
    focus = QApplication.focusWidget()
    return note.underMouse() or (focus is not None and note.isAncestorOf(focus))
