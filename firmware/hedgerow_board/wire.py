"""The host's cable: frames on the serial console, and the escape that gives the REPL back."""

import asyncio
import gc
import os
import select
from io import BytesIO

import micropython

from hedgerow_board.line import Line
from hedgerow_board.watchdog import WIRE
from hedgerow_console import streams
from hedgerow_core import counts
from hedgerow_core.link import Link, Stream
from hedgerow_core.session import RESPONDER

# What a person types, and what mpremote sends before it asks for the raw REPL.
_ESCAPES = (b"\x03", b"\r\x03", b"\r\x03\r\x01")
_SILENCE_MS = 300
_CUT_MS = 1_000  # a frame whose bytes stopped for so long has been cut
_READ_BYTES = 256
_USB_PACKET = 64


class Wire:
    """Serves the one host that is plugged in. ``run`` ends when the escape came."""

    def __init__(self, board: object) -> None:
        self._board = board
        self._line = None
        self._task = None
        self._tail = b""  # what came since the last end of a frame, as far as it may be the escape
        self._heard = board.now()
        self._poll = None

    def waits(self) -> bool:
        """Whether something came that nobody has read."""
        return self._poll is not None and bool(self._poll.poll(0))

    async def run(self) -> None:
        """Read until the escape."""
        source, self._sink = streams()
        micropython.kbd_intr(-1)
        reader = asyncio.StreamReader(source)
        poll = self._poll = select.poll()
        poll.register(source, select.POLLIN)
        try:
            while True:
                self._board.dog.passed(WIRE, self._board.now())
                try:
                    if self._tail:
                        first = await asyncio.wait_for_ms(reader.read(1), _SILENCE_MS)
                    else:
                        first = await reader.read(1)
                except asyncio.TimeoutError:
                    if self._tail in _ESCAPES:
                        _hand_on(self._tail[2:])
                        return
                    self._tail = b""
                    continue
                data = bytearray(first)
                while len(data) < _READ_BYTES and poll.poll(0):
                    data += source.read(1)
                try:
                    self._receive(bytes(data))
                except MemoryError:
                    # The host asks again; a board that restarts would end all other links, too.
                    self._board.counts[counts.NO_MEMORY] += 1
                    gc.collect()
        finally:
            if self._line is not None:
                self._line.lost()
            micropython.kbd_intr(3)

    def _receive(self, data: bytes) -> None:
        now = self._board.now()
        cut = now - self._heard > _CUT_MS
        self._heard = now
        end = data.rfind(b"\0")
        if end >= 0:
            self._tail = data[end + 1 :]
        elif self._tail or cut or self._at_boundary():
            self._tail += data
        if len(self._tail) > 4:
            self._tail = b""
        line = self._line
        if line is None or line.link.closed:
            if b"\0" not in data:
                return
            line = Line(
                self._board,
                Link(Stream(), self._board.session(RESPONDER), self._board.shelf, now),
                self._send,
            )
            self._line = line
            self._task = asyncio.create_task(line.run())
        line.receive(data)

    def _at_boundary(self) -> bool:
        return self._line is None or self._line.link.closed or not self._line.link.framing.pending()

    async def _send(self, data: bytes) -> None:
        # A write of a multiple of 64 bytes hangs on the USB of C3 and C6.
        at = 0
        while at < len(data):
            size = min(len(data) - at, _USB_PACKET * 2 - 1)
            if size % _USB_PACKET == 0:
                size -= 1
            self._sink.write(data[at : at + size])
            at += size
            await asyncio.sleep_ms(0)


def _hand_on(data: bytes) -> None:
    """Let the REPL read ``data``: mpremote sends its Ctrl-A but once, and it came with the escape."""
    if data:
        try:
            os.dupterm(BytesIO(data))
            os.dupterm_notify(None)  # reads to the end, where MicroPython takes the stream away again
        except AttributeError:
            pass  # a MicroPython without them: mpremote gets through when it is called again
