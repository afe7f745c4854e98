"""Service messages between a host and its board (docs/protocol.md, "Service")."""

from hedgerow_core.compat import utf8
from hedgerow_core.errors import PeerError

STATUS = 0x40  # host -> board: how are you?
STATUS_IS = 0x41

_FIELDS = (2, 2, 4, 1, 4, 4, 2, 1, 1)  # bytes of each number, in order
_HEAD = 1 + sum(_FIELDS)


def encode_status(numbers: tuple[int, ...], name: str) -> bytes:
    """The board's answer. ``numbers``: envelopes held, ids known, bytes held, load of 255, seconds since the
    start, free bytes of heap, starts so far, boards in earshot, links open."""
    out = bytearray((STATUS_IS,))
    for number, size in zip(numbers, _FIELDS):
        out += min(number, (1 << 8 * size) - 1).to_bytes(size, "big")
    return bytes(out) + name.encode()[:64]


def decode_status(message: bytes) -> tuple[tuple[int, ...], str]:
    """(numbers, name) of an answer. PeerError where it is damaged."""
    if len(message) < _HEAD or message[0] != STATUS_IS:
        raise PeerError("a damaged status")
    numbers = []
    at = 1
    for size in _FIELDS:
        numbers.append(int.from_bytes(message[at : at + size], "big"))
        at += size
    try:
        return tuple(numbers), utf8(message[at:])
    except ValueError:
        raise PeerError("a damaged status")
