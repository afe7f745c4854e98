"""Service messages between a host and its board, and one between boards (docs/protocol.md, "Service")."""

from hedgerow_core import journal, limits
from hedgerow_core.compat import utf8
from hedgerow_core.errors import PeerError

STATUS = 0x40  # host -> board: how are you?
STATUS_IS = 0x41
LOG = 0x48  # host -> board: one part of what you remember
LOG_IS = 0x49
REPAIR = 0x4A  # host -> board: mend this damage, and lose what it takes with it
REPAIR_IS = 0x4B
NAME = 0x4C  # board -> board: the beacon id and the address that I have from now on, my version and battery
STREET = 0x4E  # host -> board: the key under which all members of your mesh read (hedgerow.street)
STREET_IS = 0x4F
COUNTS = 0x50  # host -> board: what did you count?
COUNTS_IS = 0x51
NODES = 0x52  # host -> board: one page of who is around you
NODES_IS = 0x53
TRACE = 0x54  # host -> board: look for a board
TRACE_IS = 0x55
MANAGE = 0x60  # host -> board: a command of hedgerow_core.manage
MANAGE_IS = 0x61
PROBE = 0x56  # board -> board, see hedgerow_core.probe
ECHO = 0x57
FINDING = 0x62  # host -> board: the key by which your beacon is recognised (hedgerow_core.beacon)
FINDING_IS = 0x63
UPDATE = 0x64  # host -> board: what runs on you, and what is on its way? Or: trust this key
UPDATE_IS = 0x65

VERSION = 0x01  # of this firmware in NAME: major 3 bits, minor 5 bits; 0 is unknown

# What is damaged on a board.
SOUND = 0
SHELF_RECORDS = 1  # some letters; they are left out already
SHELF_FOLDER = 2  # the shelf cannot be used, letters are in memory only
FILE_SYSTEM = 3  # nor can the rest of the file system

EVERYTHING = 0xFF  # nothing is, but all of it is to be erased: keys, settings, letters

# What came of a repair.
DONE = 0  # the board restarts
NOT_NEEDED = 1  # there is no such damage
FIRMWARE_LIES_THERE = 2  # it would be lost with the file system
FAILED = 3
NOT_ALLOWED = 4  # only owners may ask for it

CAUSES = 6  # why a board starts: 0 unknown, else as machine.reset_cause() of an ESP32 says

_FIELDS = (2, 2, 4, 1, 4, 4, 2, 1, 1, 1, 1, 1, 2)  # bytes of each number, in order
_HEAD = 1 + sum(_FIELDS)
_PIECE_BYTES = limits.SERVICE_BYTES - 3
_LOG_HEAD = 4 + 2 * CAUSES


def encode_status(numbers: tuple[int, ...], name: str) -> bytes:
    """The board's answer. ``numbers``: elements held, ids known, bytes held, load of 255, seconds since the
    start, free bytes of heap, starts so far, boards in earshot, links open, damage, 1 in safe mode,
    links ended for want of memory, how many of those held are proofs."""
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


def encode_log(part: int, starts: int, cause: int, troubles: int, counts: list[int], kept: bytes) -> bytes:
    """One part of a board's log. ``troubles``: starts in a row that ended badly; ``counts``: starts so far by
    cause; ``kept``: the journal."""
    log = bytearray((starts & 0xFFFF).to_bytes(2, "big"))
    log += bytes((cause, min(troubles, 255)))
    for count in counts:
        log += min(count, 0xFFFF).to_bytes(2, "big")
    log += kept
    parts = (len(log) + _PIECE_BYTES - 1) // _PIECE_BYTES
    return bytes((LOG_IS, part, parts)) + bytes(log[part * _PIECE_BYTES : (part + 1) * _PIECE_BYTES])


def log_piece(message: bytes) -> tuple[int, int, bytes]:
    """(part, how many parts there are, bytes) of an answer. PeerError where it is damaged."""
    if len(message) < 3 or message[0] != LOG_IS or message[1] >= message[2]:
        raise PeerError("a damaged log")
    return message[1], message[2], message[3:]


def decode_log(log: bytes) -> "tuple[int, int, int, list[int], list[tuple[int, int, bytes]]]":
    """(starts, cause, troubles, counts, entries) of all parts together. PeerError where they are damaged."""
    if len(log) < _LOG_HEAD or log[2] >= CAUSES:
        raise PeerError("a damaged log")
    counts = [int.from_bytes(log[at : at + 2], "big") for at in range(4, _LOG_HEAD, 2)]
    return int.from_bytes(log[:2], "big"), log[2], log[3], counts, journal.entries(log[_LOG_HEAD:])
