"""Compare: what the surface was before, beside what it is now."""

from PySide6.QtWidgets import QButtonGroup, QHBoxLayout, QRadioButton, QWidget

from ui.ports import Surface
from ui.views.review_desk import Desk
from ui.views.review_tool import Tool

NOW = "now"
GRADES = {
    "draft": ("Draft", "As fused while scanning, before anything was tidied."),
    "refined": ("Refined", "As the network left it when the scan stopped."),
    "final": ("Final", "As finished, before any change made here."),
    NOW: ("Now", "With all changes made here."),
}
FETCHING = "Fetching the {} surface."
HINT = "Hold X, or the button, to flip between this and the surface as it is now."
ONLY_NOW = "Only the surface as it is now is known of this scan."


class CompareTool(Tool):
    """Shows one of the states of the surface; while a key is held, the other."""

    title = "Compare"
    purpose = "See the surface as it was in earlier states"

    def __init__(self, desk: Desk, parent: QWidget) -> None:
        """Offer the states the model knows."""
        super().__init__(desk, parent)
        self._known: dict[str, Surface] = {}
        self._chosen = NOW
        self._other = desk.model.grades[-1] if desk.model.grades else NOW
        self.choices: dict[str, QRadioButton] = {}
        self._group = QButtonGroup(self)
        names = [*(name for name in GRADES if name in desk.model.grades), NOW]
        for name in names:
            choice = QRadioButton(GRADES[name][0], self)
            choice.setAccessibleDescription(GRADES[name][1])
            # Not `clicked`: arrow keys choose without clicking.
            choice.toggled.connect(lambda on, name=name: self.choose(name) if on else None)
            self._group.addButton(choice)
            self.column.addWidget(choice)
            self.choices[name] = choice
        self.choices[NOW].setChecked(True)
        self.says = self.words(GRADES[NOW][1])
        self.flip_button = self.button("Hold to flip", lambda: None)
        self.flip_button.pressed.connect(self.flip)
        self.flip_button.released.connect(self.flip_back)
        row = QHBoxLayout()
        row.addWidget(self.flip_button)
        row.addStretch()
        self.column.addLayout(row)
        self.words(HINT if len(names) > 1 else ONLY_NOW, "small")
        self.flip_button.setEnabled(len(names) > 1)
        desk.changed.connect(self._forget_choice)

    def choose(self, name: str) -> None:
        """Show a state, fetching it first if need be."""
        if name == self._chosen:
            return
        self._chosen = name
        self.choices[name].setChecked(True)
        if name != NOW:
            self._other = name
        self._fetch(name)

    def flip(self) -> None:
        """Show the other state for as long as a key is held."""
        self._fetch(self._other if self._chosen == NOW else NOW)

    def flip_back(self) -> None:
        """Show the chosen state again."""
        self._fetch(self._chosen)

    def put_away(self) -> None:
        """Show the surface as it is, and let go of the others."""
        self._known.clear()
        self._forget_choice()
        self.desk.view.show_result(self.desk.model.surface)

    def refresh(self) -> None:
        """One thing at a time."""
        for choice in self.choices.values():
            choice.setEnabled(not self.desk.is_busy)

    def _forget_choice(self) -> None:
        """Be where a change leaves the view: at the surface as it is now."""
        self._chosen = NOW
        self.choices[NOW].setChecked(True)
        self.says.setText(GRADES[NOW][1])

    def _fetch(self, name: str) -> None:
        if name == NOW:
            self._show(NOW, self.desk.model.surface)
        elif name in self._known:
            self._show(name, self._known[name])
        elif not self.desk.is_busy:
            self.desk.run(
                FETCHING.format(GRADES[name][0].lower()),
                lambda: self.desk.model.grade(name),
                lambda surface: self._fetched(name, surface),
            )

    def _fetched(self, name: str, surface: Surface) -> None:
        self._known[name] = surface
        if name == self._chosen and self.isVisible():
            self._show(name, surface)

    def _show(self, name: str, surface: Surface) -> None:
        self.says.setText(GRADES[name][1])
        self.desk.view.show_result(surface)
