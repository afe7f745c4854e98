"""``serial:``: a board on a serial port (pyserial; also its ``socket://`` URLs)."""

import asyncio
import contextlib
import errno
from collections.abc import Callable
from typing import TYPE_CHECKING

from hedgerow import errors
from hedgerow.links import group_of

if TYPE_CHECKING:
    from serial import Serial

_BAUD = 115_200
_WAIT_S = 0.2  # how long a read blocks its thread, and so how long closing takes at most
_WRITE_S = 5.0

# pyserial's SerialException is an OSError. Where a board goes while its port is opened, pyserial lets the
# terminal's own error through, which is none.
TerminalError: type[Exception] = OSError
with contextlib.suppress(ImportError):  # Windows has no such terminals
    import termios

    TerminalError = termios.error


class SerialPort:
    """An open port. pyserial blocks, so reads and writes happen in threads."""

    packet_bytes: int | None = None

    def __init__(self, url: str, port: "Serial") -> None:
        self._url = url
        self._port = port

    async def read(self) -> bytes:
        """Whatever came. PortLost when the port is gone."""
        while True:
            data = await self._call(self._read)
            if data:
                return data

    def _read(self) -> bytes:
        return bytes(self._port.read(max(1, self._port.in_waiting)))

    async def write(self, data: bytes) -> None:
        """Send all of ``data``."""
        await self._call(lambda: self._write(data))

    def _write(self, data: bytes) -> bytes:
        self._port.write(data)
        return b""

    async def _call(self, function: Callable[[], bytes]) -> bytes:
        try:
            return await asyncio.to_thread(function)
        except (OSError, TypeError, ValueError):
            # pyserial's SerialException is an OSError; a port closed meanwhile shows as the others.
            raise errors.PortLost(url=self._url) from None

    async def close(self) -> None:
        """Close the port."""
        with contextlib.suppress(OSError):
            await asyncio.to_thread(self._port.close)  # pyserial rests a moment here


def is_forbidden(error: Exception) -> bool:
    """Whether the user may not open the port, by what pyserial raised."""
    return getattr(error, "errno", None) in (errno.EACCES, errno.EPERM)


def is_busy(error: Exception) -> bool:
    """Whether another program has the port open, by what pyserial raised."""
    # Windows says that access is denied, and pyserial only quotes it.
    words = ("exclusively lock", "PermissionError")
    return getattr(error, "errno", None) == errno.EBUSY or any(word in str(error) for word in words)


async def connect(url: str, address: str) -> SerialPort:
    """Open the port at ``address``, a device or a URL of pyserial."""
    from serial import serial_for_url

    try:
        port = await asyncio.to_thread(
            lambda: serial_for_url(
                address, baudrate=_BAUD, timeout=_WAIT_S, write_timeout=_WRITE_S, do_not_open=True
            )
        )
        if "://" not in address:
            port.exclusive = True
        # A board must not be reset by being opened.
        with contextlib.suppress(AttributeError, OSError):
            port.dtr = False
            port.rts = False
        await asyncio.to_thread(port.open)
    except ValueError:
        raise errors.BadUrl(url=url) from None
    except (OSError, TerminalError) as error:
        if is_forbidden(error):
            raise errors.PortForbidden(url=url, group=group_of(address)) from None
        if is_busy(error):
            raise errors.PortBusy(url=url) from None
        raise errors.PortMissing(url=url) from None
    return SerialPort(url, port)
