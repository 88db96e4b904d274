"""The rail on the left: which pages there are, and which one is shown."""

from collections.abc import Callable

from PySide6.QtCore import QEvent, QSize, Qt
from PySide6.QtGui import QAction, QPainterPath
from PySide6.QtWidgets import QFrame, QToolButton, QVBoxLayout, QWidget

from ui import theme
from ui.icons import icon

ICON_PX = 26
ROOM_PX = 24


class Rail(QFrame):
    """One button an action; enabled, checked and named as the action is."""

    def __init__(self, parent: QWidget | None = None) -> None:
        """Hold no page yet."""
        super().__init__(parent)
        self.setProperty("role", "rail")
        self.setAccessibleName("Pages")
        self._is_narrow = False
        self._signs: dict[QToolButton, Callable[[], QPainterPath]] = {}
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(6, 10, 6, 10)
        self._column.setSpacing(4)
        self._column.addStretch()

    def add(self, action: QAction, sign: Callable[[], QPainterPath]) -> None:
        """Offer a page below those already there, under the action's short name."""
        action.setIconVisibleInMenu(False)
        button = QToolButton(self)
        button.setDefaultAction(action)
        button.setAccessibleName(action.iconText())
        button.setAccessibleDescription(action.toolTip())
        button.setIconSize(QSize(ICON_PX, ICON_PX))
        button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._signs[button] = sign
        self._column.insertWidget(self._column.count() - 1, button)
        self._dress()

    def set_narrow(self, is_narrow: bool) -> None:
        """Show signs alone, their names on pointing at them; or names as well."""
        if is_narrow != self._is_narrow:
            self._is_narrow = is_narrow
            self._dress()

    def changeEvent(self, event: QEvent) -> None:
        """Draw the signs anew when colours or sizes change."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.StyleChange):
            self._dress()

    def _dress(self) -> None:
        palette = theme.current()
        widest = 0
        for button, sign in self._signs.items():
            colors = (palette.muted, palette.accent, palette.disabled)
            button.defaultAction().setIcon(icon(sign, colors, ICON_PX))
            button.ensurePolished()
            widest = max(widest, button.fontMetrics().horizontalAdvance(button.text()))
        style = Qt.ToolButtonStyle
        shown = style.ToolButtonIconOnly if self._is_narrow else style.ToolButtonTextUnderIcon
        for button in self._signs:
            button.setToolButtonStyle(shown)
            button.setFixedWidth((ICON_PX if self._is_narrow else widest) + ROOM_PX)
