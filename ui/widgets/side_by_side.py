"""Parts beside one another, or below one another where letters are large or the window small."""

from PySide6.QtCore import QSize
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QLayout, QWidget

Direction = QBoxLayout.Direction


class SideBySide(QWidget):
    """Turns from a row into a column below a certain width."""

    def __init__(self, least_em: float, gap_px: int, parent: QWidget | None = None) -> None:
        """Hold no parts yet; be a row where there are so many letter heights of width."""
        super().__init__(parent)
        self._least_em = least_em
        self._parts: list[QWidget] = []
        self._box = QBoxLayout(Direction.LeftToRight, self)
        self._box.setContentsMargins(0, 0, 0, 0)
        self._box.setSpacing(gap_px)

    def add(self, part: QWidget | QLayout, stretch: int = 0) -> None:
        """Add a part after the others."""
        if isinstance(part, QLayout):
            part.setContentsMargins(0, 0, 0, 0)
            holder = QWidget()
            holder.setLayout(part)
            part = holder
        self._parts.append(part)
        self._box.addWidget(part, stretch)

    def minimumSizeHint(self) -> QSize:
        """Return what a column needs, so that the row never keeps it from becoming one."""
        wide = max((part.minimumSizeHint().width() for part in self._parts), default=0)
        return QSize(wide, super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Be a row or a column, as width and letters allow; letters that grow resize it too."""
        is_row = self.width() >= self._least_em * self.fontMetrics().height()
        self._box.setDirection(Direction.LeftToRight if is_row else Direction.TopToBottom)
        super().resizeEvent(event)
