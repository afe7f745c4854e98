"""The board's console: takes it from Hedgerow, and waits until MicroPython's prompt is there."""

import contextlib
import re
import time
from collections.abc import Callable

from hedgerow.flashing import errors, limits, ports
from hedgerow.flashing.ports import Port
from hedgerow.links.serial import TerminalError

_BAUD = 115_200
# Ends whatever frame was cut, then the escape of docs/protocol.md, "Links", and its silence.
ESCAPE = b"\0\r\x03"
ESCAPE_S = 1.0
# Ends what runs, and the raw mode that a tool which was killed left behind.
_INTERRUPT = b"\r\x03\x03\x02"
_INTERRUPT_S = 1.0
_PROMPT = b">>> "
_LOOPS = 3
# What the ROM of each chip says, some times a second, while the flash is erased: nobody else will answer.
_ERASED = b"invalid header: 0xffffffff"
_ERASED_LOOPS = 2
_AGAIN_S = 0.2
_ASKS = 2  # a board that is busy is taken for one that may be erased otherwise
# What the ROM says at each start, by the chip.
_STARTS = (re.compile(rb"rst:0x[0-9a-f]+ \([A-Z0-9_]*\)"), re.compile(rb"ESP-ROM:\w+|ets \w+ +\d+ \d{4}"))
_TROUBLE = re.compile(
    rb"invalid header[^\r\n]*|[Cc]hecksum failed[^\r\n]*|Guru Meditation[^\r\n]*|panic[^\r\n]*"
)
_TAIL_BYTES = 16_384


def answers(port: Port) -> bool:
    """Whether MicroPython shows its prompt; Hedgerow is stopped for that."""
    said = bytearray()
    for _ in range(_ASKS):
        if _ask(port, said):
            return True
        if said.count(_ERASED) >= _ERASED_LOOPS:
            break
    return False


def _ask(port: Port, said: bytearray) -> bool:
    from serial import serial_for_url

    try:
        line = serial_for_url(port.device, baudrate=_BAUD, timeout=0.05, write_timeout=2, do_not_open=True)
        with contextlib.suppress(AttributeError, OSError):
            line.dtr = line.rts = False
        line.open()
    except (OSError, TerminalError, ValueError):
        return False
    try:
        for words, patience_s in ((ESCAPE, ESCAPE_S), (_INTERRUPT, _INTERRUPT_S)):
            line.write(words)
            begin = len(said)
            end = time.monotonic() + patience_s
            while time.monotonic() < end:
                said += line.read(256)
                if _PROMPT in said[begin:]:
                    # What stopped may still say something; a tool that comes next must not meet it.
                    time.sleep(_AGAIN_S)
                    return True
                if said.count(_ERASED, begin) >= _ERASED_LOOPS:
                    return False
            del said[:-_TAIL_BYTES]
    except OSError:
        return False
    finally:
        with contextlib.suppress(OSError):
            line.close()
    return False


def wait(port: Port, progress: Callable[[float], None]) -> Port:
    """Until MicroPython answers; where the board is now. BoardMute, or BootLoop with what the chip says."""
    said = bytearray()
    begin = time.monotonic()
    while (passed_s := time.monotonic() - begin) < limits.ANSWER_S:
        progress(passed_s / limits.ANSWER_S)
        port = ports.moved(port)
        if _ask(port, said):
            return port
        reason = loop_in(bytes(said))
        if reason:
            raise errors.BootLoop(port=port.device, reason=reason)
        time.sleep(_AGAIN_S)
    raise errors.BoardMute(port=port.device)


def loop_in(said: bytes) -> str:
    """Why a board starts again and again, by what it says; "" where it does not."""
    starts = max((one.findall(said) for one in _STARTS), key=len)
    if len(starts) <= _LOOPS:
        return ""
    trouble = _TROUBLE.findall(said)
    last: bytes = (trouble or starts)[-1]
    return last.decode(errors="replace").strip()
