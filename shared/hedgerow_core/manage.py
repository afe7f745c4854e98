"""What owners ask of a board, and what it answers (docs/protocol.md, "Manage").

    command = op 1 | arguments          reply = status 1 | data

The same bytes travel in a service message of a link, and sealed over the mesh.
"""

from hedgerow_core import limits
from hedgerow_core.compat import utf8
from hedgerow_core.errors import LimitError, PeerError
from hedgerow_core.mac import sha256

CONFIG_GET = 1  # -> a CBOR map: the settings that are no keys, and what the board is
CONFIG_SET = 2  # a CBOR map of settings -> 1 where the board restarts for them, else 0
REBOOT = 3
LOCATE = 4  # for so many seconds 1
PAIRINGS = 5  # -> as ``encode_pairings`` makes them
PAIR = 6  # a record -> for an owner as ``encode_welcome`` makes it
UNPAIR = 7  # id 4
REKEY = 8  # at minute 4 (0: now) | mesh key 32
STATUS = 9  # -> as hedgerow_core.service has it
NEW_CODE = 10  # a record with the rights CODE

# What a pairing may do: everything; exchange letters and ask; bring the pairing key of an owner, once.
OWNER = 0
GUEST = 1
CODE = 2

# How a reply begins.
DONE = 0
REFUSED = 1
BAD_ARGUMENT = 2
FAILED = 3
NO_ROOM = 4

KEY_BYTES = 32
FINDING_BYTES = 16
PAIRING_ID_BYTES = 4
_RECORD_HEAD = 6 + KEY_BYTES
_LISTED_HEAD = PAIRING_ID_BYTES + 6


def pairing_id(key: bytes) -> bytes:
    """By which a pairing is named that keeps its key secret, 4 bytes."""
    return sha256(b"hedgerow pairing" + key)[:PAIRING_ID_BYTES]


def encode_record(rights: int, expires: int, key: bytes, label: str) -> bytes:
    """A pairing; ``expires`` is the minute of the mesh clock at which it ends, 0 for never."""
    text = label.encode()
    if len(text) > limits.LABEL_BYTES or len(key) != KEY_BYTES:
        raise LimitError("a pairing that no board has room for")
    return bytes((len(text), rights)) + expires.to_bytes(4, "big") + key + text


def decode_records(data: bytes) -> "list[tuple[int, int, bytes, str]]":
    """(rights, expires, key, label) of each record. PeerError where they are damaged, or more than a board
    keeps."""
    found: list[tuple[int, int, bytes, str]] = []
    at = 0
    while at < len(data):
        end = at + _RECORD_HEAD + data[at]
        if end > len(data) or len(found) == limits.PAIRINGS:
            raise PeerError("a damaged pairing")
        key = bytes(data[at + 6 : at + _RECORD_HEAD])
        rights, expires = _head(data, at)
        found.append((rights, expires, key, _label(data[at + _RECORD_HEAD : end])))
        at = end
    return found


def _head(data: bytes, at: int) -> "tuple[int, int]":
    """(rights, expires) of a record whose length is looked at already."""
    rights = data[at + 1]
    if rights > CODE or data[at] > limits.LABEL_BYTES:
        raise PeerError("a damaged pairing")
    return rights, int.from_bytes(data[at + 2 : at + 6], "big")


def _label(data: bytes) -> str:
    try:
        return utf8(bytes(data))
    except ValueError:
        raise PeerError("a damaged pairing")


def encode_pairings(pairings: "list[tuple[int, int, bytes, str]]") -> bytes:
    """(rights, expires, key, label) of each, without the keys: length of the label 1 | rights 1 | expires 4 |
    id 4 | label."""
    out = bytearray()
    for rights, expires, key, label in pairings:
        text = label.encode()
        out += bytes((len(text), rights)) + expires.to_bytes(4, "big") + pairing_id(key) + text
    return bytes(out)


def decode_pairings(data: bytes) -> "list[tuple[int, int, bytes, str]]":
    """(rights, expires, id, label) of each. PeerError where they are damaged."""
    found: list[tuple[int, int, bytes, str]] = []
    at = 0
    while at < len(data):
        end = at + _LISTED_HEAD + data[at]
        # One more than there are records: the pairing of who flashed the board.
        if end > len(data) or len(found) > limits.PAIRINGS:
            raise PeerError("a damaged pairing")
        identity = bytes(data[at + 6 : at + _LISTED_HEAD])
        rights, expires = _head(data, at)
        found.append((rights, expires, identity, _label(data[at + _LISTED_HEAD : end])))
        at = end
    return found


def encode_welcome(name: str, finding: bytes, care_key: bytes) -> bytes:
    """What a new owner gets: finding 16, or 16 zeros | care key 32, or 32 zeros | name."""
    return (finding or bytes(FINDING_BYTES)) + (care_key or bytes(KEY_BYTES)) + name.encode()


def decode_welcome(data: bytes) -> "tuple[str, bytes, bytes]":
    """(name, finding, care key), empty where the board has none. PeerError where it is damaged."""
    if len(data) < FINDING_BYTES + KEY_BYTES:
        raise PeerError("a damaged welcome")
    finding = bytes(data[:FINDING_BYTES])
    care_key = bytes(data[FINDING_BYTES : FINDING_BYTES + KEY_BYTES])
    try:
        name = utf8(bytes(data[FINDING_BYTES + KEY_BYTES :]))
    except ValueError:
        raise PeerError("a damaged welcome")
    return name, finding if any(finding) else b"", care_key if any(care_key) else b""
