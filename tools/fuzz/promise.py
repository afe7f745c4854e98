"""What all targets share; runs on CPython and on MicroPython.

A target takes the bytes that the fuzzer made and gives a digest of what came of them, equal on every
interpreter. It raises ``Broken``, or whatever the code under test lets through, where a promise fails.
"""

import hashlib

from hedgerow_core.errors import LimitError

STEPS = 40  # of one input to an engine


class Broken(Exception):
    """A promise that did not hold."""


def holds(promise: bool, sentence: str) -> None:
    """Broken with ``sentence`` where ``promise`` is not true."""
    if not promise:
        raise Broken(sentence)


class Told:
    """What an engine answered, as a digest."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self.bytes = 0

    def add(self, *parts: object) -> None:
        """Take in bytes, text and numbers, each with its length."""
        for part in parts:
            if not isinstance(part, (bytes, bytearray)):
                part = str(part).encode()
            self._hash.update(len(part).to_bytes(4, "big") + part)
            self.bytes += len(part)

    def digest(self) -> str:
        """16 digits."""
        return "".join(f"{byte:02x}" for byte in self._hash.digest()[:8])


def told(*parts: object) -> str:
    """The digest of ``parts``."""
    result = Told()
    result.add(*parts)
    return result.digest()


def refusal(error: Exception) -> str:
    """How a refusal is told."""
    return type(error).__name__


def pieces(data: bytes) -> list[tuple[int, bytes]]:
    """What the fuzzer wants done: (what, with which bytes); two bytes of length where ``what`` has bit 7."""
    found = []
    at = 0
    while at + 1 < len(data) and len(found) < STEPS:
        what = data[at]
        size = data[at + 1]
        at += 2
        if what & 0x80 and at < len(data):
            size = (size << 8 | data[at]) & 0x7FF
            at += 1
        found.append((what & 0x7F, data[at : at + size]))
        at += size
    return found


def piece(what: int, data: bytes) -> bytes:
    """The reverse of ``pieces``, for seeds."""
    if len(data) < 256:
        return bytes((what, len(data))) + data
    return bytes((what | 0x80, len(data) >> 8, len(data) & 0xFF)) + data


def unhex(text: str) -> bytes:
    """Bytes of hexadecimal digits (MicroPython 1.24 has no ``bytes.fromhex`` everywhere)."""
    return bytes([int(text[at : at + 2], 16) for at in range(0, len(text), 2)])


def outcome(target: object, data: bytes) -> str:
    """What comes of ``data``: a digest, or "Broken: " and what went wrong."""
    try:
        return target(data)
    except Broken as error:
        return "Broken: " + str(error)
    except LimitError:
        return "Broken: LimitError"
    except Exception as error:
        return "Broken: " + type(error).__name__
