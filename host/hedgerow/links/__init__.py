"""Ways to a board. One string names any of them: ``open`` takes it and gives an open ``Port``."""

import os
from pathlib import Path
from typing import Protocol

from hedgerow import errors


class Port(Protocol):
    """An open byte stream to a board. Errors are those of ``hedgerow.errors``."""

    async def read(self) -> bytes:
        """Whatever came, at least one byte. PortLost when the other side is gone."""

    async def write(self, data: bytes) -> None:
        """Send all of ``data``. PortLost when the other side is gone."""

    async def close(self) -> None:
        """Give the port back."""


async def open(url: str) -> Port:
    """Open ``serial:/dev/ttyUSB0``, ``serial:socket://HOST:PORT`` or ``tcp:HOST:PORT``.

    BadUrl, PortMissing, PortForbidden or PortBusy where that cannot be done.
    """
    kind, _, rest = url.partition(":")
    if kind == "tcp" and rest:
        from hedgerow.links import tcp

        return await tcp.connect(url, rest.removeprefix("//"))
    if kind == "serial" and rest:
        from hedgerow.links import serial

        return await serial.connect(url, rest)
    if (kind == "socket" and rest) or Path(url).is_absolute():
        return await open("serial:" + url)
    raise errors.BadUrl(url=url)


def group_of(path: str) -> str:
    """The group that may use a device file, as one names it to ``usermod``."""
    try:
        import grp

        return grp.getgrgid(os.stat(path).st_gid).gr_name
    except (ImportError, OSError, KeyError):
        return "dialout"
