"""Texture: photographs painted onto the surface anew."""

from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QWidget

from engine.core.surface import TexturedMesh
from ui.views.review_desk import Desk
from ui.views.review_tool import Tool

HINT = "Paints the photographs of the scan onto the surface as it is now."
NO_PHOTOGRAPHS = (
    "The photographs of this scan are not at hand, so the colours stay as they are. "
    "They are there right after scanning, and in scans that were recorded."
)
BUILDING = "Making the texture."
SIZES_PX = (1024, 2048, 4096, 8192)
USUAL_PX = 4096
SIZE_REMARKS = {1024: "phones, web", 2048: "one object", 4096: "a room", 8192: "every detail"}


class TextureTool(Tool):
    """Makes a texture of a chosen size."""

    title = "Texture"
    purpose = "Paint the photographs onto the surface anew"

    def __init__(self, desk: Desk, parent: QWidget) -> None:
        """Suggest the size there is, or the usual one."""
        super().__init__(desk, parent)
        self.words(HINT if desk.model.can_texture else NO_PHOTOGRAPHS)
        self.size_box = QComboBox(self)
        self.size_box.setAccessibleName("Size of the texture")
        for size in SIZES_PX:
            self.size_box.addItem(f"{size} × {size}, {SIZE_REMARKS[size]}", size)
        self.size_box.setCurrentIndex(SIZES_PX.index(USUAL_PX))
        label = QLabel("&Size", self)
        label.setBuddy(self.size_box)
        row = QHBoxLayout()
        row.addWidget(label)
        row.addWidget(self.size_box, 1)
        self.column.addLayout(row)
        self.build_button = self.button("Make the texture", self.build, "primary")
        buttons = QHBoxLayout()
        buttons.addWidget(self.build_button)
        buttons.addStretch()
        self.column.addLayout(buttons)
        self.says = self.words("", "small")

    def build(self) -> None:
        """Make the texture; this takes a while and can be cancelled."""
        size_px: int = self.size_box.currentData()
        self.desk.change(BUILDING, lambda: self.desk.model.texture(size_px))

    def refresh(self) -> None:
        """Tell what there is now."""
        can = self.desk.model.can_texture
        self.size_box.setEnabled(can)
        self.build_button.setEnabled(can and not self.desk.is_busy)
        surface, note = self.desk.model.surface, self.desk.model.texture_note
        has = "There is no texture; corners have their colours."
        if isinstance(surface, TexturedMesh):
            height, width = surface.texture.shape[:2]
            has = f"There is a texture of {width} × {height} pixels."
        self.says.setText(f"{has} {note}".strip())
