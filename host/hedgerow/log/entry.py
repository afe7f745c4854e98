"""The compact entry: what a sealed letter between two people contains (docs/protocol.md, "Entry").

    kind 1 | sequence | clock - sequence | reference | time 3 | text or data
    3      | sequence | clock - sequence | reference | time 3 | delay | text
    7, 20  | sequence | clock - sequence | reference | time 3 | delay | timer | text

Numbers without a size are LEB128: one byte each below 128. Times are in minutes, ``time`` since 2025-01-01.
Kind 3 is a text that was sealed later than it was written: it had to wait, or is sent again. Kind 7 is a text
that disappears ``timer`` minutes after it was read. Kind 20 is a CHAT with either.
"""

from dataclasses import dataclass

from hedgerow_core.errors import PeerError

HELLO = 1  # the text is the writer's name: the answer to a contact request
TEXT = 2
_DELAYED_TEXT = 3
REMOVE = 4  # a wish that an entry be deleted everywhere (hedgerow.conversations)
READ = 5  # entries that the writer has read
TIMER = 6  # texts disappear so many minutes after they were read, from here on
_TIMED_TEXT = 7
PING = 8  # asks their computer for a PONG (hedgerow.pings)
PONG = 9
VERIFY = 10  # a flight of a verification (hedgerow.people.verification), in hexadecimal
INTRODUCE = 11  # a flight of an introduction (hedgerow.people.introduction)
DEVICES = 12  # the devices of the writer's account (hedgerow.devices.listing)
SYNC = 13  # between the devices of one account (hedgerow.devices.sync)
GROUP = 14  # what keeps a group together (hedgerow.groups)
CHAT = 15  # an operation of the conversation (hedgerow.chat)
PIECE = 17  # of a block of a file (hedgerow.blobs)
WANT_PIECES = 18  # which are asked for
WANT = 19  # entries that are asked for (hedgerow.gaps)
_TIMED_CHAT = 20

# What people say, in the order that all devices of a conversation agree on.
SAID = (TEXT, REMOVE, READ, TIMER, CHAT)
# What is kept as a text.
WORDS = (TEXT, CHAT)
_WITH_DATA = (REMOVE, READ, TIMER, DEVICES, SYNC, GROUP, WANT, PIECE, WANT_PIECES)
_KINDS = (HELLO, TEXT, CHAT, PING, PONG, VERIFY, INTRODUCE, *_WITH_DATA)

EPOCH_MINUTES = 1_735_689_600 // 60
_MINUTE_MS = 60_000
_NUMBER_BYTES = 4
_NUMBER_MAX = (1 << 28) - 1
_TIME_BYTES = 3


@dataclass(frozen=True)
class Entry:
    """``sequence`` counts the writer's entries from 1, ``clock`` is Lamport's, ``reference`` the newest
    sequence of the other side that the writer had seen, ``written_ms`` is rounded to minutes; it was sealed
    ``delay`` minutes later. ``text`` is of kinds that are texts, ``data`` of the others; ``timer`` is 0 where
    a text stays."""

    kind: int
    sequence: int
    clock: int
    reference: int
    written_ms: int
    text: str
    delay: int = 0
    timer: int = 0
    data: bytes = b""

    @property
    def sealed_ms(self) -> int:
        """When its lifetime began."""
        return self.written_ms + self.delay * _MINUTE_MS


def next_clock(known: int, sequence: int) -> int:
    """Lamport's clock of an own entry: above all that is ``known``, but never so far ahead of its
    ``sequence`` that nobody could read it, whatever somebody else said of theirs."""
    return min(max(known, sequence - 1) + 1, sequence + _NUMBER_MAX)


def encode_number(value: int) -> bytes:
    """LEB128, as it is in entries."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def decode_number(data: bytes, at: int) -> tuple[int, int]:
    """(number, place behind it) of the LEB128 at ``at``. PeerError where there is none."""
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
    kind, middle = entry.kind, b""
    if (kind == TEXT and entry.timer) or (kind == CHAT and (entry.timer or entry.delay)):
        kind = _TIMED_TEXT if kind == TEXT else _TIMED_CHAT
        middle = encode_number(min(entry.delay, _NUMBER_MAX)) + encode_number(min(entry.timer, _NUMBER_MAX))
    elif kind == TEXT and entry.delay > 0:
        kind = _DELAYED_TEXT
        middle = encode_number(min(entry.delay, _NUMBER_MAX))
    return (
        bytes((kind,))
        + encode_number(entry.sequence)
        + encode_number(entry.clock - entry.sequence)
        + encode_number(entry.reference)
        + minutes.to_bytes(_TIME_BYTES, "big")
        + middle
        + (entry.data if kind in _WITH_DATA else entry.text.encode())
    )


def decode(data: bytes) -> Entry:
    """Read an entry. PeerError where it is damaged or of a kind unknown here."""
    if not data or data[0] not in (*_KINDS, _DELAYED_TEXT, _TIMED_TEXT, _TIMED_CHAT):
        raise PeerError("an entry of an unknown kind")
    sequence, at = decode_number(data, 1)
    behind, at = decode_number(data, at)
    reference, at = decode_number(data, at)
    if sequence < 1 or len(data) < at + _TIME_BYTES:
        raise PeerError("a damaged entry")
    minutes = int.from_bytes(data[at : at + _TIME_BYTES], "big")
    at += _TIME_BYTES
    kind, delay, timer = data[0], 0, 0
    if kind == _DELAYED_TEXT:
        kind = TEXT
        delay, at = decode_number(data, at)
        if not delay:
            raise PeerError("a damaged entry")
    elif kind in (_TIMED_TEXT, _TIMED_CHAT):
        kind = TEXT if kind == _TIMED_TEXT else CHAT
        delay, at = decode_number(data, at)
        timer, at = decode_number(data, at)
        if not (timer or (delay and kind == CHAT)):
            raise PeerError("a damaged entry")
    written_ms = (EPOCH_MINUTES + minutes) * _MINUTE_MS
    if kind in _WITH_DATA:
        return Entry(kind, sequence, sequence + behind, reference, written_ms, "", data=data[at:])
    try:
        text = data[at:].decode()
    except UnicodeDecodeError:
        raise PeerError("a damaged entry") from None
    return Entry(kind, sequence, sequence + behind, reference, written_ms, text, delay, timer)
