"""An update of the firmware on its way to boards (docs/protocol.md, "Updates").

    opening = signature | length 2 | manifest
    content = files, one after the other

Both travel in pieces of 492 bytes, each the body of an envelope, the last of each filled with zeros: a busy
board has no larger piece of heap free for certain. One more envelope, the head, names those of the opening,
and the manifest, which is signed, names those of the content.
"""

from hedgerow_core import limits, lms
from hedgerow_core.errors import LimitError, PeerError
from hedgerow_core.mac import hkdf

FORMAT = 2
DOWNGRADE = 0x01  # flag: it may take the place of the same or a newer firmware

PIECE_BYTES = 492
MARK_BYTES = 16
TARGET_BYTES = 8
EVERYBODY = bytes(TARGET_BYTES)

_HEAD_BYTES = MARK_BYTES + 1 + 4 + 4 + 1 + TARGET_BYTES + 2 + 1
_FIXED_BYTES = 1 + 4 + 1 + TARGET_BYTES + 1 + 2  # of a manifest, before the files
_HASH_BYTES = 32
_READ_BYTES = 128
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789_./"


def mark_of(mesh_key: bytes) -> bytes:
    """What the body of a head begins with, in place of a stop hash: nobody knows its stop."""
    return hkdf(mesh_key, b"", b"hedgerow update", MARK_BYTES)


class Head:
    """``number`` of the firmware, ``leaf`` of the signature, ``flags`` and ``target`` as in the manifest,
    ``total`` pieces in all, and the joined ``ids`` of those of the opening. Nobody vouches for any of it."""

    def __init__(self, number: int, leaf: int, flags: int, target: bytes, total: int, ids: bytes) -> None:
        self.number = number
        self.leaf = leaf
        self.flags = flags
        self.target = target
        self.total = total
        self.ids = ids

    def count(self) -> int:
        """How many pieces the opening has."""
        return len(self.ids) // limits.ID_BYTES

    def encode(self, mark: bytes) -> bytes:
        """The body of the head's envelope. LimitError above the bound of an update."""
        if not _possible(self.count(), self.total):
            raise LimitError("an update above the limit")
        numbers = self.number.to_bytes(4, "big") + self.leaf.to_bytes(4, "big") + bytes((self.flags,))
        counts = self.total.to_bytes(2, "big") + bytes((self.count(),))
        return mark + bytes((FORMAT,)) + numbers + self.target + counts + self.ids


def decode_head(body: bytes, mark: bytes) -> Head:
    """The head in the body of an envelope, whatever fills it up. PeerError where there is none."""
    if len(body) < _HEAD_BYTES or body[:MARK_BYTES] != mark or body[MARK_BYTES] != FORMAT:
        raise PeerError("no head of an update")
    at = MARK_BYTES + 1
    count = body[_HEAD_BYTES - 1]
    total = body[_HEAD_BYTES - 3] << 8 | body[_HEAD_BYTES - 2]
    ids = body[_HEAD_BYTES : _HEAD_BYTES + count * limits.ID_BYTES]
    if len(ids) != count * limits.ID_BYTES or not _possible(count, total):
        raise PeerError("a damaged head of an update")
    number = int.from_bytes(body[at : at + 4], "big")
    leaf = int.from_bytes(body[at + 4 : at + 8], "big")
    if leaf >= limits.UPDATE_LEAVES:
        raise PeerError("a signature that nobody can make")
    return Head(number, leaf, body[at + 8], body[at + 9 : at + 9 + TARGET_BYTES], total, ids)


def _possible(opening: int, total: int) -> bool:
    return 0 < opening <= limits.UPDATE_OPENING and opening < total <= opening + limits.UPDATE_PIECES


