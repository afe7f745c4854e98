"""A board's raw REPL over any line that takes bytes (MicroPython, docs/reference/repl.rst, "Raw mode").

Only for who holds the cable: the escape of docs/protocol.md, "Links", ends the firmware.
"""

import asyncio

from hedgerow import errors
from hedgerow.links import Port

# Ends whatever frame was cut.
_FRAME_END = b"\0"
_ESCAPE = b"\r\x03"
_SILENCE_S = 0.6  # after the escape; 0.3 on the board's side
_RAW = b"\r\x01"
_PROMPT = b"raw REPL; CTRL-B to exit\r\n>"
_RUN = b"\x04"
_PART_BYTES = 64  # UART0 of an ESP32 keeps 260 bytes and drops the rest in silence
_PART_S = 0.02
_ANSWER_S = 10.0
_TRIES = 3


class Console:
    """The REPL of the board on ``port``."""

    def __init__(self, port: Port) -> None:
        self._port = port
        self._unread = b""

    async def enter(self) -> None:
        """Stop the firmware, if it runs, and open the raw REPL. NoConsole where nothing answers."""
        for _ in range(_TRIES):
            await self._port.write(_FRAME_END)
            await asyncio.sleep(_SILENCE_S)
            await self._port.write(_ESCAPE)
            await asyncio.sleep(_SILENCE_S)
            await self._port.write(_RAW)
            try:
                await self._until(_PROMPT, _SILENCE_S * 3)
            except errors.NoConsole:
                continue
            return
        raise errors.NoConsole

    async def run(self, script: str) -> str:
        """What ``script`` printed. ConsoleFailed with the last line of its traceback."""
        await self._type(script.encode() + _RUN)
        await self._until(b"OK", _ANSWER_S)
        printed = await self._until(_RUN, _ANSWER_S)
        trouble = await self._until(_RUN + b">", _ANSWER_S)
        if trouble:
            reason = trouble.decode(errors="replace").strip().splitlines()[-1]
            raise errors.ConsoleFailed(reason=reason)
        return printed.decode(errors="replace").strip()

    async def reset(self) -> None:
        """Let the board restart, as after power came."""
        await self._type(b"import machine; machine.reset()" + _RUN)

    async def _type(self, data: bytes) -> None:
        for at in range(0, len(data), _PART_BYTES):
            await self._port.write(data[at : at + _PART_BYTES])
            await asyncio.sleep(_PART_S)

    async def _until(self, end: bytes, patience_s: float) -> bytes:
        """What comes before ``end``."""
        try:
            async with asyncio.timeout(patience_s):
                while end not in self._unread:
                    self._unread += await self._port.read()
        except TimeoutError:
            raise errors.NoConsole from None
        found, _, self._unread = self._unread.partition(end)
        return found
