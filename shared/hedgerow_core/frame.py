"""Frames on a byte stream (serial, TCP): COBS around payload and CRC-32, zero bytes between frames.

COBS: S. Cheshire, M. Baker, "Consistent Overhead Byte Stuffing", 1999. The CRC finds noise, it
authenticates nothing. A frame also starts with a zero byte, so that noise before it ends there.
"""

import binascii

from hedgerow_core import limits
from hedgerow_core.errors import LimitError, PeerError

_ENCODED_BYTES = limits.FRAME_BYTES + 4 + limits.FRAME_BYTES // 254 + 2


def cobs_encode(data: bytes) -> bytes:
    """COBS without the closing zero."""
    result = bytearray(1)
    code_at = 0
    for byte in data:
        if byte:
            result.append(byte)
            if len(result) - code_at < 255:
                continue
        result[code_at] = len(result) - code_at
        code_at = len(result)
        result.append(0)
    result[code_at] = len(result) - code_at
    return bytes(result)


def cobs_decode(data: bytes) -> bytes:
    """The reverse of ``cobs_encode``. PeerError where ``data`` is no COBS."""
    result = bytearray()
    at = 0
    size = len(data)
    if not size:
        raise PeerError("an empty frame")
    while at < size:
        code = data[at]
        end = at + code
        if not code or end > size:
            raise PeerError("a damaged frame")
        part = data[at + 1 : end]
        if 0 in part:
            raise PeerError("a damaged frame")
        result.extend(part)
        at = end
        if code < 255 and at < size:
            result.append(0)
    return bytes(result)


def _crc(payload: bytes) -> bytes:
    return (binascii.crc32(payload) & 0xFFFFFFFF).to_bytes(4, "little")


def encode(payload: bytes) -> bytes:
    """The bytes on the line for ``payload`` (at most ``FRAME_BYTES``)."""
    if len(payload) > limits.FRAME_BYTES:
        raise LimitError("a frame above the limit")
    return b"\0" + cobs_encode(payload + _crc(payload)) + b"\0"


def decode(data: bytes) -> bytes:
    """The payload of what stood between two zero bytes. PeerError where it is damaged."""
    raw = cobs_decode(data)
    if len(raw) < 4 or len(raw) > limits.FRAME_BYTES + 4:
        raise PeerError("a damaged frame")
    payload = raw[:-4]
    if raw[-4:] != _crc(payload):
        raise PeerError("a damaged frame")
    # The closing group of COBS is written in one way only.
    if cobs_encode(raw) != data:
        raise PeerError("a damaged frame")
    return payload


class Deframer:
    """Finds frames in a byte stream. ``noise`` counts what was thrown away, in frames."""

    def __init__(self) -> None:
        self.noise = 0
        self._buffer = bytearray()
        self._skipping = False

    def receive(self, data: bytes) -> list[bytes]:
        """Payloads completed by ``data``, in order."""
        result = []
        parts = bytes(data).split(b"\0")
        last = len(parts) - 1
        for index, part in enumerate(parts):
            if not self._skipping:
                self._buffer.extend(part)
                if len(self._buffer) > _ENCODED_BYTES:
                    self._skipping = True
                    self._buffer = bytearray()
            if index == last:
                break
            if self._skipping:
                self.noise += 1
            elif self._buffer:
                try:
                    result.append(decode(bytes(self._buffer)))
                except PeerError:
                    self.noise += 1
            self._skipping = False
            self._buffer = bytearray()
        return result

    def pending(self) -> bytes:
        """What came of a frame that is not complete."""
        return bytes(self._buffer)
