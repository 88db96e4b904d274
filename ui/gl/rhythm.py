"""How often the scene is painted: often while it is turned, with pauses while it only grows."""

# A screen shows no more than this.
SHORTEST_S = 0.016
# So long after the last touch the view counts as in hand.
IN_HAND_S = 0.3
# Pause after a picture, as a multiple of what it took: a software renderer takes its time from
# the engine, which needs both cores for the scan itself.
IN_HAND_REST, REST = 0.5, 4.0
HARDWARE_REST = 0.5
LONGEST_REST_S = 0.25
# Between two steps of one picture other things get their turn.
GAP_MS = 2
# So long after the last change the picture is painted once more, with smooth edges.
STILL_MS = 400


class Rhythm:
    """When the next picture is due; times are `perf_counter` seconds."""

    def __init__(self, is_software: bool) -> None:
        """The first is due at once."""
        self._is_software = is_software
        self._hand_until_s = self._done_s = self._next_s = 0.0
        self._cost_s = 0.0

    def hurry(self, now_s: float) -> None:
        """The user has the view in hand."""
        self._hand_until_s = now_s + IN_HAND_S
        self._plan()

    def painted(self, now_s: float, cost_s: float) -> None:
        """A picture is done; it held the window's thread for so long in all."""
        self._done_s, self._cost_s = now_s, cost_s
        self._plan()

    def wait_ms(self, now_s: float) -> int:
        """Return how long until the next picture is due, rounded up."""
        return max(0, int((self._next_s - now_s) * 1000 + 0.999))

    def _plan(self) -> None:
        if not self._is_software:
            share = HARDWARE_REST
        else:
            share = IN_HAND_REST if self._done_s < self._hand_until_s else REST
        rest_s = min(self._cost_s * share, LONGEST_REST_S)
        self._next_s = self._done_s + max(rest_s, SHORTEST_S - self._cost_s)
