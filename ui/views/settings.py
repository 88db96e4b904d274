"""All settings as a form: searched, changed, taken back."""

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QEvent, QTimer, Signal
from PySide6.QtGui import QHideEvent, QResizeEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QLineEdit,
    QMessageBox,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from engine.core.news import FaultNews
from ui.ports import Choice, SettingForm, StudioPort, TaskPort, Value
from ui.theme import GAP_PX
from ui.widgets.column import MARGIN_PX, Column, centred
from ui.widgets.errand import Errand
from ui.widgets.forms import Form, GroupRows
from ui.widgets.labels import button, label
from ui.widgets.presets import Presets
from ui.widgets.side_by_side import SideBySide
from ui.widgets.tab_order import tab_through

TITLE = "Settings"
BACK = "‹ Back"
SEARCH = "Search"
SEARCH_NAME = "Search the settings"
ADVANCED = "Show advanced"
LOOKING = "Reading the settings …"
FAILED = "The settings cannot be read."
NOTHING = "No setting says “{text}”."
ASK_TITLE = "Take over the preset?"
ASK = "Your own values will be replaced by those of “{title}”."
FOR_NEXT = "Changes to how scans are made count from the next one on."
DEBOUNCE_MS = 300
WIDEST_PX = 960
INDEX_EM = 44
HEAD_EM = 32


