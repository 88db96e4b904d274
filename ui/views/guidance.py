"""Tracking in words: how it stands, why, and what to do about it."""

from dataclasses import replace
from time import monotonic

from PySide6.QtCore import QEvent
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from engine.core.news import Cause, ScanState, TrackHealth, Tracking
from ui.theme import GAP_PX
from ui.views.folding import Folding
from ui.views.gauges import DISTANCE_ZONES, PACE_ZONES, Gauge, MarginMeter, Sign
from ui.widgets.labels import label

WORDS = {
    Tracking.WAITING: "Waiting",
    Tracking.GOOD: "Tracking good",
    Tracking.WEAK: "Tracking weak",
    Tracking.LOST: "Tracking lost",
}
CAUSES = {
    Cause.NO_POSE: (
        "Place unknown.",
        "Go back to what is scanned already.",
    ),
    Cause.TOO_FAST: ("Moving too fast.", "Move more slowly."),
    Cause.TURNING_TOO_FAST: ("Turning too fast.", "Turn more slowly."),
    Cause.TOO_DARK: ("Too dark.", "Switch on more light."),
    Cause.BLURRED: ("Picture blurred.", "Hold still, or wipe the lens."),
    Cause.LITTLE_TEXTURE: ("Too bare a view.", "Bring corners or patterns into view."),
    Cause.TOO_NEAR: ("Too near.", "Step back, to half a metre or more."),
    Cause.TOO_FAR: ("Too far away.", "Go nearer, to three metres or less."),
    Cause.BLOCKED: ("Hardly any depth.", "Uncover the camera; avoid glass."),
}
ALL_WELL = ("", "Keep going like this.")
READY = ("", "Ready when you are.")
NOTHING_SEEN = ("", "The camera has shown nothing yet.")
PAUSED = ("Paused", "Nothing is added.", "Space goes on.")
# Whoever holds a camera looks up now and then; a warning stays for a glance.
STAYS_S = 1.2
# Nobody reads faster, and text that changes costs a layout.
EVERY_S = 0.2

_RANK = {Tracking.GOOD: 0, Tracking.WAITING: 1, Tracking.WEAK: 2, Tracking.LOST: 3}


def sentence(health: TrackHealth | None) -> tuple[str, str, str]:
    """Return the state in a word or two, its main cause, and the cure; the cause may be empty."""
    if health is None:
        return (WORDS[Tracking.WAITING], *NOTHING_SEEN)
    causes = CAUSES[health.causes[0]] if health.causes else ALL_WELL
    return (WORDS[health.state], *causes)


class Steady:
    """Shows what is worse at once, and what is better only after a warning was there to be read."""

    def __init__(self) -> None:
        """Begin with nothing shown."""
        self._shown: TrackHealth | None = None
        self._since_s = -STAYS_S

    def take(self, health: TrackHealth, now_s: float) -> TrackHealth:
        """Return the newest health, in the words that should be on the screen now."""
        before = self._shown
        if before is not None and now_s - self._since_s < STAYS_S:
            is_better = _RANK[health.state] < _RANK[before.state]
            is_other = health.state is before.state and health.causes[:1] != before.causes[:1]
            if is_better or is_other:
                return replace(health, state=before.state, causes=before.causes)
        said = (health.state, health.causes[:1])
        if before is None or said != (before.state, before.causes[:1]):
            self._since_s = now_s
        self._shown = health
        return health


