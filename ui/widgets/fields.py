"""Editors for one setting each."""

from abc import abstractmethod
from collections.abc import Callable

from PySide6.QtCore import QEvent, Qt, QTimer, Signal
from PySide6.QtGui import QKeyEvent, QWheelEvent
from PySide6.QtWidgets import QCheckBox, QComboBox, QHBoxLayout, QLineEdit, QWidget

from ui.ports import SettingField, Value
from ui.widgets.labels import label
from ui.widgets.values import OFF, ON, bounds, read, shown, step

# Keys held down step many times; only where they stop matters.
SETTLE_MS = 400
# Widths in letter heights, so that they grow with the text.
EDITOR_EM = 15
NUMBER_EM = 7
WIDEST_EM = 12


class FieldEditor(QWidget):
    """Edits one setting.

    `edited` carries a new value; `refused` a sentence about what was typed, after which the old
    value stands again.
    """

    edited = Signal(object)
    refused = Signal(str)

    def __init__(self, field: SettingField, control: QWidget) -> None:
        """Hold the control and the unit behind it."""
        super().__init__()
        unit = f" in {field.unit}" if field.unit else ""
        control.setAccessibleName(field.title + unit)
        control.setAccessibleDescription(f"{field.help} {bounds(field)}".strip())
        self.setFocusProxy(control)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        row.addWidget(control)
        row.addWidget(label(field.unit, "muted"))
        row.addStretch()
        self.control = control

    def changeEvent(self, event: QEvent) -> None:
        """Grow with the text; the theme's reaches the editor when it is first shown."""
        if event.type() is QEvent.Type.FontChange:
            self._fit()
        super().changeEvent(event)

    def control_em(self) -> float:
        """Return how wide the control should be, in letter heights; 0 for as wide as it likes."""
        return 0

    def _fit(self) -> None:
        em_px = self.fontMetrics().height()
        self.setFixedWidth(EDITOR_EM * em_px)
        if self.control_em():
            self.control.setFixedWidth(round(self.control_em() * em_px))

    @abstractmethod
    def show_value(self, value: Value) -> None:
        """Show a value without telling that it was edited."""


def editor_of(field: SettingField) -> FieldEditor:
    """Return an editor that shows the field's value."""
    editors: dict[str, Callable[[SettingField], FieldEditor]] = {
        "switch": Switch, "choice": OneOf, "integer": Number, "number": Number
    }  # fmt: skip
    made = editors.get(field.kind, Line)(field)
    made.show_value(field.value)
    return made


class Switch(FieldEditor):
    """On or off."""

    def __init__(self, field: SettingField) -> None:
        """Be off."""
        self.box = QCheckBox(OFF)
        super().__init__(field, self.box)
        self.box.toggled.connect(lambda on: self.box.setText(ON if on else OFF))
        self.box.clicked.connect(lambda on: self.edited.emit(on))

    def show_value(self, value: Value) -> None:
        """Show a value without telling that it was edited."""
        self.box.setChecked(bool(value))


class OneOf(FieldEditor):
    """One of several values."""

    def __init__(self, field: SettingField) -> None:
        """Offer the choices."""
        self._values = [value for value, _ in field.choices]
        self.box = _CalmBox()
        self.box.addItems([title for _, title in field.choices])
        super().__init__(field, self.box)
        self.box.activated.connect(lambda row: self.edited.emit(self._values[row]))

    def control_em(self) -> float:
        """Return the width of the longest choice, within limits."""
        wish_em = self.box.sizeHint().width() / self.fontMetrics().height()
        return min(WIDEST_EM, max(NUMBER_EM, wish_em))

    def show_value(self, value: Value) -> None:
        """Show a value without telling that it was edited; one that is no choice as none."""
        self.box.setCurrentIndex(self._values.index(value) if value in self._values else -1)


class Line(FieldEditor):
    """Text that counts once Enter is pressed or the keyboard goes elsewhere."""

    def __init__(self, field: SettingField) -> None:
        """Be empty."""
        self.line = QLineEdit()
        super().__init__(field, self.line)
        self._field = field
        self._value: Value = field.value
        self.line.editingFinished.connect(self._commit)

    def control_em(self) -> float:
        """Return room for a sentence."""
        return WIDEST_EM

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Take back what is being typed on Esc; the next one is for the page."""
        if event.key() == Qt.Key.Key_Escape and self.line.isModified():
            self.line.setModified(False)
            self.show_value(self._value)
        else:
            event.ignore()

    def show_value(self, value: Value) -> None:
        """Show a value without telling that it was edited, unless it is being typed over."""
        self._value = value
        if not self.line.isModified():
            self.line.setText(shown(self._field, value))

    def _commit(self) -> None:
        if not self.line.isModified():
            return
        self.line.setModified(False)
        try:
            value = read(self._field, self.line.text())
        except ValueError as why:
            self.show_value(self._value)
            self.refused.emit(str(why))
            return
        is_new = value != self._value
        self.show_value(value)
        if is_new:
            self.edited.emit(value)


class Number(Line):
    """A number; the arrow keys go a step up and down."""

    def __init__(self, field: SettingField) -> None:
        """Be empty."""
        super().__init__(field)
        self._settle = QTimer(self)
        self._settle.setSingleShot(True)
        self._settle.setInterval(SETTLE_MS)
        self._settle.timeout.connect(self._commit)

    def control_em(self) -> float:
        """Return room for a number."""
        return NUMBER_EM

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Go a step on arrow keys, which the line leaves to its parent."""
        signs = {Qt.Key.Key_Up: 1, Qt.Key.Key_Down: -1}
        sign = signs.get(Qt.Key(event.key()))
        if sign is None:
            super().keyPressEvent(event)
            return
        try:
            then = float(read(self._field, self.line.text())) + sign * step(self._field)
            text = f"{then:.10g}"
            read(self._field, text)
        except ValueError:
            # There is nothing to step from, or nowhere to step to.
            return
        self.line.setText(text)
        self.line.setModified(True)
        self._settle.start()


class _CalmBox(QComboBox):
    """A box that the wheel does not change: scrolling a page must not edit it."""

    def wheelEvent(self, event: QWheelEvent) -> None:
        event.ignore()
