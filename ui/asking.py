"""Questions that must be answered before anything else happens; their buttons say what they do."""

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtWidgets import QMessageBox, QWidget


@dataclass(frozen=True, slots=True)
class Answer:
    """One button: what it is called, and whether it loses something."""

    name: str
    text: str
    is_harmful: bool = False


def ask(parent: QWidget, title: str, question: str, answers: Sequence[Answer]) -> str:
    """Return the name of the answer chosen; closing the question or Esc chooses the first.

    The first answer is also the one that Enter chooses, so it should be the harmless one.
    """
    box = QMessageBox(parent)
    box.setWindowTitle(title)
    box.setText(question)
    buttons = {}
    for answer in answers:
        role = (
            QMessageBox.ButtonRole.DestructiveRole
            if answer.is_harmful
            else QMessageBox.ButtonRole.AcceptRole
        )
        button = box.addButton(answer.text, role)
        button.setProperty("role", "danger" if answer.is_harmful else "")
        buttons[button] = answer.name
    first = next(iter(buttons))
    box.setDefaultButton(first)
    box.setEscapeButton(first)
    box.exec()
    chosen = box.clickedButton()
    # Deleted at once: as a child of the window it would live as long.
    name = next((name for button, name in buttons.items() if button is chosen), answers[0].name)
    box.deleteLater()
    return name
