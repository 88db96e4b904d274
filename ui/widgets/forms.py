"""A form made of whatever settings there are; it knows none of them by name."""

from dataclasses import replace

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from ui.ports import SettingField, SettingForm, SettingGroup, Value
from ui.theme import GAP_PX
from ui.widgets.fields import editor_of
from ui.widgets.labels import button, heading, label
from ui.widgets.side_by_side import SideBySide
from ui.widgets.values import bounds, with_unit

RESET = "Reset to {value}"
STANDS = "{why} The old value stands."
ROW_EM = 30


class FieldRow(QWidget):
    """A setting with its title, help, editor, and a way back to the default if it was changed."""

    edited = Signal(str, object)

    def __init__(self, field: SettingField) -> None:
        """Show the field."""
        super().__init__()
        self.field = field
        self.editor = editor_of(field)
        self.editor.edited.connect(self._edit)
        self.editor.refused.connect(self.refuse)
        title = label(field.title, wraps=True)
        title.setBuddy(self.editor)
        self.reset_button = button(
            RESET.format(value=with_unit(field, field.default)),
            lambda: self._edit(field.default),
            "link",
            f"Changed: reset {field.title} to {with_unit(field, field.default)}",
        )
        self.error = label("", "danger", wraps=True)
        self.error.hide()
        says = QVBoxLayout()
        says.setSpacing(2)
        says.addWidget(title)
        says.addWidget(label(f"{field.help} {bounds(field)}".strip(), "small", wraps=True))
        says.addStretch(1)
        edits = QVBoxLayout()
        edits.setSpacing(2)
        edits.addWidget(self.editor)
        edits.addWidget(self.reset_button)
        edits.addStretch(1)
        parts = SideBySide(ROW_EM, 6)
        parts.add(says, 1)
        parts.add(edits)
        rows = QVBoxLayout(self)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(2)
        rows.addWidget(parts)
        rows.addWidget(self.error)
        self._mark()

    def show_field(self, field: SettingField) -> None:
        """Show another value of the same setting."""
        self.field = field
        self.editor.show_value(field.value)
        self._mark()

    def refuse(self, why: str) -> None:
        """Show the old value again, and why the new one was not taken."""
        self.editor.show_value(self.field.value)
        self._mark()
        self.error.setText(STANDS.format(why=why))
        self.error.show()

    def matches(self, words: list[str], group: str) -> bool:
        """Return whether every word stands somewhere in what the row says."""
        field = self.field
        said = f"{group} {field.title} {field.help} {field.path} {field.unit}"
        said += " ".join(title for _, title in field.choices)
        return all(word in said.casefold() for word in words)

    def _edit(self, value: Value) -> None:
        self.error.hide()
        self.editor.show_value(value)
        self._mark(value)
        self.edited.emit(self.field.path, value)

    def _mark(self, value: Value | None = None) -> None:
        now = self.field.value if value is None else value
        self.reset_button.setVisible(now != self.field.default)


class GroupRows(QWidget):
    """Settings that belong together, below their heading."""

    def __init__(self, group: SettingGroup) -> None:
        """Show the group."""
        super().__init__()
        self.title = group.title
        self.rows = [FieldRow(field) for field in group.fields]
        below = QVBoxLayout(self)
        below.setContentsMargins(0, 0, 0, 2 * GAP_PX)
        below.setSpacing(GAP_PX)
        head = QVBoxLayout()
        head.setSpacing(2)
        head.addWidget(heading(group.title))
        if group.help:
            head.addWidget(label(group.help, "muted", wraps=True))
        below.addLayout(head)
        for row in self.rows:
            below.addWidget(row)

    def narrow(self, words: list[str], with_advanced: bool) -> int:
        """Show the rows that match, or without words those that are meant for all; say how many."""
        count = 0
        for row in self.rows:
            if words:
                is_shown = row.matches(words, self.title.casefold())
            else:
                is_shown = with_advanced or not row.field.is_advanced
            row.setVisible(is_shown)
            count += is_shown
        self.setVisible(count > 0)
        return count


class Form(QWidget):
    """All groups; `edited` carries path and value of a setting the user changed."""

    edited = Signal(str, object)

    def __init__(self, parent: QWidget | None = None) -> None:
        """Be empty."""
        super().__init__(parent)
        self.groups: list[GroupRows] = []
        self._shape: list[tuple[str, SettingField]] = []
        self._rows = QVBoxLayout(self)
        self._rows.setContentsMargins(0, 0, 0, 0)
        self._rows.setSpacing(0)

    def show_form(self, form: SettingForm, but: frozenset[str] = frozenset()) -> bool:
        """Show the values of a form, but not of paths still being changed.

        Returns:
            Whether the rows were made anew, because the settings themselves are others.
        """
        shape = [(g.title, replace(f, value=0)) for g in form.groups for f in g.fields]
        if shape == self._shape:
            fields = {f.path: f for g in form.groups for f in g.fields}
            for row in self.rows():
                if row.field.path not in but:
                    row.show_field(fields[row.field.path])
            return False
        self._shape = shape
        for old in self.groups:
            self._rows.removeWidget(old)
            old.hide()
            old.deleteLater()
        self.groups = [GroupRows(group) for group in form.groups]
        for group in self.groups:
            self._rows.addWidget(group)
        for row in self.rows():
            row.edited.connect(self.edited.emit)
        return True

    def rows(self) -> list[FieldRow]:
        """Return every row."""
        return [row for group in self.groups for row in group.rows]

    def row(self, path: str) -> FieldRow | None:
        """Return the row of a setting, or None."""
        return next((row for row in self.rows() if row.field.path == path), None)

    def narrow(self, text: str, with_advanced: bool) -> int:
        """Show what matches a search, or all of it; return how many settings are shown."""
        words = text.casefold().split()
        return sum(group.narrow(words, with_advanced) for group in self.groups)
