"""Tidy: loose pieces go, holes are closed; how many is told before."""

from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QSpinBox, QWidget

from engine.core.edits import EditPreview, FillHoles, RemoveIslands
from ui.views.review_desk import Desk
from ui.views.review_preview import Trial
from ui.views.review_tool import Tool, counted, whole_number

ISLANDS = "Remove loose pieces"
ISLANDS_LABEL = "smaller than"
HOLES = "Fill holes"
HOLES_LABEL = "with up to"
REMOVING = "Removing loose pieces."
FILLING = "Filling holes."
NO_PIECE = "No piece is that small."
NO_HOLE = "No hole is that small."
LEAST_PIECE, USUAL_PIECE, LARGEST_PIECE = 2, 200, 10_000_000
LEAST_HOLE, USUAL_HOLE, LARGEST_HOLE = 3, 60, 100_000


class TidyTool(Tool):
    """Two edits that make a scan cleaner, each with what it would do."""

    title = "Tidy"
    purpose = "Remove loose pieces and fill holes"

    def __init__(self, desk: Desk, parent: QWidget) -> None:
        """Offer both."""
        super().__init__(desk, parent)
        self._heading(ISLANDS)
        self.piece_field = whole_number(
            "Triangles a piece must have to stay", LEAST_PIECE, LARGEST_PIECE, USUAL_PIECE, self
        )
        self._line(ISLANDS_LABEL, self.piece_field, "triangles")
        self.islands_say = self.words("", "small")
        self.remove_button = self.button("Remove", self.remove, "primary")
        self._place(self.remove_button)
        rule = QFrame(self)
        rule.setFrameShape(QFrame.Shape.HLine)
        self.column.addWidget(rule)
        self._heading(HOLES)
        self.hole_field = whole_number(
            "Edges a hole may have to be filled", LEAST_HOLE, LARGEST_HOLE, USUAL_HOLE, self
        )
        self._line(HOLES_LABEL, self.hole_field, "edges")
        self.holes_say = self.words("", "small")
        self.fill_button = self.button("Fill", self.fill, "primary")
        self._place(self.fill_button)
        self._islands = Trial(desk, self.islands_say.setText, _islands_in_words)
        self._holes = Trial(desk, self.holes_say.setText, _holes_in_words)
        self.piece_field.valueChanged.connect(self._try_islands)
        self.hole_field.valueChanged.connect(self._try_holes)

    def open_up(self) -> None:
        """Tell what the usual numbers would remove."""
        self._try_islands()

    def put_away(self) -> None:
        """Show the surface as it is."""
        self._islands.drop()
        self._holes.drop()

    def remove(self) -> None:
        """Remove the loose pieces."""
        self._forget()
        self.desk.apply(REMOVING, RemoveIslands(self.piece_field.value()))

    def fill(self) -> None:
        """Fill the holes."""
        self._forget()
        self.desk.apply(FILLING, FillHoles(self.hole_field.value()))

    def refresh(self) -> None:
        """One thing at a time."""
        self.remove_button.setEnabled(not self.desk.is_busy)
        self.fill_button.setEnabled(not self.desk.is_busy)

    def _forget(self) -> None:
        self._islands.drop()
        self._holes.drop()

    def _try_islands(self) -> None:
        self._holes.drop()
        self._islands.ask(RemoveIslands(self.piece_field.value()))

    def _try_holes(self) -> None:
        self._islands.drop()
        self._holes.ask(FillHoles(self.hole_field.value()))

    def _heading(self, text: str) -> None:
        self.words(text, "heading")

    def _line(self, before: str, field: QSpinBox, after: str) -> None:
        row = QHBoxLayout()
        row.addWidget(QLabel(before, self))
        row.addWidget(field)
        row.addWidget(QLabel(after, self))
        row.addStretch()
        self.column.addLayout(row)

    def _place(self, button: QWidget) -> None:
        row = QHBoxLayout()
        row.addWidget(button)
        row.addStretch()
        self.column.addLayout(row)


def _islands_in_words(preview: EditPreview) -> str:
    gone = preview.before.pieces - preview.after.pieces
    if gone <= 0:
        return NO_PIECE
    faces = counted(preview.before.faces - preview.after.faces, "triangle")
    return f"Removes {gone:,} of {counted(preview.before.pieces, 'piece')}: {faces}."


def _holes_in_words(preview: EditPreview) -> str:
    closed = preview.before.holes - preview.after.holes
    if closed <= 0:
        return NO_HOLE
    faces = counted(preview.after.faces - preview.before.faces, "triangle")
    return f"Fills {closed:,} of {counted(preview.before.holes, 'hole')} with {faces}."
