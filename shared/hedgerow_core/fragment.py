"""Frames over packets that are smaller (a GATT write or notification): one byte of header each.

Header: bit 7 the first fragment of a frame, bit 6 the last, bits 0-5 a running number of the link. A
packet that got lost shows as a gap; the frame it belonged to is dropped and the layers above ask again.
"""

from hedgerow_core import limits
from hedgerow_core.errors import LimitError

_FIRST = 0x80
_LAST = 0x40
_NUMBER = 0x3F


class Fragmenter:
    """Splits frames into packets of at most ``mtu`` bytes (at least 2)."""

    def __init__(self, mtu: int) -> None:
        if mtu < 2:
            raise LimitError("packets need at least 2 bytes")
        self.mtu = mtu
        self._number = 0

    def split(self, frame: bytes) -> list[bytes]:
        """The packets of ``frame``, in order."""
        if len(frame) > limits.FRAME_BYTES:
            raise LimitError("a frame above the limit")
        room = self.mtu - 1
        result = []
        at = 0
        while True:
            end = at + room
            header = self._number | (_FIRST if at == 0 else 0) | (_LAST if end >= len(frame) else 0)
            self._number = (self._number + 1) & _NUMBER
            result.append(bytes((header,)) + frame[at:end])
            at = end
            if at >= len(frame):
                return result


class Reassembler:
    """Puts packets together again. ``lost`` counts frames that could not be."""

    def __init__(self) -> None:
        self.lost = 0
        self._parts: list[bytes] = []
        self._size = 0
        self._next = -1

    def receive(self, packet: bytes) -> bytes | None:
        """The frame that ``packet`` completes, else None. Never raises."""
        if not packet:
            return None
        header = packet[0]
        number = header & _NUMBER
        if header & _FIRST:
            if self._parts:
                self.lost += 1
            self._parts = []
            self._size = 0
        elif number != self._next or not self._parts:
            if self._parts or number != self._next:
                self.lost += 1
            self._parts = []
            self._next = -1
            return None
        self._next = (number + 1) & _NUMBER
        self._size += len(packet) - 1
        if self._size > limits.FRAME_BYTES or len(self._parts) >= limits.FRAME_BYTES:
            self.lost += 1
            self._parts = []
            self._next = -1
            return None
        self._parts.append(bytes(packet[1:]))
        if not header & _LAST:
            return None
        frame = b"".join(self._parts)
        self._parts = []
        return frame
