"""The cameras the start page shows, and why one that is there may not be usable."""

from engine.core.faults import Fault, MissingPart
from engine.core.news import Job, Progress
from engine.sources.realsense_devices import RealSenseDevice, realsense_devices
from ui.ports import CameraCard

PRACTICE = "synthetic:room?seed=3&live=1"
REALSENSE = "realsense"
NOT_READ_YET = (
    "This version cannot read RealSense cameras yet. Until it can, scan with a phone and open its "
    "recording (Record3D, Stray Scanner, Polycam)."
)


def camera_cards() -> Job[tuple[CameraCard, ...]]:
    """Return the practice camera, then what is known of RealSense cameras."""
    yield Progress("Looking for cameras", 0)
    practice = CameraCard(
        PRACTICE,
        "Practice camera (made-up room)",
        True,
        "Walks through a room by itself, 30 pictures a second with depth.",
    )
    return (practice, *_realsense())


def _realsense() -> tuple[CameraCard, ...]:
    title = "RealSense camera"
    try:
        devices = realsense_devices()
    except MissingPart as fault:
        return (CameraCard(REALSENSE, title, False, f"{fault} {NOT_READ_YET}"),)
    except Fault as fault:
        return (CameraCard(REALSENSE, title, False, str(fault)),)
    if not devices:
        return (CameraCard(REALSENSE, title, False, f"None is plugged in. {NOT_READ_YET}"),)
    return tuple(_card(device) for device in devices)


def _card(device: RealSenseDevice) -> CameraCard:
    usb = f", USB {device.usb}" if device.usb else ""
    found = f"Found, serial number {device.serial or 'unknown'}{usb}."
    slow = " It is on USB 2, which is too slow: use a blue USB 3 socket and its own cable."
    return CameraCard(
        f"{REALSENSE}:{device.serial}",
        device.name or "RealSense camera",
        False,
        f"{found}{slow if device.is_slow else ''} {NOT_READ_YET}",
    )
