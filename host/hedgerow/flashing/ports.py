"""Serial ports: which there are, whether one may be used, and where a board went that came back."""

import contextlib
import os
from dataclasses import dataclass

from hedgerow.flashing import errors
from hedgerow.links import group_of
from hedgerow.links.serial import TerminalError, is_busy, is_forbidden

_BAUD = 115_200


@dataclass(frozen=True)
class Port:
    """``device`` is what programs call it; ``place`` the USB socket it is at, "" where nobody knows."""

    device: str
    text: str = ""
    place: str = ""


def found() -> list[Port]:
    """The ports behind which a board may be: those of USB devices."""
    from serial.tools import list_ports

    devices = [port for port in list_ports.comports() if port.vid is not None]
    return [
        Port(port.device, port.product or port.description or "", port.location or "")
        for port in sorted(devices, key=lambda port: port.device)
    ]


def named(device: str) -> Port:
    """The port of that name, ``serial:`` or not. PortMissing, PortForbidden, or PortBusy."""
    device = device.removeprefix("serial:")
    port = next((port for port in found() if port.device == device), Port(device))
    check(port)
    return port


def check(port: Port) -> None:
    """PortMissing, PortForbidden or PortBusy where it cannot be opened; a board is not disturbed."""
    from serial import serial_for_url

    device = port.device
    try:
        line = serial_for_url(device, baudrate=_BAUD, timeout=0, do_not_open=True)
        if "://" not in device:
            line.exclusive = True
        with contextlib.suppress(AttributeError, OSError):
            line.dtr = line.rts = False
        line.open()
    except (OSError, TerminalError, ValueError) as error:
        if is_forbidden(error):
            raise errors.PortForbidden(port=device, group=usual_group(device)) from None
        if is_busy(error):
            raise errors.PortBusy(port=device) from None
        raise errors.PortMissing(port=device) from None
    with contextlib.suppress(OSError):
        line.close()


def usual_group(device: str) -> str:
    """The group to join for a port: that of the device file, where it is one for people."""
    group = group_of(device)
    return "dialout" if group in ("root", "nogroup", "nobody") else group


def moved(port: Port) -> Port:
    """Where ``port`` is now: a board with native USB comes back under another name sometimes."""
    if os.path.exists(port.device) or not port.place:
        return port
    return next((other for other in found() if other.place == port.place), port)
