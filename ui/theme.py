"""How everything looks: a dark and a light palette, few sizes, generous space."""

import atexit
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QFontDatabase, QFontInfo, QPalette
from PySide6.QtWidgets import QApplication

from ui.marks import draw_marks
from ui.theme_style import style_sheet

# Read from the other end of the room, camera in hand.
STATE_PX = 26
BODY_PX = 15
SMALL_PX = 13
TITLE_PX = 34
GAP_PX = 16

SYSTEM = "system"
LARGEST_TEXT = 2.0


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours by what they are for, each "#rrggbb".

    `text`, `muted`, `accent`, `record`, `good` and `warn` can be read on `background`, `panel` and
    `raised`; `on_accent` on `accent`. `edge` outlines what can be pressed, `line` only divides.
    The last three differ in lightness or hue for the colour-blind too, but never stand alone.
    """

    name: str
    background: str
    panel: str
    raised: str
    line: str
    edge: str
    picture: str
    text: str
    muted: str
    disabled: str
    accent: str
    on_accent: str
    good: str
    warn: str
    record: str

    @property
    def is_dark(self) -> bool:
        """Whether text is lighter than what it stands on."""
        return QColor(self.background).lightness() < QColor(self.text).lightness()


DARK = Palette(
    name="dark",
    background="#14171c",
    panel="#1c2128",
    raised="#262d37",
    line="#343d4a",
    edge="#7a8798",
    picture="#0d0f13",
    text="#eceff4",
    muted="#a9b3c1",
    disabled="#7d8794",
    accent="#4cc2d9",
    on_accent="#08222a",
    good="#6fd6b4",
    warn="#f5b83d",
    record="#ff7468",
)
LIGHT = Palette(
    name="light",
    background="#f4f6f8",
    panel="#ffffff",
    raised="#e9edf1",
    line="#cfd6de",
    edge="#747f8c",
    picture="#dfe4ea",
    text="#15191f",
    muted="#4b5663",
    disabled="#76808c",
    accent="#00677c",
    on_accent="#ffffff",
    good="#006a5e",
    warn="#805000",
    record="#a8133c",
)
PALETTES = {palette.name: palette for palette in (DARK, LIGHT)}

_shown = DARK


def current() -> Palette:
    """Return the colours now on the screen; asked for at every painting, never kept."""
    return _shown


def apply(application: QApplication, palette_name: str = SYSTEM, text_scale: float = 1.0) -> None:
    """Dress the whole application; may be called again at any time.

    Args:
        application: whose widgets are painted anew.
        palette_name: "dark", "light" or "system", which follows the desktop.
        text_scale: beside what the desktop asks for already.
    """
    global _shown
    _shown = PALETTES.get(palette_name) or _of_desktop(application)
    scale = text_scale * desktop_text_scale()
    title, state, body, small = (
        round(px * scale) for px in (TITLE_PX, STATE_PX, BODY_PX, SMALL_PX)
    )
    marks = draw_marks(_marks_folder(), _shown.text, _shown.on_accent, _shown.name)
    application.setStyle("Fusion")
    application.setPalette(_qt_palette(_shown))
    application.setStyleSheet(style_sheet(_shown, (title, state, body, small), marks))


def desktop_text_scale() -> float:
    """Return how much larger than usual the desktop wants text, at least 1."""
    font = QFontDatabase.systemFont(QFontDatabase.SystemFont.GeneralFont)
    return min(LARGEST_TEXT, max(1.0, QFontInfo(font).pixelSize() / BODY_PX))


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, 1 to 21, as WCAG 2 defines it."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(color: str) -> float:
    red, green, blue = (_linear(int(color[at : at + 2], 16) / 255) for at in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(share: float) -> float:
    return share / 12.92 if share <= 0.04045 else float(((share + 0.055) / 1.055) ** 2.4)


@lru_cache(maxsize=1)
def _marks_folder() -> Path:
    # Gone with the process; style sheets can name files only.
    folder = TemporaryDirectory(prefix="finescan-")
    atexit.register(folder.cleanup)
    return Path(folder.name)


def _of_desktop(application: QApplication) -> Palette:
    # Without an opinion of the desktop, dark: the 3D view and pictures stand out from it.
    is_light = application.styleHints().colorScheme() is Qt.ColorScheme.Light
    return LIGHT if is_light else DARK


def _qt_palette(palette: Palette) -> QPalette:
    """Return the same colours for what no style sheet reaches: system dialogs, text cursors."""
    role = QPalette.ColorRole
    colors = {
        role.Window: palette.background,
        role.WindowText: palette.text,
        role.Base: palette.panel,
        role.AlternateBase: palette.raised,
        role.Text: palette.text,
        role.PlaceholderText: palette.muted,
        role.Button: palette.raised,
        role.ButtonText: palette.text,
        role.ToolTipBase: palette.raised,
        role.ToolTipText: palette.text,
        role.Highlight: palette.accent,
        role.HighlightedText: palette.on_accent,
        role.Link: palette.accent,
        role.LinkVisited: palette.accent,
        role.Mid: palette.line,
    }
    made = QPalette()
    for name, color in colors.items():
        made.setColor(name, QColor(color))
    for name in (role.WindowText, role.Text, role.ButtonText):
        made.setColor(QPalette.ColorGroup.Disabled, name, QColor(palette.disabled))
    return made
