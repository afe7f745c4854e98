"""Drives one link of core over something that takes bytes: the cable or a connection."""

import asyncio
import gc

from hedgerow_core import counts, limits
from hedgerow_core.session import PAIR

_IDLE_MS = 60_000
_LINGER_MS = 300  # how long a link that does not stay is kept when there is nothing left to exchange


class Alarm:
    """Wakes the lines when they are due. A ``wait_for_ms`` in each would take 850 bytes of heap a line."""

    def __init__(self, board: object) -> None:
        self._board = board
        self._event = asyncio.Event()
        self._due = 0

    def before(self, due: int) -> None:
        """Somebody is due at ``due``."""
        if due < self._due:
            self._event.set()

    async def run(self) -> None:
        """For ever."""
        board = self._board
        while True:
            now = board.now()
            self._due = now + _IDLE_MS
            for line in board.lines:
                if line.due <= now:
                    line.event.set()
                elif line.due < self._due:
                    self._due = line.due
            try:
                await asyncio.wait_for_ms(self._event.wait(), self._due - now)
            except asyncio.TimeoutError:
                pass
            self._event.clear()


class Line:
    """``send`` is an async function that takes one write; whoever receives bytes calls ``receive``."""

    def __init__(self, board: object, link: object, send: object) -> None:
        self.link = link
        self.useful = 0  # envelopes that moved, either way
        self._board = board
        self._send = send
        self._stays = True
        self.event = asyncio.Event()
        self.due = 0  # when to wake it, in ms
        self.active = board.now()  # when the other side last said something

    def receive(self, data: bytes) -> None:
        """Take bytes from the other side."""
        board = self._board
        stored = False
        try:
            events = self.link.receive(data, board.now())
        except MemoryError:
            events = []
            self._too_much()
        for name, value in events:
            if name == "stored":
                stored = True
            if name == "stored" or name == "acked":
                self.useful += 1
            elif name == "service" and self.link.kind == PAIR:
                board.serve(self, value)
            elif board.radio is not None:
                if name == "service":
                    board.radio.named(self, value)
                elif name == "up":
                    board.radio.up(self)
        self.active = board.now()
        self.event.set()
        if stored:
            board.changed()

    def _too_much(self) -> None:
        # One link less is better than a board less.
        self._board.counts[counts.NO_MEMORY] += 1
        self.link.close("memory")
        gc.collect()

    def push(self) -> None:
        """The shelf has something new."""
        self.link.push(self._board.now())
        self.event.set()

    def stay(self, stays: bool) -> None:
        """Whether to go on when there is nothing left to exchange."""
        if stays is not self._stays:
            self._stays = stays
            self.wake()

    def wake(self) -> None:
        """There is something to send."""
        self.event.set()

    def lost(self) -> None:
        """The other side is gone."""
        self.link.close("lost")
        self.event.set()

    async def run(self) -> None:
        """Until the link ends. Whatever ``send`` raises comes through."""
        link = self.link
        board = self._board
        board.lines.append(self)
        try:
            while True:
                more = False
                try:
                    writes = link.next_writes(board.now())
                    more = len(writes) > 0
                    while writes:
                        await self._send(writes.pop(0))
                except MemoryError:
                    self._too_much()
                writes = None
                if link.closed:
                    return
                if more:
                    continue
                now = board.now()
                due = link.deadline()
                if not self._stays and link.settled:
                    leave = self.active + (limits.SEEK_MS if board.probes else _LINGER_MS)
                    if now >= leave:
                        return
                    due = leave if due is None else min(due, leave)
                self.due = now + _IDLE_MS if due is None else due
                board.alarm.before(self.due)
                await self.event.wait()
                self.event.clear()
                link.tick(board.now())
        finally:
            link.close("ended")
            board.lines.remove(self)
