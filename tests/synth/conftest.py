"""One small furnished room for all tests here; building its light takes a second."""

import pytest

from engine.core.camera import Intrinsics
from engine.synth.render import Renderer
from engine.synth.rooms import build_room
from engine.synth.world import World

CAMERA = Intrinsics(160, 120, 131, 131, 80, 60)


@pytest.fixture(scope="session")
def room() -> World:
    return build_room(3, 12)


@pytest.fixture(scope="session")
def renderer(room: World) -> Renderer:
    return Renderer(room, texture_px=64)