class Guidance(Folding):
    """The strip above the 3D view: state, cause and cure, distance and pace."""

    def __init__(self, parent: QWidget | None = None) -> None:
        """Wait for a first picture."""
        super().__init__(parent)
        self._steady = Steady()
        self._health: TrackHealth | None = None
        self._told_s = -EVERY_S
        self._scan = ScanState.READY
        self._is_folded = False
        self.state = Tracking.WAITING
        self.sign = Sign()
        self.word = label("", "state")
        self.cause = label("", "heading")
        self.cure = label("", "heading")
        self.margin = MarginMeter()
        self.distance = Gauge("Distance", DISTANCE_ZONES)
        self.pace = Gauge("Speed", PACE_ZONES)
        self._block = self._words()
        self._gauges = self._bars()
        self.hold(self._block, self._gauges)
        self._fit()
        self.setProperty("role", "panel")
        self.setAccessibleName("Tracking")
        self._say()

    def show_health(self, health: TrackHealth) -> bool:
        """Take in how tracking stands; return whether what the screen says has changed."""
        now_s = monotonic()
        self._health = self._steady.take(health, now_s)
        is_due = now_s - self._told_s >= EVERY_S
        if not is_due and self._health.state is self.state:
            return False
        self._told_s = now_s
        before = self.word.text(), self.cause.text()
        self._say()
        return before != (self.word.text(), self.cause.text())

    def folded(self, is_folded: bool) -> None:
        """Spare height where the gauges stand below the words."""
        self._gauges.set_upright(not is_folded)
        if is_folded is not self._is_folded:
            self._is_folded = is_folded
            self._fit()

    def show_scan(self, state: ScanState) -> None:
        """Say that the scan is paused, or go on to say how tracking stands."""
        self._scan = state
        self._say()

    def changeEvent(self, event: QEvent) -> None:
        """Follow the size of text."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.StyleChange and hasattr(self, "_block"):
            self._fit()

    def _fit(self) -> None:
        """Take the room of the longest sentences, lest the 3D view jump with every word."""
        for text in (self.word, self.cure):
            text.ensurePolished()
        words = [*WORDS.values(), PAUSED[0]]
        metrics = self.word.fontMetrics()
        self.word.setMinimumWidth(max(metrics.horizontalAdvance(word) for word in words) + 2)
        # Beside the gauges, one of the two sentences may take two lines.
        lines = (2 if self._is_folded else 3) * self.cure.fontMetrics().lineSpacing()
        self._block.setMinimumHeight(metrics.lineSpacing() + lines + 6)

    def _say(self) -> None:
        health = self._health
        self.state = Tracking.WAITING if health is None else health.state
        is_paused = self._scan is ScanState.PAUSED
        word, cause, cure = PAUSED if is_paused else sentence(health)
        if self._scan is ScanState.READY and self.state is Tracking.GOOD:
            cause, cure = READY
        self.sign.show_state(None if is_paused else self.state)
        for place, text in ((self.word, word), (self.cause, cause), (self.cure, cure)):
            if place.text() != text:
                place.setText(text)
        self.cause.setVisible(bool(cause))
        self.setAccessibleDescription(" ".join(filter(None, (f"{word}.", cause, cure))))
        self.margin.show_margin(None if health is None else health.margin)
        self._show_distance(health)
        self._show_pace(health)

    def _show_distance(self, health: TrackHealth | None) -> None:
        if health is None or health.distance_m is None:
            self.distance.show_nothing()
            return
        zone = 0 if Cause.TOO_NEAR in health.causes else 2 if Cause.TOO_FAR in health.causes else 1
        self.distance.show_value(health.distance_m, f"{health.distance_m:.1f} m", zone)

    def _show_pace(self, health: TrackHealth | None) -> None:
        if health is None or health.speed_m_s is None:
            self.pace.show_nothing()
            return
        is_turning = Cause.TURNING_TOO_FAST in health.causes and (
            health.causes.index(Cause.TURNING_TOO_FAST) == 0 or Cause.TOO_FAST not in health.causes
        )
        is_fast = is_turning or Cause.TOO_FAST in health.causes
        turn = health.turn_deg_s or 0.0
        words = f"{turn:.0f}° a second" if is_turning else f"{health.speed_m_s:.1f} m/s"
        self.pace.show_value(health.speed_m_s, words, int(is_fast))

    def _words(self) -> QWidget:
        block = QWidget()
        # The sentences wrap rather than push the 3D view aside.
        self.cure.setWordWrap(True)
        self.cause.setWordWrap(True)
        texts = QVBoxLayout()
        texts.setSpacing(2)
        texts.addWidget(self.word)
        texts.addWidget(self.cause)
        texts.addWidget(self.cure)
        texts.addStretch()
        row = QHBoxLayout(block)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GAP_PX)
        signs = QVBoxLayout()
        signs.setSpacing(8)
        signs.addWidget(self.sign)
        signs.addWidget(self.margin)
        signs.addStretch()
        row.addLayout(signs)
        row.addLayout(texts, 1)
        return block

    def _bars(self) -> Folding:
        block = Folding()
        block.nest()
        block.set_upright(True)
        block.hold(self.distance, self.pace)
        return block
