"""What runs in the engine's process."""

import gc
from functools import partial

from app.build import make_fuser
from app.studio import Studio
from app.warmup import WarmUp
from engine.core.settings import preset
from engine.sources.detect import open_source


def make_studio() -> Studio:
    """Return the program's studio, its kernels being compiled meanwhile."""
    fuser_of = partial(make_fuser, keeps_grades=True)
    # All that was imported and compiled stays. Looking for garbage in it again and again would hold
    # every thread here up for 170 ms each time.
    warm_up = WarmUp(then=gc.freeze)
    return Studio(preset("medium"), open_source, fuser_of, warm_up.wait)
