"""The cable of a board in the lab as a port of a host's link, for who lives in a ``LabLoop``."""

import asyncio
from collections import deque

from hedgerow import errors
from hedgerow_lab.world import Lab


class CablePort:
    """Plugged in from the start; ``close`` pulls it out."""

    packet_bytes: int | None = None

    def __init__(self, lab: Lab, board: str) -> None:
        self._board = board
        self._line = lab.serial(board)
        self._line.connected = True
        self._line.on_receive = self._take
        self._unread: deque[bytes] = deque()
        self._news = asyncio.Event()

    def _take(self, data: bytes, now_ms: int) -> None:
        self._unread.append(data)
        self._news.set()

    async def read(self) -> bytes:
        """Whatever came."""
        while not self._unread:
            self._news.clear()
            await self._news.wait()
        return self._unread.popleft()

    async def write(self, data: bytes) -> None:
        """Send all of ``data``."""
        if not self._line.connected:
            raise errors.PortLost(url=self._board)
        self._line.write(data)

    async def close(self) -> None:
        """Pull it out."""
        self._line.connected = False
        self._line.on_receive = None
