"""The style sheet of the whole application, from a palette and four text sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ui.theme import Palette

Sizes = tuple[int, int, int, int]


def style_sheet(p: Palette, sizes_px: Sizes, marks: dict[str, str]) -> str:
    """Return the sheet; what widgets are is told by their property "role".

    `sizes_px` are those of titles, states, body and small print; `marks` as `draw_marks` has them.
    """
    title_px, state_px, body_px, small_px = sizes_px
    return "\n".join(
        (
            _text(p, title_px, state_px, body_px, small_px),
            _areas(p),
            _buttons(p, body_px),
            _fields(p, body_px, small_px, marks),
            _shell(p, small_px),
        )
    )


def _text(p: Palette, title_px: int, state_px: int, body_px: int, small_px: int) -> str:
    return f"""
QWidget {{ background: {p.background}; color: {p.text}; font-size: {body_px}px; }}
QLabel {{ background: transparent; }}
QLabel[role="title"] {{ font-size: {title_px}px; font-weight: 600; }}
QLabel[role="state"] {{ font-size: {state_px}px; font-weight: 600; }}
QLabel[role="heading"] {{ font-size: {body_px + 3}px; font-weight: 600; }}
QLabel[role="muted"] {{ color: {p.muted}; }}
QLabel[role="small"] {{ color: {p.muted}; font-size: {small_px}px; }}
QLabel[role="good"] {{ color: {p.good}; }}
QLabel[role="warn"] {{ color: {p.warn}; }}
QLabel[role="danger"] {{ color: {p.record}; }}
QToolTip {{
    background: {p.raised}; color: {p.text}; border: 1px solid {p.edge}; padding: 4px;
    font-size: {small_px}px;
}}
"""


def _areas(p: Palette) -> str:
    return f"""
