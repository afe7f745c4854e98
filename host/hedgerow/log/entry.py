"""The compact entry: what a sealed letter between two people contains (docs/protocol.md, "Entry").

    kind 1 | sequence | clock - sequence | reference | minutes since 2025-01-01 3 | text
    3      | sequence | clock - sequence | reference | minutes since 2025-01-01 3 | delay in minutes | text

Numbers without a size are LEB128: one byte each below 128. Kind 3 is a text that was sealed later than it was
written: it had to wait, or is sent again.
"""

from dataclasses import dataclass

from hedgerow_core.errors import PeerError

HELLO = 1  # the text is the writer's name: the answer to a contact request
TEXT = 2
_DELAYED_TEXT = 3
PING = 8  # asks their computer for a PONG (hedgerow.pings)
PONG = 9
VERIFY = 10  # a flight of a verification (hedgerow.people.verification), in hexadecimal
INTRODUCE = 11  # a flight of an introduction (hedgerow.people.introduction)

EPOCH_MINUTES = 1_735_689_600 // 60
_MINUTE_MS = 60_000
_NUMBER_BYTES = 4
_NUMBER_MAX = (1 << 28) - 1
_TIME_BYTES = 3


@dataclass(frozen=True)
class Entry:
    """``sequence`` counts the writer's entries from 1, ``clock`` is Lamport's, ``reference`` the newest
    sequence of the other side that the writer had seen, ``written_ms`` is rounded to minutes; it was sealed
    ``delay`` minutes later."""

    kind: int
    sequence: int
    clock: int
    reference: int
    written_ms: int
    text: str
    delay: int = 0

    @property
    def sealed_ms(self) -> int:
        """When its lifetime began."""
        return self.written_ms + self.delay * _MINUTE_MS


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
    minutes = min(max(entry.written_ms // _MINUTE_MS - EPOCH_MINUTES, 0), (1 << 24) - 1)
    delayed = entry.kind == TEXT and entry.delay > 0
    return (
        bytes((_DELAYED_TEXT if delayed else entry.kind,))
        + _encode_number(entry.sequence)
        + _encode_number(entry.clock - entry.sequence)
        + _encode_number(entry.reference)
        + minutes.to_bytes(_TIME_BYTES, "big")
        + (_encode_number(min(entry.delay, _NUMBER_MAX)) if delayed else b"")
        + entry.text.encode()
    )


def decode(data: bytes) -> Entry:
    """Read an entry. PeerError where it is damaged or of a kind unknown here."""
    if not data or data[0] not in (HELLO, TEXT, _DELAYED_TEXT, PING, PONG, VERIFY, INTRODUCE):
        raise PeerError("an entry of an unknown kind")
    sequence, at = _decode_number(data, 1)
    behind, at = _decode_number(data, at)
    reference, at = _decode_number(data, at)
    if sequence < 1 or len(data) < at + _TIME_BYTES:
        raise PeerError("a damaged entry")
    minutes = int.from_bytes(data[at : at + _TIME_BYTES], "big")
    at += _TIME_BYTES
    kind, delay = data[0], 0
    if kind == _DELAYED_TEXT:
        kind = TEXT
        delay, at = _decode_number(data, at)
        if not delay:
            raise PeerError("a damaged entry")
    try:
        text = data[at:].decode()
    except UnicodeDecodeError:
        raise PeerError("a damaged entry") from None
    written_ms = (EPOCH_MINUTES + minutes) * _MINUTE_MS
    return Entry(kind, sequence, sequence + behind, reference, written_ms, text, delay)
