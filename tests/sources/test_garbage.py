"""Whatever a phone's files hold, reading them ends in frames or in a fault."""

import contextlib
import copy
import importlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core.faults import BadInput
from tests.sources.boxroom import BoxRoom, written

FILES = {
    "nerfstudio": ("nerfstudio", "transforms.json"),
    "nerfcapture": ("nerfstudio", "transforms.json"),
    "record3d": ("record3d", "EXR_RGBD/metadata.json"),
    "polycam": ("polycam", "keyframes/cameras/12000000.json"),
}
JUNK = st.sampled_from(
    [
        None,
        True,
        0,
        -1,
        0.5,
        1e300,
        10**400,
        float("nan"),
        float("inf"),
        "",
        "word",
        "\x00",
        "a" * 5000,
        "..",
        "/",
        [],
        [[]],
        [1],
        [[1, 2], [3]],
        {},
        {"a": 1},
    ]
)


def places(content: Any) -> list[tuple[Any, Any]]:
    """Return every container inside with every key it has."""
    keys = content if isinstance(content, dict) else range(len(content))
    found: list[tuple[Any, Any]] = []
    for key in keys:
        found.append((content, key))
        if isinstance(content[key], dict | list):
            found += places(content[key])
    return found


@pytest.mark.parametrize("layout", FILES)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_json_raises_anything_but_a_fault(
    layout: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    module, name = FILES[layout]
    reader = importlib.import_module(f"engine.sources.{module}")
    folder = tmp_path_factory.getbasetemp() / f"garbage-{layout}"
    if not folder.exists():
        written(BoxRoom(count=2), folder, layout)
    file: Path = folder / name
    original = file.read_text()
    content = json.loads(original)
    chosen = st.lists(st.sampled_from(places(content)), min_size=1, max_size=4)
    for container, key in data.draw(chosen):
        if isinstance(container, dict) and data.draw(st.booleans()):
            container.pop(key, None)
        else:
            # A copy, because later changes may reach into it.
            container[key] = copy.deepcopy(data.draw(JUNK))
    file.write_text(json.dumps(content))
    try:
        with contextlib.suppress(BadInput):
            for frame in reader.read(folder).frames:
                for load in (frame.color, frame.depth, frame.confidence):
                    with contextlib.suppress(BadInput):
                        if load is not None:
                            load()
    finally:
        file.write_text(original)
