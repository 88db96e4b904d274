"""The presets in a row."""

from collections.abc import Callable

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QPushButton, QVBoxLayout, QWidget

from ui.ports import Choice, SettingForm
from ui.theme import GAP_PX
from ui.widgets.flow import Flow
from ui.widgets.labels import button, heading, label, set_role

TITLE = "Preset"
CHOSEN = "✓ {title}"
MIXTURE = "Your own mixture: no preset has these values."
SUGGESTED = "Suggested for this machine: {title}. {why}"


class Presets(QWidget):
    """The presets in a row, the one in force marked, with the one suggested for this machine."""

    chose = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        """Offer none."""
        super().__init__(parent)
        self.buttons: list[QPushButton] = []
        self._presets: tuple[Choice, ...] = ()
        self._line = Flow(10)
        self.says = label("", "muted", wraps=True)
        self.suggestion = label("", "small", wraps=True)
        rows = QVBoxLayout(self)
        rows.setContentsMargins(0, 0, 0, GAP_PX)
        rows.setSpacing(10)
        rows.addWidget(heading(TITLE))
        rows.addLayout(self._line)
        rows.addWidget(self.says)
        rows.addWidget(self.suggestion)

    def show_form(self, form: SettingForm) -> None:
        """Offer a form's presets."""
        if form.presets != self._presets:
            self._make_buttons(form.presets)
        for choice, made in zip(form.presets, self.buttons, strict=True):
            is_chosen = choice.name == form.preset
            made.setText(CHOSEN.format(title=choice.title) if is_chosen else choice.title)
            made.setAccessibleName(f"Preset {choice.title}" + (", chosen" if is_chosen else ""))
            set_role(made, "primary" if is_chosen else "")
        remarks = {choice.name: choice.remark for choice in form.presets}
        self.says.setText(remarks.get(form.preset, MIXTURE))
        title = next((c.title for c in form.presets if c.name == form.suggested), "")
        self.suggestion.setText(SUGGESTED.format(title=title, why=form.why))
        self.suggestion.setVisible(bool(title))

    def _make_buttons(self, presets: tuple[Choice, ...]) -> None:
        for old in self.buttons:
            self._line.removeWidget(old)
            old.hide()
            old.deleteLater()
        self._presets = presets
        self.buttons = [button(choice.title, self._press(choice)) for choice in presets]
        for choice, made in zip(presets, self.buttons, strict=True):
            made.setToolTip(choice.remark)
            self._line.addWidget(made)

    def _press(self, choice: Choice) -> Callable[[], None]:
        return lambda: self.chose.emit(choice)