class SettingsView(QWidget):
    """Shows every setting there is and hands changes over one at a time.

    `changed` carries the SettingForm after each change that was taken.
    """

    asked_back = Signal()
    faulted = Signal(object)
    changed = Signal(object)

    def __init__(self, studio: StudioPort, parent: QWidget | None = None) -> None:
        """Show an empty page; `refresh` fills it."""
        super().__init__(parent)
        self._studio = studio
        self._form: SettingForm | None = None
        self._errand: Errand | None = None
        self._waiting: dict[str, Value] = {}
        self._preset: Choice | None = None
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(DEBOUNCE_MS)
        self._soon.timeout.connect(self._send)

        self.back_button = button(BACK, self.asked_back.emit, "link", "Back")
        self.search = QLineEdit()
        self.search.setPlaceholderText(SEARCH)
        self.search.setAccessibleName(SEARCH_NAME)
        self.search.setClearButtonEnabled(True)
        self.search.textChanged.connect(self._narrow)
        self.advanced = QCheckBox(ADVANCED)
        self.advanced.toggled.connect(self._narrow)
        self.note = label(LOOKING, "muted", wraps=True)
        self.presets = Presets()
        self.presets.chose.connect(self._use_preset)
        self.presets.hide()
        self.form = Form()
        self.form.edited.connect(self._edit)
        self._jumps: list[tuple[GroupRows, QPushButton]] = []
        self._index = QVBoxLayout()
        self._index.setSpacing(4)
        self._side = QWidget()

        self._column = Column(WIDEST_PX)
        rows = self._column.rows
        rows.addWidget(self.presets)
        rows.addWidget(self.note)
        rows.addWidget(self.form)
        rows.addStretch(1)
        inside = QWidget()
        below = QVBoxLayout(inside)
        below.setContentsMargins(0, 0, 0, 0)
        below.setSpacing(0)
        below.addWidget(self._make_head())
        below.addLayout(self._make_body(), 1)
        page = QVBoxLayout(self)
        page.setContentsMargins(0, 0, 0, 0)
        page.addWidget(centred(inside, WIDEST_PX, 0))
        self.setFocusProxy(self.search)

    def refresh(self) -> None:
        """Read the settings anew."""
        if self._errand is not None or self._waiting:
            # What comes back from the change under way is newer still.
            return
        self._begin(self._studio.settings(), self._show, self._cannot_read)

    def shut(self) -> None:
        """Hand over what was changed last, and look no more."""
        focused = self.focusWidget()
        if focused is not None:
            # What is being typed counts once the keyboard leaves.
            focused.clearFocus()
        self._soon.stop()
        if self._errand is not None:
            # Let go without cancelling: a change that is under way is still wanted.
            self._errand.leave()
            self._errand = None
        if self._waiting:
            self._studio.change_settings(self._waiting)
            self._waiting = {}

    def hideEvent(self, event: QHideEvent) -> None:
        """Hand over at once what waits: the user goes elsewhere, maybe to scan with it."""
        if self._soon.isActive():
            self._soon.stop()
            self._send()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Do without the index where it would take too much of the width."""
        self._fit_index()
        super().resizeEvent(event)

    def changeEvent(self, event: QEvent) -> None:
        """Likewise when letters have grown."""
        if event.type() is QEvent.Type.FontChange:
            self._fit_index()
        super().changeEvent(event)

    def _fit_index(self) -> None:
        self._side.setVisible(self.width() >= INDEX_EM * self.fontMetrics().height())

    def _make_head(self) -> QWidget:
        name = QHBoxLayout()
        name.setSpacing(GAP_PX)
        name.addWidget(self.back_button)
        name.addWidget(label(TITLE, "state"))
        name.addStretch(1)
        tools = QHBoxLayout()
        tools.setSpacing(GAP_PX)
        tools.addWidget(self.advanced)
        tools.addWidget(self.search, 1)
        head = SideBySide(HEAD_EM, GAP_PX)
        head.add(name, 1)
        head.add(tools, 1)
        return head

    def _make_body(self) -> QHBoxLayout:
        side = QVBoxLayout(self._side)
        side.setContentsMargins(0, MARGIN_PX, 0, 0)
        side.addLayout(self._index)
        side.addStretch(1)
        body = QHBoxLayout()
        body.setSpacing(0)
        body.addWidget(self._side)
        body.addWidget(self._column, 1)
        return body

    def _show(self, form: SettingForm) -> None:
        self._form = form
        self.presets.show_form(form)
        self.presets.setVisible(bool(form.presets))
        if self.form.show_form(form, frozenset(self._waiting)):
            self._make_jumps()
            self._order_tabs()
        self._narrow()

    def _cannot_read(self, fault: FaultNews) -> None:
        self.note.setText(f"{FAILED} {fault.says} {fault.remedy}".strip())
        self.note.show()

    def _make_jumps(self) -> None:
        for _, old in self._jumps:
            self._index.removeWidget(old)
            old.hide()
            old.deleteLater()
        self._jumps = []
        for group in self.form.groups:
            jump = button(group.title, self._jump_to(group), "link", f"Go to {group.title}")
            self._jumps.append((group, jump))
            self._index.addWidget(jump)

    def _order_tabs(self) -> None:
        stops = [(row.editor.control, row.reset_button) for row in self.form.rows()]
        tab_through(
            (
                *(self.back_button, self.advanced, self.search),
                *(jump for _, jump in self._jumps),
                *self.presets.buttons,
                *(stop for pair in stops for stop in pair),
            )
        )

    def _jump_to(self, group: GroupRows) -> Callable[[], None]:
        def jump() -> None:
            self._column.scroll_to(group)
            first = next((row for row in group.rows if row.isVisible()), None)
            if first is not None:
                first.editor.setFocus()

        return jump

    def _narrow(self) -> None:
        if self._form is None:
            return
        text = self.search.text().strip()
        count = self.form.narrow(text, self.advanced.isChecked())
        for group, jump in self._jumps:
            jump.setVisible(not group.isHidden())
        self.presets.setVisible(bool(self._form.presets) and not text)
        self.note.setText(NOTHING.format(text=text) if text else FOR_NEXT)
        self.note.setVisible(count == 0 or not text)

    def _edit(self, path: str, value: Value) -> None:
        self._waiting[path] = value
        self._soon.start()

    def _send(self) -> None:
        if self._errand is not None:
            return
        if self._preset is not None:
            name, self._preset = self._preset.name, None
            self._begin(self._studio.use_preset(name), self._took, self.faulted.emit)
            return
        if not self._waiting:
            return
        # One at a time, so that a refusal is about one field.
        path = next(iter(self._waiting))
        value = self._waiting.pop(path)
        self._begin(
            self._studio.change_settings({path: value}),
            self._took,
            lambda fault: self._refuse(path, fault),
        )

    def _took(self, form: SettingForm) -> None:
        self._show(form)
        self.changed.emit(form)
        self._send()

    def _refuse(self, path: str, fault: FaultNews) -> None:
        row = self.form.row(path)
        if row is not None and path not in self._waiting:
            row.refuse(f"{fault.says} {fault.remedy}".strip())
        self._send()

    def _use_preset(self, choice: Choice) -> None:
        if self._form is None or (not self._form.preset and not self._may_replace(choice)):
            return
        # It replaces what was about to be changed.
        self._waiting = {}
        self._soon.stop()
        self._preset = choice
        self._send()

    def _may_replace(self, choice: Choice) -> bool:
        yes, no = QMessageBox.StandardButton.Yes, QMessageBox.StandardButton.No
        question = ASK.format(title=choice.title)
        return QMessageBox.question(self, ASK_TITLE, question, yes | no, no) == yes

    def _begin(
        self,
        task: TaskPort[SettingForm],
        done: Callable[[SettingForm], None],
        failed: Callable[[FaultNews], object],
    ) -> None:
        def over(do: Callable[[Any], object]) -> Callable[[object], None]:
            def end(what: object) -> None:
                self._errand = None
                do(what)

            return end

        self._errand = Errand(task, self)
        self._errand.done.connect(over(done))
        self._errand.failed.connect(over(failed))
