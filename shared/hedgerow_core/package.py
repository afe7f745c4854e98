"""An update of the firmware on its way to boards (docs/protocol.md, "Updates").

    update   = signature | length 2 | manifest | files, one after the other
    manifest = CBOR [format 1, number, flags, target 8, [[path, size, SHA-256], ..]]

It travels in pieces of 1,004 bytes, each the body of a bulk envelope, the last filled with zeros, and one
more envelope, the head, names them in order.
"""

from hedgerow_core import cbor, limits, lms
from hedgerow_core.errors import LimitError, PeerError
from hedgerow_core.mac import hkdf

FORMAT = 1
DOWNGRADE = 0x01  # flag: it may take the place of the same or a newer firmware

PIECE_BYTES = 1_004
MARK_BYTES = 16
TARGET_BYTES = 8
EVERYBODY = bytes(TARGET_BYTES)

_HEAD_BYTES = MARK_BYTES + 1 + 4 + 4 + 1 + TARGET_BYTES + 1
_HASH_BYTES = 32
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789_./"


def mark_of(mesh_key: bytes) -> bytes:
    """What the body of a head begins with, in place of a stop hash: nobody knows its stop."""
    return hkdf(mesh_key, b"", b"hedgerow update", MARK_BYTES)


class Head:
    """``number`` of the firmware, ``leaf`` of the signature, ``flags`` and ``target`` as in the manifest, and
    the joined ``ids`` of the pieces. Nobody vouches for any of it."""

    def __init__(self, number: int, leaf: int, flags: int, target: bytes, ids: bytes) -> None:
        self.number = number
        self.leaf = leaf
        self.flags = flags
        self.target = target
        self.ids = ids

    def count(self) -> int:
        """How many pieces there are."""
        return len(self.ids) // limits.ID_BYTES

    def encode(self, mark: bytes) -> bytes:
        """The body of the head's envelope. LimitError above the bound of an update."""
        if not 0 < self.count() <= limits.UPDATE_PIECES:
            raise LimitError("an update above the limit")
        numbers = self.number.to_bytes(4, "big") + self.leaf.to_bytes(4, "big") + bytes((self.flags,))
        return mark + bytes((FORMAT,)) + numbers + self.target + bytes((self.count(),)) + self.ids


def decode_head(body: bytes, mark: bytes) -> Head:
    """The head in the body of an envelope, whatever fills it up. PeerError where there is none."""
    if len(body) < _HEAD_BYTES or body[:MARK_BYTES] != mark or body[MARK_BYTES] != FORMAT:
        raise PeerError("no head of an update")
    at = MARK_BYTES + 1
    size = body[_HEAD_BYTES - 1] * limits.ID_BYTES
    ids = body[_HEAD_BYTES : _HEAD_BYTES + size]
    if not 0 < size == len(ids) <= limits.UPDATE_PIECES * limits.ID_BYTES:
        raise PeerError("a damaged head of an update")
    number = int.from_bytes(body[at : at + 4], "big")
    leaf = int.from_bytes(body[at + 4 : at + 8], "big")
    if leaf >= limits.UPDATE_LEAVES:
        raise PeerError("a signature that nobody can make")
    return Head(number, leaf, body[at + 8], body[at + 9 : at + 9 + TARGET_BYTES], ids)


class Manifest:
    """What is signed. ``files``: (path, size, SHA-256) each, in their order; ``start``: where the first lies
    in the update."""

    def __init__(
        self, number: int, flags: int, target: bytes, files: "list[tuple[str, int, bytes]]", start: int = 0
    ) -> None:
        self.number = number
        self.flags = flags
        self.target = target
        self.files = files
        self.start = start

    def encode(self) -> bytes:
        """The bytes to sign."""
        files = [list(file) for file in self.files]
        return cbor.encode([FORMAT, self.number, self.flags, self.target, files])


class Pieces:
    """The pieces of an update as one: ``get(id)`` gives the body of an envelope, or None."""

    def __init__(self, ids: bytes, get: object) -> None:
        self._ids = ids
        self._get = get
        self._at = -1
        self._piece = b""

    def read(self, at: int, size: int) -> bytes:
        """``size`` bytes from ``at`` on, fewer where the update ends. PeerError where a piece is not here."""
        found = b""
        while len(found) < size:
            number, offset = divmod(at + len(found), PIECE_BYTES)
            if number != self._at:
                identity = self._ids[number * limits.ID_BYTES : (number + 1) * limits.ID_BYTES]
                if not identity:
                    break
                piece = self._get(identity)  # type: ignore[operator]
                if piece is None or len(piece) != PIECE_BYTES:
                    raise PeerError("a piece of an update is missing")
                self._at = number
                self._piece = piece
            found += self._piece[offset : offset + size - len(found)]
        return found


def open_manifest(key: bytes, pieces: Pieces) -> "tuple[int, bytes]":
    """(leaf, manifest) of an update that is signed under ``key``. PeerError where it is not."""
    size = lms.signature_bytes(key)
    length = int.from_bytes(pieces.read(size, 2), "big")
    if not 0 < length <= limits.UPDATE_MANIFEST_BYTES:
        raise PeerError("a damaged update")
    manifest = pieces.read(size + 2, length)
    return lms.verify(key, [manifest], pieces.read), manifest


def decode_manifest(data: bytes, key: bytes) -> Manifest:
    """Read a manifest that is signed under ``key``. PeerError where it is damaged, or of another format."""
    found = cbor.decode(data)
    if not isinstance(found, list) or len(found) != 5 or not _number(found[0]) or found[0] != FORMAT:
        raise PeerError("an update of another format")
    _, number, flags, target, listed = found
    if not (_number(number) and _number(flags) and isinstance(target, bytes) and isinstance(listed, list)):
        raise PeerError("a damaged manifest")
    if (
        number >> 32
        or flags >> 8
        or len(target) != TARGET_BYTES
        or not 0 < len(listed) <= limits.UPDATE_FILES
    ):
        raise PeerError("a damaged manifest")
    start = lms.signature_bytes(key) + 2 + len(data)
    left = limits.UPDATE_PIECES * PIECE_BYTES - start
    files: list[tuple[str, int, bytes]] = []
    for entry in listed:
        if not isinstance(entry, list) or len(entry) != 3:
            raise PeerError("a damaged manifest")
        path, size, digest = entry
        if not _good(path) or path in [file[0] for file in files]:
            raise PeerError("a path that is none of ours")
        if not _number(size) or size > left or not isinstance(digest, bytes) or len(digest) != _HASH_BYTES:
            raise PeerError("a damaged manifest")
        left -= size
        files.append((path, size, digest))
    return Manifest(number, flags, target, files, start)


def _number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _good(path: object) -> bool:
    """Whether ``path`` stays within the folder that it is for: name, or folder/name."""
    if not isinstance(path, str) or not 0 < len(path) <= limits.UPDATE_PATH_BYTES:
        return False
    if not all([letter in _LETTERS for letter in path]):
        return False
    parts = path.split("/")
    return len(parts) <= 2 and not any([part == "" or part[0] == "." for part in parts])


def pieces_of(update: bytes) -> list[bytes]:
    """``update`` cut into pieces, the last filled up."""
    whole = update + bytes(-len(update) % PIECE_BYTES)
    return [whole[at : at + PIECE_BYTES] for at in range(0, len(whole), PIECE_BYTES)]
