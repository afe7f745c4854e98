"""The compact entry: what a sealed letter between two people contains (docs/protocol.md, "Entry").

    kind 1 | sequence | clock - sequence | reference | minutes since 2025-01-01 3 | text

The three in the middle are LEB128 numbers: one byte each below 128.
"""

from dataclasses import dataclass

from hedgerow_core.errors import PeerError

HELLO = 1  # the text is the writer's name: the answer to a contact request
TEXT = 2

_EPOCH_MINUTES = 1_735_689_600 // 60
_NUMBER_BYTES = 4
_TIME_BYTES = 3


@dataclass(frozen=True)
class Entry:
    """``sequence`` counts the writer's entries from 1, ``clock`` is Lamport's, ``reference`` the newest
    sequence of the other side that the writer had seen, ``written_ms`` is rounded to minutes."""

    kind: int
    sequence: int
    clock: int
    reference: int
    written_ms: int
    text: str


def _encode_number(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _decode_number(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for index in range(_NUMBER_BYTES):
        if at + index >= len(data):
            break
        byte = data[at + index]
        value |= (byte & 0x7F) << (7 * index)
        if not byte & 0x80:
            if index and not byte:
                break
            return value, at + index + 1
    raise PeerError("a damaged entry")


def encode(entry: Entry) -> bytes:
    """The entry as it is sealed."""
    minutes = min(max(entry.written_ms // 60_000 - _EPOCH_MINUTES, 0), (1 << 24) - 1)
    return (
        bytes((entry.kind,))
        + _encode_number(entry.sequence)
        + _encode_number(entry.clock - entry.sequence)
        + _encode_number(entry.reference)
        + minutes.to_bytes(_TIME_BYTES, "big")
        + entry.text.encode()
    )


def decode(data: bytes) -> Entry:
    """Read an entry. PeerError where it is damaged or of a kind unknown here."""
    if not data or data[0] not in (HELLO, TEXT):
        raise PeerError("an entry of an unknown kind")
    sequence, at = _decode_number(data, 1)
    behind, at = _decode_number(data, at)
    reference, at = _decode_number(data, at)
    if sequence < 1 or len(data) < at + _TIME_BYTES:
        raise PeerError("a damaged entry")
    minutes = int.from_bytes(data[at : at + _TIME_BYTES], "big")
    try:
        text = data[at + _TIME_BYTES :].decode()
    except UnicodeDecodeError:
        raise PeerError("a damaged entry") from None
    return Entry(data[0], sequence, sequence + behind, reference, (_EPOCH_MINUTES + minutes) * 60_000, text)