class Manifest:
    """What is signed. ``files``: (path, size, SHA-256) each, in their order; ``ids``: those of the pieces of
    the content, joined."""

    def __init__(
        self, number: int, flags: int, target: bytes, files: "list[tuple[str, int, bytes]]", ids: bytes
    ) -> None:
        self.number = number
        self.flags = flags
        self.target = target
        self.files = files
        self.ids = ids

    def encode(self) -> bytes:
        """The bytes to sign."""
        out = bytearray((FORMAT,)) + self.number.to_bytes(4, "big") + bytes((self.flags,)) + self.target
        out += bytes((len(self.files),)) + (len(self.ids) // limits.ID_BYTES).to_bytes(2, "big")
        for path, size, digest in self.files:
            out += bytes((len(path),)) + path.encode() + size.to_bytes(4, "big") + digest
        return bytes(out) + self.ids


class Pieces:
    """Pieces as one: ``name(n)`` gives the id of the n-th, empty behind the last, and ``get(id)`` the body of
    an envelope, or None."""

    def __init__(self, name: object, get: object) -> None:
        self._name = name
        self._get = get
        self._at = -1
        self._piece = b""

    def read(self, at: int, size: int) -> bytes:
        """``size`` bytes from ``at`` on, fewer behind the last piece. PeerError where one is not here."""
        found = b""
        while len(found) < size:
            number, offset = divmod(at + len(found), PIECE_BYTES)
            if number != self._at:
                identity = self._name(number)  # type: ignore[operator]
                if not identity:
                    break
                self._piece = b""  # it makes room for the next one
                self._at = -1
                piece = self._get(identity)  # type: ignore[operator]
                if piece is None or len(piece) != PIECE_BYTES:
                    raise PeerError("a piece of an update is missing")
                self._at = number
                self._piece = piece
            found += self._piece[offset : offset + size - len(found)]
        return found


def opening_of(head_ids: bytes, get: object) -> Pieces:
    """The pieces that a head names."""
    size = limits.ID_BYTES
    return Pieces(lambda number: head_ids[number * size : (number + 1) * size], get)


class Opening:
    """The opening of an update, of ``pieces``, for boards that trust ``key``: read bit by bit, for a board
    has no room for all of it at once. PeerError where a piece is missing, or it is damaged."""

    def __init__(self, key: bytes, pieces: Pieces) -> None:
        self._key = key
        self._pieces = pieces
        self._start = lms.signature_bytes(key) + 2
        size = int.from_bytes(pieces.read(self._start - 2, 2), "big")
        if not _FIXED_BYTES < size <= limits.UPDATE_MANIFEST_BYTES:
            raise PeerError("a damaged update")
        self._end = self._start + size
        fixed = pieces.read(self._start, _FIXED_BYTES)
        if len(fixed) != _FIXED_BYTES:
            raise PeerError("a damaged update")
        self._format = fixed[0]
        self.number = int.from_bytes(fixed[1:5], "big")
        self.flags = fixed[5]
        self.target = fixed[6 : 6 + TARGET_BYTES]
        self._files = fixed[_FIXED_BYTES - 3]
        self.count = fixed[_FIXED_BYTES - 2] << 8 | fixed[_FIXED_BYTES - 1]  # pieces of the content

    def name(self, number: int) -> bytes:
        """The id of the content's n-th piece, empty behind the last; signed where ``verify`` said so."""
        at = self._end - (self.count - number) * limits.ID_BYTES
        return (
            self._pieces.read(at, limits.ID_BYTES) if 0 <= number < self.count and at > self._start else b""
        )

    def verify(self) -> int:
        """The number of the one-time key that signed the manifest. PeerError where none did."""
        return lms.verify(self._key, self._parts(), self._pieces.read)

    def _parts(self) -> object:
        for at in range(self._start, self._end, _READ_BYTES):
            yield self._pieces.read(at, min(_READ_BYTES, self._end - at))

    def files(self) -> "list[tuple[str, int, bytes]]":
        """The files of the content. PeerError where the manifest is damaged, or of another format."""
        if self._format != FORMAT:
            raise PeerError("an update of another format")
        ids = self._end - self.count * limits.ID_BYTES
        at = self._start + _FIXED_BYTES
        left = self.count * PIECE_BYTES
        if not 0 < self._files <= limits.UPDATE_FILES or not 0 < self.count <= limits.UPDATE_PIECES:
            raise PeerError("a damaged manifest")
        found: list[tuple[str, int, bytes]] = []
        while len(found) < self._files:
            length = self._field(at, 1, ids)[0]
            path = self._field(at + 1, length, ids)
            size = int.from_bytes(self._field(at + 1 + length, 4, ids), "big")
            digest = self._field(at + 5 + length, _HASH_BYTES, ids)
            if not _good(path) or path.decode() in [file[0] for file in found] or size > left:
                raise PeerError("a damaged manifest")
            left -= size
            found.append((path.decode(), size, digest))
            at += 5 + length + _HASH_BYTES
        if at != ids or left >= PIECE_BYTES:
            raise PeerError("a damaged manifest")
        return found

    def _field(self, at: int, size: int, end: int) -> bytes:
        part = self._pieces.read(at, size) if at + size <= end else b""
        if len(part) != size:
            raise PeerError("a damaged manifest")
        return part


def _good(path: bytes) -> bool:
    """Whether ``path`` stays within the folder that it is for: name, or folder/name."""
    if not 0 < len(path) <= limits.UPDATE_PATH_BYTES or not all([chr(letter) in _LETTERS for letter in path]):
        return False
    parts = path.split(b"/")
    return len(parts) <= 2 and not any([part == b"" or part[:1] == b"." for part in parts])


def pieces_of(data: bytes) -> list[bytes]:
    """An opening or a content cut into pieces, the last filled up."""
    whole = data + bytes(-len(data) % PIECE_BYTES)
    return [whole[at : at + PIECE_BYTES] for at in range(0, len(whole), PIECE_BYTES)]
