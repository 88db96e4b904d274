"""Which RealSense cameras are plugged in; reading them is another matter."""

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from engine.core.faults import Fault, MissingPart

INSTALL = "pip install pyrealsense2"


@dataclass(frozen=True, slots=True)
class RealSenseDevice:
    """A camera on a cable.

    Attributes:
        usb: kind of the connection, such as "3.2"; empty when it does not say.
    """

    name: str
    serial: str
    usb: str

    @property
    def is_slow(self) -> bool:
        """Whether its cable or socket is USB 2, too slow for depth and colour together."""
        return self.usb.startswith("2")


def realsense_devices() -> tuple[RealSenseDevice, ...]:
    """Return the cameras that are plugged in; takes up to a second.

    Raises:
        MissingPart: the library for them is not installed, or cannot be loaded here.
        Fault: the library failed.
    """
    try:
        # The one place that lists devices; no one else pays for a library they may not have.
        sdk = import_module("pyrealsense2")
    except ImportError as error:
        raise MissingPart(
            "The library for RealSense cameras is not installed.", f"Install it: {INSTALL}."
        ) from error
    try:
        return tuple(
            RealSenseDevice(
                _info(device, sdk.camera_info.name),
                _info(device, sdk.camera_info.serial_number),
                _info(device, sdk.camera_info.usb_type_descriptor),
            )
            for device in sdk.context().query_devices()
        )
    except RuntimeError as error:
        # The library tells all its troubles this way: no USB, no permission, a camera just gone.
        raise Fault(
            f"The library for RealSense cameras failed: {error}.",
            "Plug the camera in again; on Linux, check the udev rules of its library.",
        ) from error


def _info(device: Any, what: Any) -> str:
    return str(device.get_info(what)) if device.supports(what) else ""
