"""The cameras that are shown, and what is said of those that cannot be used."""

import sys
from types import SimpleNamespace

import pytest

from app.cameras import PRACTICE, camera_cards
from engine.runtime.progress import run_job
from engine.sources.detect import open_source


class Device:
    def __init__(self, **told):
        self.told = told

    def supports(self, what):
        return what in self.told

    def get_info(self, what):
        return self.told[what]


def sdk(devices=(), error=None):
    """A library for cameras as far as it is asked anything."""

    def query():
        if error:
            raise error
        return list(devices)

    info = SimpleNamespace(
        name="name", serial_number="serial_number", usb_type_descriptor="usb_type_descriptor"
    )
    return SimpleNamespace(camera_info=info, context=lambda: SimpleNamespace(query_devices=query))


def cards(monkeypatch, library):
    monkeypatch.setitem(sys.modules, "pyrealsense2", library)
    return run_job(camera_cards(), lambda step: None, lambda: False)


def test_the_practice_camera_is_always_there_and_opens(monkeypatch):
    first = cards(monkeypatch, None)[0]
    assert (first.spec, first.is_usable) == (PRACTICE, True)
    with open_source(first.spec) as source:
        assert source.describe().is_live


def test_a_missing_library_is_named_with_the_way_to_get_it(monkeypatch):
    _, card = cards(monkeypatch, None)
    assert not card.is_usable
    assert "pip install pyrealsense2" in card.remark
    assert "cannot read RealSense" in card.remark


def test_no_camera_is_said(monkeypatch):
    _, card = cards(monkeypatch, sdk())
    assert not card.is_usable
    assert "None is plugged in" in card.remark


def test_every_camera_found_is_shown_with_its_cable(monkeypatch):
    fast = Device(name="D435", serial_number="17", usb_type_descriptor="3.2")
    slow = Device(name="D415", serial_number="18", usb_type_descriptor="2.1")
    silent = Device()
    _, *found = cards(monkeypatch, sdk([fast, slow, silent]))
    assert [card.title for card in found] == ["D435", "D415", "RealSense camera"]
    assert len({card.spec for card in found}) == 3
    assert not any(card.is_usable for card in found)
    assert all("cannot read RealSense cameras yet" in card.remark for card in found)
    assert "serial number 17, USB 3.2" in found[0].remark
    assert ["too slow" in card.remark for card in found] == [False, True, False]


def test_a_library_that_fails_hides_no_other_camera(monkeypatch):
    practice, card = cards(monkeypatch, sdk(error=RuntimeError("no access to the bus")))
    assert practice.is_usable
    assert not card.is_usable
    assert "no access to the bus" in card.remark


def test_the_real_library_can_be_asked():
    pytest.importorskip("pyrealsense2")
    found = run_job(camera_cards(), lambda step: None, lambda: False)
    assert len(found) >= 2
    assert all(card.remark for card in found)
