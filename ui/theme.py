"""How everything looks: one dark palette, few sizes, generous space."""

from PySide6.QtWidgets import QApplication

BACKGROUND = "#14171c"
PANEL = "#1c2128"
RAISED = "#262d37"
LINE = "#343d4a"
TEXT = "#eceff4"
MUTED = "#a3adbb"
ACCENT = "#4cc2d9"
RECORD = "#ff6b5e"
GOOD = "#7bd88f"
WARN = "#f5b83d"

# Read from the other end of the room, camera in hand.
STATE_PX = 26
BODY_PX = 15
SMALL_PX = 13
TITLE_PX = 34
GAP_PX = 16

STYLE = f"""
QWidget {{ background: {BACKGROUND}; color: {TEXT}; font-size: {BODY_PX}px; }}
QLabel {{ background: transparent; }}
QLabel[role="title"] {{ font-size: {TITLE_PX}px; font-weight: 600; }}
QLabel[role="state"] {{ font-size: {STATE_PX}px; font-weight: 600; }}
QLabel[role="muted"] {{ color: {MUTED}; }}
QLabel[role="small"] {{ color: {MUTED}; font-size: {SMALL_PX}px; }}
QFrame[role="panel"] {{ background: {PANEL}; border: none; }}
QFrame[role="panel"] QWidget {{ background: transparent; }}
QFrame[role="drop"] {{
    background: {PANEL}; border: 2px dashed {LINE}; border-radius: 14px;
}}
QFrame[role="drop"][over="true"] {{ border-color: {ACCENT}; background: {RAISED}; }}
QFrame[role="drop"] QLabel {{ background: transparent; }}
QLabel[role="picture"], QFrame[role="panel"] QLabel[role="picture"] {{
    background: #0d0f13; border-radius: 8px; color: {MUTED};
}}
QPushButton, QFrame[role="panel"] QPushButton {{
    background: {RAISED}; border: 1px solid {LINE}; border-radius: 8px;
    padding: 9px 18px; font-size: {BODY_PX}px;
}}
QPushButton:hover {{ border-color: {ACCENT}; }}
QPushButton:focus {{ border: 2px solid {ACCENT}; padding: 8px 17px; }}
QPushButton:disabled, QFrame[role="panel"] QPushButton:disabled {{
    color: #68727f; background: {PANEL}; border-color: {RAISED};
}}
QPushButton[role="primary"], QFrame[role="panel"] QPushButton[role="primary"] {{
    background: {ACCENT}; color: #08222a; border-color: {ACCENT}; font-weight: 600;
}}
QPushButton[role="primary"]:disabled, QFrame[role="panel"] QPushButton[role="primary"]:disabled {{
    background: {RAISED}; color: #68727f; border-color: {RAISED};
}}
QPushButton[role="link"], QFrame[role="panel"] QPushButton[role="link"] {{
    background: transparent; border: none; color: {ACCENT}; padding: 4px 0; text-align: left;
}}
QPushButton[role="link"]:focus {{ border: none; padding: 4px 0; text-decoration: underline; }}
QProgressBar {{
    background: {RAISED}; border: none; border-radius: 4px; height: 8px; color: transparent;
}}
QFrame[role="panel"] QProgressBar {{ background: {RAISED}; }}
QProgressBar::chunk {{ background: {ACCENT}; border-radius: 4px; }}
QLineEdit, QComboBox {{
    background: {RAISED}; border: 1px solid {LINE}; border-radius: 6px; padding: 7px 10px;
}}
QLineEdit:focus, QComboBox:focus {{ border-color: {ACCENT}; }}
QComboBox QAbstractItemView {{ background: {RAISED}; selection-background-color: {LINE}; }}
QTableWidget[role="details"] {{
    border: none; font-size: {SMALL_PX}px; selection-background-color: transparent;
}}
QTableWidget[role="details"]::item {{ border: none; padding: 0 4px; }}
QScrollBar:vertical {{ width: 8px; background: transparent; }}
QScrollBar::handle:vertical {{ background: {LINE}; border-radius: 4px; min-height: 24px; }}
QScrollBar::add-line, QScrollBar::sub-line {{ height: 0; }}
QScrollBar::add-page, QScrollBar::sub-page {{ background: transparent; }}
QCheckBox {{ background: transparent; spacing: 10px; }}
QCheckBox::indicator, QFrame[role="panel"] QCheckBox::indicator {{
    width: 16px; height: 16px; border: 2px solid {MUTED}; border-radius: 4px;
    background: {BACKGROUND};
}}
QCheckBox::indicator:checked, QFrame[role="panel"] QCheckBox::indicator:checked {{
    background: {ACCENT}; border-color: {ACCENT};
}}
QCheckBox::indicator:disabled {{ border-color: {LINE}; }}
QCheckBox:disabled {{ color: #68727f; }}
QMenuBar {{ background: {PANEL}; }}
QMenuBar::item {{ background: transparent; padding: 6px 12px; }}
QMenuBar::item:selected, QMenu::item:selected {{ background: {RAISED}; }}
QMenu {{ background: {PANEL}; border: 1px solid {LINE}; padding: 6px; }}
QMenu::item {{ padding: 6px 28px 6px 14px; }}
QMenu::item:disabled {{ color: #68727f; }}
QWidget[role="toasts"] {{ background: transparent; }}
QFrame[role="toast"] {{ background: {RAISED}; border-left: 4px solid {WARN}; border-radius: 6px; }}
QFrame[role="toast"][severity="stop"] {{ border-left-color: {RECORD}; }}
QFrame[role="toast"][severity="info"] {{ border-left-color: {GOOD}; }}
QFrame[role="toast"] QLabel, QFrame[role="toast"] QPushButton {{ background: transparent; }}
"""


def apply(application: QApplication) -> None:
    """Dress the whole application."""
    application.setStyle("Fusion")
    application.setStyleSheet(STYLE)
