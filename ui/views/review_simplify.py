"""Simplify: fewer triangles, seen before it is done."""

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSlider, QWidget

from engine.core.edits import EditPreview, Rung, Simplify
from ui.views.review_desk import Desk
from ui.views.review_preview import Trial
from ui.views.review_tool import Tool, counted, whole_number

HINT = "Fewer triangles make smaller files. Flat parts keep their shape longest."
SIMPLIFYING = "Reducing triangles."
KEEP = "Keep"
ESTIMATE_FORMAT, ESTIMATE_NAME = "glb", "glTF"
# The slider is logarithmic: its left end keeps one triangle of a hundred.
STEPS = 200
LEAST_SHARE = 0.01
LEAST_FACES = 4


class SimplifyTool(Tool):
    """Chooses a number of triangles by slider or field and shows what they would look like."""

    title = "Simplify"
    purpose = "Reduce the number of triangles"

    def __init__(self, desk: Desk, parent: QWidget) -> None:
        """Keep everything to begin with."""
        super().__init__(desk, parent)
        self._rungs: tuple[Rung, ...] = ()
        self._is_open = False
        self.words(HINT)
        self.slider = QSlider(Qt.Orientation.Horizontal, self)
        self.slider.setAccessibleName("Share of the triangles to keep")
        self.slider.setRange(0, STEPS)
        self.slider.setPageStep(STEPS // 10)
        self.slider.setValue(STEPS)
        self.column.addWidget(self.slider)
        self.field = whole_number("Triangles to keep", LEAST_FACES, LEAST_FACES, LEAST_FACES, self)
        row = QHBoxLayout()
        row.addWidget(QLabel(KEEP, self))
        row.addWidget(self.field)
        row.addWidget(QLabel("triangles", self))
        row.addStretch()
        self.column.addLayout(row)
        self.size_says = self.words("", "small")
        self.says = self.words("", "small")
        self.apply_button = self.button("Apply", self.apply, "primary")
        self.reset_button = self.button("Reset", self.reset)
        buttons = QHBoxLayout()
        buttons.addWidget(self.apply_button)
        buttons.addWidget(self.reset_button)
        buttons.addStretch()
        self.column.addLayout(buttons)
        self._trial = Trial(desk, self.says.setText, _in_words)
        self.slider.valueChanged.connect(self._slid)
        self.field.valueChanged.connect(self._typed)

    @property
    def total(self) -> int:
        """How many triangles there are now."""
        return self.desk.model.counts.faces

    def open_up(self) -> None:
        """Begin with everything, and ask what files would weigh."""
        self._is_open = True
        self.reset()
        self.desk.ladder(self._weigh)

    def put_away(self) -> None:
        """Show the surface as it is."""
        self._is_open = False
        self._trial.drop()

    def reset(self) -> None:
        """Keep everything again."""
        self._trial.drop()
        self._show(self.total)

    def apply(self) -> None:
        """Reduce the surface."""
        faces = self.field.value()
        self._trial.drop()
        self.desk.apply(SIMPLIFYING, Simplify(faces))

    def refresh(self) -> None:
        """Nothing is reduced by keeping everything."""
        if self.field.maximum() != max(self.total, LEAST_FACES):
            self._show(self.total)
            if self._is_open:
                self.desk.ladder(self._weigh)
        self._enable()

    def _enable(self) -> None:
        self.apply_button.setEnabled(not self.desk.is_busy and self.field.value() < self.total)

    def _weigh(self, rungs: tuple[Rung, ...]) -> None:
        self._rungs = rungs
        self._say_size()

    def _slid(self, step: int) -> None:
        share = LEAST_SHARE ** (1 - step / STEPS)
        self._show(max(LEAST_FACES, round(self.total * share)), moves_slider=False)
        self._try()

    def _typed(self) -> None:
        self._show(self.field.value())
        self._try()

    def _try(self) -> None:
        if self.field.value() < self.total:
            self._trial.ask(Simplify(self.field.value()))
        else:
            self._trial.drop()

    def _show(self, faces: int, moves_slider: bool = True) -> None:
        for widget in (self.slider, self.field):
            widget.blockSignals(True)
        self.field.setMaximum(max(self.total, LEAST_FACES))
        self.field.setSingleStep(max(1, self.total // 100))
        self.field.setValue(faces)
        if moves_slider:
            share = max(faces / max(self.total, 1), LEAST_SHARE)
            self.slider.setValue(round(STEPS * (1 - np.log(share) / np.log(LEAST_SHARE))))
        for widget in (self.slider, self.field):
            widget.blockSignals(False)
        self._say_size()
        self._enable()

    def _say_size(self) -> None:
        faces = self.field.value()
        megabytes = megabytes_of(self._rungs, faces)
        weight = "" if megabytes is None else f", about {megabytes:.1f} MB as {ESTIMATE_NAME}"
        share = 100 * faces / max(self.total, 1)
        self.size_says.setText(f"{share:.0f} % of {self.total:,} triangles{weight}")


def megabytes_of(rungs: tuple[Rung, ...], faces: int) -> float | None:
    """Return what a file of so many triangles would weigh, between the rungs of a ladder.

    The texture is that of the finest rung: reducing triangles leaves it alone.
    """
    known = sorted((r for r in rungs if ESTIMATE_FORMAT in r.megabytes), key=lambda r: r.faces)
    if not known:
        return None
    finest = known[-1]
    same_look = [r for r in known if r.texture_px == finest.texture_px]
    # What a triangle weighs follows from two rungs alike but for their number, or else from one.
    coarse = same_look[0]
    if coarse.faces == finest.faces:
        alike = 0.0 if finest.texture_px else finest.megabytes[ESTIMATE_FORMAT] / finest.faces
    else:
        more = finest.megabytes[ESTIMATE_FORMAT] - coarse.megabytes[ESTIMATE_FORMAT]
        alike = more / (finest.faces - coarse.faces)
    return max(0.0, finest.megabytes[ESTIMATE_FORMAT] - alike * (finest.faces - faces))


def _in_words(preview: EditPreview) -> str:
    left = counted(preview.after.faces, "triangle")
    return f"Shown: {left} in place of {preview.before.faces:,}."
