"""`os` with a seeded urandom, and with what a board has besides."""

import lab
import uhashlib
from uos import *

_seed = b""
_count = 0
_terminal = None


def _seed_urandom(seed):
    global _seed, _count
    _seed = seed
    _count = 0


def urandom(size):
    global _count
    out = b""
    while len(out) < size:
        _count += 1
        out += uhashlib.sha256(_seed + _count.to_bytes(8, "big")).digest()
    return out[:size]


def sync():
    pass


def dupterm(stream, index=0):
    global _terminal
    previous, _terminal = _terminal, stream
    return previous


def dupterm_notify(_):
    """Move what the stream has into the console's buffer, as MicroPython does (extmod/modos.c)."""
    byte = bytearray(1)
    while _terminal is not None:
        count = _terminal.readinto(byte)
        if count is None:
            return
        if count == 0:
            dupterm(None)
            lab.console().write(b"dupterm: EOF received, deactivating\r\n")
            return
        lab.console().put(byte)
