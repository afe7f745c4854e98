"""Ways to a board. One string names any of them: ``open`` takes it and gives an open ``Port``."""

import os
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from hedgerow import errors

if TYPE_CHECKING:
    from hedgerow.links.ble import Bluetooth


class Port(Protocol):
    """An open line to a board. Errors are those of ``hedgerow.errors``.

    ``packet_bytes`` is None where it takes a stream of bytes; else how many bytes one ``write`` has at most,
    and each ``read`` gives what one packet brought.
    """

    packet_bytes: int | None

    async def read(self) -> bytes:
        """Whatever came, at least one byte. PortLost when the other side is gone."""

    async def write(self, data: bytes) -> None:
        """Send all of ``data``. PortLost when the other side is gone."""

    async def close(self) -> None:
        """Give the port back."""


def name_of(url: str) -> str | None:
    """Which board is to be looked for, with what a ``ble:`` address names: "" for the only one; else None."""
    kind, colon, rest = url.partition(":")
    return rest if kind == "ble" and colon else None


def lasting(url: str) -> str:
    """``url`` as it is right in any folder: with the whole path of a serial port that is there; links in it
    stay."""
    kind, _, path = url.partition(":")
    if kind != "serial" or not path or "://" in path or os.name == "nt":  # Windows names no files
        return url
    return f"serial:{os.path.abspath(path)}" if os.path.exists(path) else url


def check(url: str) -> None:
    """BadUrl where ``url`` cannot name a way to a board, whatever is plugged in."""
    if name_of(url) is None:
        kind, address = _parsed(url)
        if kind == "tcp":
            from hedgerow.links import tcp

            tcp.split(url, address)


def _parsed(url: str) -> tuple[str, str]:
    """("tcp", HOST:PORT), or ("serial", what pyserial opens). BadUrl."""
    kind, _, rest = url.partition(":")
    if kind == "tcp" and rest:
        return kind, rest.removeprefix("//")
    if kind == "serial" and rest:
        return kind, rest
    if (kind == "socket" and rest) or Path(url).is_absolute():
        return "serial", url
    raise errors.BadUrl(url=url)


async def ways(
    url: str, finding: bytes | None = None, bluetooth: "Bluetooth | None" = None
) -> AsyncGenerator[Port, None]:
    """The ports at which the board may be, each open; one, but over Bluetooth without its ``finding`` key one
    board in reach after the other; ``bluetooth`` is the radio, where it is not this computer's own. Whoever
    goes on to the next has closed the last.

    As ``open``; and BoardNotInReach, BoardTakesNoCall, NoBluetooth, BluetoothOff or BluetoothForbidden.
    """
    name = name_of(url)
    if name is None:
        yield await open(url)
        return
    from hedgerow.links import ble

    async for port in ble.ways(name, finding, bluetooth):
        yield port


async def open(url: str) -> Port:
    """Open ``serial:/dev/ttyUSB0``, ``serial:socket://HOST:PORT`` or ``tcp:HOST:PORT``.

    BadUrl, PortMissing, PortForbidden or PortBusy where that cannot be done.
    """
    kind, address = _parsed(url)
    if kind == "tcp":
        from hedgerow.links import tcp

        return await tcp.connect(url, address)
    from hedgerow.links import serial

    return await serial.connect(url, address)


def group_of(path: str) -> str:
    """The group that may use a device file, as one names it to ``usermod``."""
    try:
        import grp

        return grp.getgrgid(os.stat(path).st_gid).gr_name
    except (ImportError, OSError, KeyError):
        return "dialout"
