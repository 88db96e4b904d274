"""What runs in the engine's process."""

import gc
from importlib import import_module

from app.fuser import Fuser
from app.host.warmup import WarmUp
from app.method import Method
from app.studio import Studio
from engine.core.settings import Settings, preset
from engine.sources.base import SourceInfo
from engine.sources.detect import open_source

# Imported when it is needed, by then the warm-up has it.
BUILD = "app.build"


def make_studio() -> Studio:
    """Return the program's studio, its kernels being compiled meanwhile."""
    # All that was imported and compiled stays. Looking for garbage in it again and again would hold
    # every thread here up for 170 ms each time.
    warm_up = WarmUp(then=gc.freeze)
    return Studio(preset("medium"), open_source, _make_fuser, warm_up)


def _make_fuser(settings: Settings, info: SourceInfo, *, method: Method) -> Fuser:
    fuser: Fuser = import_module(BUILD).make_fuser(settings, info, method=method, keeps_grades=True)
    return fuser
