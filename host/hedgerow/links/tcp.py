"""``tcp:HOST:PORT``: a board's serial line behind a TCP port, as the lab and serial servers give it."""

import asyncio
import contextlib

from hedgerow import errors

_CONNECT_S = 5.0
_READ_BYTES = 4096


class TcpPort:
    """An open connection."""

    packet_bytes: int | None = None

    def __init__(self, url: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._url = url
        self._reader = reader
        self._writer = writer

    async def read(self) -> bytes:
        """Whatever came. PortLost at the end of the stream."""
        try:
            data = await self._reader.read(_READ_BYTES)
        except OSError:
            data = b""
        if not data:
            raise errors.PortLost(url=self._url)
        return data

    async def write(self, data: bytes) -> None:
        """Send all of ``data``."""
        try:
            self._writer.write(data)
            await self._writer.drain()
        except OSError:
            raise errors.PortLost(url=self._url) from None

    async def close(self) -> None:
        """Close the connection."""
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()


def split(url: str, address: str) -> tuple[str, int]:
    """The two of ``HOST:PORT``. BadUrl."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65_535:
        raise errors.BadUrl(url=url)
    return host.strip("[]"), int(port)


async def connect(url: str, address: str) -> TcpPort:
    """Connect to ``HOST:PORT``."""
    host, port = split(url, address)
    try:
        async with asyncio.timeout(_CONNECT_S):
            reader, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError):
        raise errors.PortMissing(url=url) from None
    return TcpPort(url, reader, writer)