QFrame[role="panel"] {{ background: {p.panel}; border: none; }}
QFrame[role="panel"] QWidget {{ background: transparent; }}
QFrame[role="card"] {{ background: {p.panel}; border: 1px solid {p.line}; border-radius: 10px; }}
QFrame[role="card"] QWidget {{ background: transparent; }}
QFrame[role="card"][chosen="true"], QFrame[role="card"]:focus {{ border: 2px solid {p.accent}; }}
QFrame[role="drop"] {{
    background: {p.panel}; border: 2px dashed {p.edge}; border-radius: 14px;
}}
QFrame[role="drop"][over="true"] {{ border-color: {p.accent}; background: {p.raised}; }}
QFrame[role="drop"] QLabel {{ background: transparent; }}
QLabel[role="picture"], QFrame[role="panel"] QLabel[role="picture"],
QFrame[role="card"] QLabel[role="picture"] {{
    background: {p.picture}; border-radius: 8px; color: {p.muted};
}}
QScrollArea {{ border: none; }}
QScrollBar:vertical {{ width: 10px; background: transparent; }}
QScrollBar:horizontal {{ height: 10px; background: transparent; }}
QScrollBar::handle {{ background: {p.edge}; border-radius: 4px; margin: 1px; }}
QScrollBar::handle:vertical {{ min-height: 24px; }}
QScrollBar::handle:horizontal {{ min-width: 24px; }}
QScrollBar::add-line, QScrollBar::sub-line {{ height: 0; width: 0; }}
QScrollBar::add-page, QScrollBar::sub-page {{ background: transparent; }}
QSplitter::handle {{ background: {p.line}; }}
"""


def _buttons(p: Palette, body_px: int) -> str:
    # Twice, because a panel takes the background from all that is in it.
    plain = 'QPushButton, QFrame[role="panel"] QPushButton, QFrame[role="card"] QPushButton'

    def of(rest: str) -> str:
        return ", ".join(f"{one}{rest}" for one in plain.split(", "))

    return f"""
{of("")} {{
    background: {p.raised}; border: 1px solid {p.edge}; border-radius: 8px;
    padding: 9px 18px; font-size: {body_px}px;
}}
{of(":hover")} {{ border-color: {p.accent}; }}
{of(":pressed")}, {of(":checked")} {{ background: {p.line}; border-color: {p.accent}; }}
{of(":focus")} {{ border: 2px solid {p.accent}; padding: 8px 17px; }}
{of(":disabled")} {{ color: {p.disabled}; background: transparent; border-color: {p.line}; }}
{of('[role="primary"]')} {{
    background: {p.accent}; color: {p.on_accent}; border-color: {p.accent}; font-weight: 600;
}}
{of('[role="primary"]:focus')} {{ border: 2px solid {p.text}; }}
{of('[role="primary"]:disabled')} {{
    background: {p.raised}; color: {p.disabled}; border-color: {p.line};
}}
{of('[role="danger"]')} {{ color: {p.record}; border-color: {p.record}; }}
{of('[role="danger"]:disabled')} {{ color: {p.disabled}; border-color: {p.line}; }}
{of('[role="link"]')} {{
    background: transparent; border: 2px solid transparent; border-radius: 6px; color: {p.accent};
    padding: 2px; text-align: left;
}}
{of('[role="link"]:hover')} {{ text-decoration: underline; }}
{of('[role="link"]:checked')} {{ background: transparent; }}
{of('[role="link"]:focus')} {{ border-color: {p.accent}; padding: 2px; }}
{of('[role="link"]:disabled')} {{ color: {p.disabled}; }}
QToolButton {{
    background: transparent; border: 2px solid transparent; border-radius: 8px; padding: 6px;
}}
QToolButton:hover {{ background: {p.raised}; }}
QToolButton:checked {{ background: {p.raised}; border-color: {p.edge}; }}
QToolButton:focus {{ border-color: {p.accent}; }}
QToolButton:disabled {{ color: {p.disabled}; }}
"""


def _fields(p: Palette, body_px: int, small_px: int, marks: dict[str, str]) -> str:
    boxes = "QLineEdit, QComboBox, QAbstractSpinBox, QPlainTextEdit"
    indicators = "QCheckBox::indicator, QRadioButton::indicator"
    in_panel = ", ".join(
        f'QFrame[role="{area}"] {one}'
        for area in ("panel", "card")
        for one in indicators.split(", ")
    )
    boxes_in_panel = ", ".join(
        f'QFrame[role="{area}"] {one}' for area in ("panel", "card") for one in boxes.split(", ")
    )
    on = ", ".join(f"{one}:checked" for one in f"{indicators}, {in_panel}".split(", "))
    ticked = ", ".join(one for one in on.split(", ") if "QCheckBox" in one)
    focused = ", ".join(f"{one}:focus" for one in boxes.split(", "))
    bar = ", ".join(f'{area}QProgressBar' for area in (
        "", 'QFrame[role="panel"] ', 'QFrame[role="card"] '
    ))  # fmt: skip
    return f"""
{boxes}, {boxes_in_panel} {{
    background: {p.raised}; border: 1px solid {p.edge}; border-radius: 6px; padding: 6px 10px;
    selection-background-color: {p.accent}; selection-color: {p.on_accent};
}}
{focused} {{ border: 2px solid {p.accent}; padding: 5px 9px; }}
QLineEdit:disabled, QComboBox:disabled, QAbstractSpinBox:disabled {{
    color: {p.disabled}; border-color: {p.line};
}}
QComboBox::drop-down, QAbstractSpinBox::up-button, QAbstractSpinBox::down-button {{
    background: transparent; border: none; width: 26px;
}}
QComboBox::down-arrow, QAbstractSpinBox::down-arrow {{
    image: url("{marks["down"]}"); width: 14px; height: 14px;
}}
QAbstractSpinBox::up-arrow {{ image: url("{marks["up"]}"); width: 14px; height: 14px; }}
QComboBox QAbstractItemView {{
    background: {p.panel}; border: 1px solid {p.edge}; selection-background-color: {p.accent};
    selection-color: {p.on_accent};
}}
QCheckBox, QRadioButton {{ background: transparent; spacing: 10px; padding: 3px; }}
QCheckBox, QRadioButton {{ border: 2px solid transparent; border-radius: 6px; }}
QCheckBox:focus, QRadioButton:focus {{ border-color: {p.accent}; }}
{indicators}, {in_panel} {{
    width: {body_px}px; height: {body_px}px; border: 2px solid {p.edge}; border-radius: 4px;
    background: {p.background};
}}
QRadioButton::indicator {{ border-radius: {body_px // 2 + 2}px; }}
{on} {{ background: {p.accent}; border-color: {p.text}; }}
{ticked} {{ image: url("{marks["tick"]}"); }}
QCheckBox::indicator:disabled, QRadioButton::indicator:disabled {{ border-color: {p.line}; }}
QCheckBox:disabled, QRadioButton:disabled {{ color: {p.disabled}; }}
{bar} {{
    background: {p.line}; border: none; border-radius: 4px; height: 8px; color: transparent;
}}
QProgressBar::chunk {{ background: {p.accent}; border-radius: 4px; }}
QSlider {{ background: transparent; border: 2px solid transparent; border-radius: 6px; }}
QSlider:focus {{ border-color: {p.accent}; }}
QSlider::groove:horizontal {{ background: {p.edge}; height: 4px; border-radius: 2px; }}
QSlider::handle:horizontal {{
    background: {p.accent}; width: 16px; height: 16px; margin: -6px 0; border-radius: 8px;
}}
QSlider::handle:horizontal:disabled {{ background: {p.line}; }}
QTableView, QListView, QTreeView {{
    background: {p.panel}; border: 1px solid {p.line}; selection-background-color: {p.accent};
    selection-color: {p.on_accent};
}}
QTableView:focus, QListView:focus, QTreeView:focus {{ border: 2px solid {p.accent}; }}
QTableWidget[role="details"] {{
    border: none; font-size: {small_px}px; selection-background-color: transparent;
}}
QTableWidget[role="details"]::item {{ border: none; padding: 0 4px; }}
QTabBar::tab {{
    background: transparent; padding: 8px 12px; border-bottom: 2px solid transparent;
}}
QTabBar::tab:selected {{ border-bottom-color: {p.accent}; font-weight: 600; }}
QTabBar::tab:focus {{ background: {p.raised}; }}
QTabWidget::pane {{ border: none; border-top: 1px solid {p.line}; }}
"""


def _shell(p: Palette, small_px: int) -> str:
    return f"""
QMenuBar {{ background: {p.panel}; }}
QMenuBar::item {{ background: transparent; padding: 6px 12px; }}
QMenuBar::item:selected, QMenu::item:selected {{ background: {p.accent}; color: {p.on_accent}; }}
QMenu {{ background: {p.panel}; border: 1px solid {p.edge}; padding: 6px; }}
QMenu::item {{ background: transparent; padding: 6px 28px 6px 26px; }}
QMenu::item:disabled {{ color: {p.disabled}; background: transparent; }}
QMenu::separator {{ background: {p.line}; height: 1px; margin: 5px 8px; }}
QFrame[role="rail"] {{ background: {p.panel}; border: none; border-right: 1px solid {p.line}; }}
QFrame[role="rail"] QToolButton {{ font-size: {small_px}px; padding: 6px 2px; }}
QFrame[role="rail"] QToolButton:checked {{ color: {p.accent}; font-weight: 600; }}
QDockWidget {{ font-size: {small_px}px; }}
QDockWidget::title {{ background: {p.panel}; padding: 6px; }}
QMainWindow::separator {{ background: {p.line}; height: 4px; width: 4px; }}
QPlainTextEdit[role="log"] {{ font-size: {small_px}px; }}
QWidget[role="toasts"] {{ background: transparent; }}
QFrame[role="toast"] {{
    background: {p.raised}; border: 1px solid {p.edge}; border-left: 5px solid {p.warn};
    border-radius: 6px;
}}
QFrame[role="toast"][severity="stop"] {{ border-left-color: {p.record}; }}
QFrame[role="toast"][severity="info"] {{ border-left-color: {p.good}; }}
QFrame[role="toast"] QLabel, QFrame[role="toast"] QPushButton {{ background: transparent; }}
"""
