"""The fixed set that the live scan is measured on: three rooms and, where they lie, two recordings.

Rooms are drawn smaller than they are played: enlarging a picture costs nothing beside drawing it,
and fusing, networks and meshing cost the same either way.
"""

from dataclasses import dataclass
from pathlib import Path

from app.bench.live_tape import Size, Tape, record
from app.tracks import chosen_track
from engine.core.settings import DepthSettings, RefineSettings, Settings
from engine.sources.detect import open_source
from engine.sources.synthetic import SyntheticSource

RATE_HZ = 30.0
SEED = 7


@dataclass(frozen=True, slots=True)
class Stretch:
    """Some frames of a room's walk.

    Attributes:
        room: area in square metres.
        walk: how many frames a camera of 30 Hz takes to look into every corner of it.
        picked: numbers of these frames that are drawn.
        drawn: width and height they are drawn with.
    """

    room: int
    walk: int
    picked: range
    drawn: Size

    @property
    def spec(self) -> str:
        """The room as any command takes it."""
        width, height = self.drawn
        return (
            f"synthetic:room?seed={SEED}&area={self.room}&size={width}x{height}"
            f"&rate={RATE_HZ:g}&frames={self.walk}"
        )

    @property
    def pixels(self) -> int:
        """How much there is to draw."""
        width, height = self.drawn
        return len(self.picked) * width * height


@dataclass(frozen=True, slots=True)
class Plan:
    """What is drawn and how large it is played.

    Attributes:
        stretches: by name; `walkN` are consecutive frames in the room of N square metres, `tour10`
            all round the small room in keyframe steps, `fill160` all round the large one in long
            steps, `late160` a part of that walk in keyframe steps, to be walked once more.
        size: width and height that every timed run sees.
        settings: those of every scan.
        compared: how many keyframes are held against the batch system,
        exact: and in how many chunks with the full halo.
    """

    stretches: dict[str, Stretch]
    size: Size
    settings: Settings
    compared: int
    exact: int


SMALL, MIDDLE, LARGE = 10, 40, 160
# A camera in a hand moves so many frames of 30 Hz between two keyframes.
STEP = 8
# Measured on the walks of this seed: after as many frames every corner has been looked into.
WALKS = {SMALL: 1000, MIDDLE: 2000, LARGE: 13200}
# Where walls are about as near as in the small room.
NEAR_WALLS = 8415
NORMAL = Plan(
    {
        "tour10": Stretch(SMALL, WALKS[SMALL], range(0, 1000, STEP), (320, 240)),
        "walk10": Stretch(SMALL, WALKS[SMALL], range(150), (160, 120)),
        "walk40": Stretch(MIDDLE, WALKS[MIDDLE], range(240), (240, 180)),
        "walk160": Stretch(LARGE, WALKS[LARGE], range(90), (120, 90)),
        "fill160": Stretch(LARGE, WALKS[LARGE], range(0, 13200, 75), (160, 120)),
        "late160": Stretch(
            LARGE, WALKS[LARGE], range(NEAR_WALLS, NEAR_WALLS + 600, STEP), (160, 120)
        ),
    },
    (640, 480),
    Settings(),
    compared=30,
    exact=12,
)
# For trying the machinery out: the names are those of the rooms they stand for.
QUICK = Plan(
    {
        "tour10": Stretch(8, 600, range(0, 360, 24), (64, 48)),
        "walk10": Stretch(8, 600, range(24), (64, 48)),
        "walk40": Stretch(8, 600, range(24), (64, 48)),
        "walk160": Stretch(8, 600, range(24), (64, 48)),
        "fill160": Stretch(8, 600, range(0, 400, 40), (64, 48)),
        "late160": Stretch(8, 600, range(400, 600, 20), (64, 48)),
    },
    (64, 48),
    Settings(depth=DepthSettings(max_m=1.5), refine=RefineSettings(halo_vox=4, reach_m=1.5)),
    compared=4,
    exact=2,
)
ROOM_SETS = ("walk10", "walk40", "walk160")
RECORDINGS = {"kitchen": "rgbd/7scenes-kitchen", "hololens": "rgbd/hololens-000"}


def draw(stretch: Stretch, path: Path) -> Tape:
    """Draw a stretch of a walk onto a tape; seconds to a minute."""
    source = SyntheticSource(stretch.spec)
    return record(path, source.describe(), (source.frame(number) for number in stretch.picked))


def recorded(folder: Path, path: Path) -> Tape:
    """Decode a recording onto a tape.

    Raises:
        BadInput: it cannot be read.
    """
    with chosen_track(open_source(str(folder))) as source:
        return record(path, source.describe(), source.frames())
