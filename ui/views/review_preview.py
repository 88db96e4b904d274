"""Trying an edit while its numbers are still being chosen."""

from collections.abc import Callable

from PySide6.QtCore import QObject, QTimer

from engine.core.edits import Edit, EditPreview
from engine.core.news import FaultNews
from ui.views.review_desk import Desk

# Long enough for the next step of a slider under way, short enough to feel live.
PATIENCE_MS = 250


class Trial(QObject):
    """Shows what an edit would leave, once its numbers have rested for a moment."""

    def __init__(
        self, desk: Desk, says: Callable[[str], None], words: Callable[[EditPreview], str]
    ) -> None:
        """Try nothing yet.

        Args:
            desk: where it is tried.
            says: takes a sentence for the screen.
            words: tells what a preview would change.
        """
        super().__init__(desk)
        self._desk = desk
        self._says = says
        self._words = words
        self._edit: Edit | None = None
        self._is_shown = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(PATIENCE_MS)
        self._timer.timeout.connect(self._begin)
        desk.changed.connect(self._forget)

    def ask(self, edit: Edit) -> None:
        """Try this edit soon, in place of the one before."""
        self._edit = edit
        self._says("…")
        self._timer.start()

    def drop(self) -> None:
        """Try nothing, and show the surface as it is."""
        self._edit = None
        self._timer.stop()
        self._says("")
        if self._is_shown:
            self._is_shown = False
            self._desk.view.show_result(self._desk.model.surface)

    def _forget(self) -> None:
        """Be where a change leaves the view: at the surface as it is now."""
        self._is_shown = False
        self.drop()

    def _begin(self) -> None:
        edit = self._edit
        if edit is not None:
            self._desk.preview(
                edit,
                lambda preview: self._show(edit, preview),
                lambda fault: self._tell(edit, fault),
            )

    def _show(self, edit: Edit, preview: EditPreview) -> None:
        # The numbers may have moved on while this was looked up.
        if edit is self._edit:
            self._is_shown = True
            self._says(self._words(preview))
            self._desk.view.show_result(preview.surface)

    def _tell(self, edit: Edit, fault: FaultNews) -> None:
        if edit is self._edit:
            self._says(f"{fault.says} {fault.remedy}".strip())
