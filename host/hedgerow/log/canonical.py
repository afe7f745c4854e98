"""The canonical entry: the node of a conversation's Merkle-DAG (docs/log.md, "Entry").

    [version, log, author, sequence, clock, parents, previous, references, kind, body, signature]

as deterministic CBOR (RFC 8949, 4.2.1), which is DAG-CBOR too. Its id is the SHA-256 of these bytes. The
Ed25519 signature covers all of them in front of it; it is empty in a conversation of two, where the ratchet
tells who wrote.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import cbor2
from nacl import bindings
from nacl.exceptions import CryptoError

from hedgerow.log import bounds
from hedgerow_core import cbor
from hedgerow_core.errors import LimitError, PeerError, VersionError

VERSION = 1

Sign = Callable[[bytes], bytes]  # a message to its Ed25519 signature, 64 bytes

_CONTEXT = b"hedgerow log entry 1\0"
_FIELDS = 11
_HEAD = b"\x8b"  # an array of so many
_NO_SIGNATURE = b"\x40"
_SIGNATURE_HEAD = b"\x58\x40"


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry; ``make`` and ``decode`` are the ways to one.

    ``sequence`` counts the author's entries from 1, ``clock`` is 1 more than the highest of the parents.
    ``parents`` are the ids of the heads that the author saw, ascending; ``previous`` is the author's entry
    before this one. ``references`` are the author's entries at ``sequence`` - 2, - 4, - 8 ..., as far as such
    a power of two divides ``sequence``: about one in each entry, and any older entry is few steps away.
    """

    log: bytes
    author: bytes
    sequence: int
    clock: int
    parents: tuple[bytes, ...]
    previous: bytes | None
    references: tuple[bytes, ...]
    kind: int
    body: bytes
    signature: bytes
    id: bytes = field(compare=False)

    @property
    def order(self) -> tuple[int, bytes]:
        """The place in the total order: it is the same for everybody."""
        return self.clock, self.id


def reference_count(sequence: int) -> int:
    """How many references the entry with this sequence has: the powers of two from 2 that divide it."""
    return min((sequence & -sequence).bit_length() - 1, bounds.REFERENCES)


def make(
    log: bytes,
    author: bytes,
    sequence: int,
    clock: int,
    parents: Sequence[bytes],
    previous: bytes | None,
    references: Sequence[bytes],
    kind: int,
    body: bytes,
    sign: Sign | None,
) -> Entry:
    """A new entry behind what is here. LimitError where a value is past its bound."""
    if (
        len(log) != bounds.LOG_ID_BYTES
        or len(parents) > bounds.PARENTS
        or len(body) > bounds.BODY_BYTES
        or not 0 <= kind <= bounds.KIND_MAX
        or sequence > bounds.SEQUENCE_MAX
        or clock > bounds.CLOCK_MAX
    ):
        raise LimitError("an entry that is past its bounds")
    fields = (log, author, sequence, clock, tuple(sorted(parents)), previous, tuple(references), kind, body)
    unsigned = _unsigned(*fields)
    if sign is None:
        return Entry(*fields, b"", hashlib.sha256(unsigned + _NO_SIGNATURE).digest())
    signature = sign(_CONTEXT + unsigned)
    return Entry(*fields, signature, hashlib.sha256(unsigned + _SIGNATURE_HEAD + signature).digest())


def _unsigned(
    log: bytes,
    author: bytes,
    sequence: int,
    clock: int,
    parents: tuple[bytes, ...],
    previous: bytes | None,
    references: tuple[bytes, ...],
    kind: int,
    body: bytes,
) -> bytes:
    """The array less its last item. ``previous`` is a place in ``parents`` where it is one of them."""
    said = parents.index(previous) if previous in parents else previous
    fields = [VERSION, log, author, sequence, clock, parents, said, references, kind, body]
    return _HEAD + cbor2.dumps(fields)[1:]


def _fields(entry: Entry) -> bytes:
    return _unsigned(
        entry.log,
        entry.author,
        entry.sequence,
        entry.clock,
        entry.parents,
        entry.previous,
        entry.references,
        entry.kind,
        entry.body,
    )


def encode(entry: Entry) -> bytes:
    """The canonical bytes."""
    return _fields(entry) + (_SIGNATURE_HEAD + entry.signature if entry.signature else _NO_SIGNATURE)


def decode(data: bytes) -> Entry:
    """Read an entry. VersionError for one of a later version, PeerError for anything else that is none.

    The signature is not looked at: that is ``authentic``.
    """
    if len(data) > bounds.ENTRY_BYTES:
        raise PeerError("an entry that is too long")
    value = cbor.decode(data)
    if not isinstance(value, list) or not value or type(value[0]) is not int:
        raise PeerError("not an entry")
    if value[0] != VERSION:
        raise VersionError("an entry of another version")
    if len(value) != _FIELDS:
        raise PeerError("not an entry")
    _, log, author, sequence, clock, parents, said, references, kind, body, signature = value
    if not isinstance(parents, list) or not isinstance(references, list):
        raise PeerError("an entry without parents")
    parents, references = tuple(parents), tuple(references)
    previous = said
    if type(said) is int:
        if not 0 <= said < len(parents):
            raise PeerError("an entry that follows none of its parents")
        previous = parents[said]
    elif said is not None and said in parents:
        raise PeerError("an entry that is not in its shortest form")
    _check(log, author, sequence, clock, parents, previous, references, kind, body)
    if type(signature) is not bytes or len(signature) not in (0, bounds.SIGNATURE_BYTES):
        raise PeerError("a signature of a wrong size")
    digest = hashlib.sha256(data).digest()
    return Entry(log, author, sequence, clock, parents, previous, references, kind, body, signature, digest)


def _number(value: object, low: int, high: int, what: str) -> int:
    if type(value) is not int or not low <= value <= high:
        raise PeerError(f"{what} out of bounds")
    return value


def _name(value: object, size: int, what: str) -> None:
    if type(value) is not bytes or len(value) != size:
        raise PeerError(f"{what} of a wrong size")


def _check(
    log: object,
    author: object,
    sequence: object,
    clock: object,
    parents: tuple[object, ...],
    previous: object,
    references: tuple[object, ...],
    kind: object,
    body: object,
) -> None:
    """What can be said of an entry without knowing any other. PeerError."""
    _name(log, bounds.LOG_ID_BYTES, "a log's id")
    _name(author, bounds.AUTHOR_BYTES, "an author")
    count = _number(sequence, 1, bounds.SEQUENCE_MAX, "a sequence")
    # Each entry of the author is in the past of the next, so the clock is never behind.
    ticks = _number(clock, count, bounds.CLOCK_MAX, "a clock")
    _number(kind, 0, bounds.KIND_MAX, "a kind")
    if type(body) is not bytes or len(body) > bounds.BODY_BYTES:
        raise PeerError("a body that is too long")
    if len(parents) > bounds.PARENTS or len(references) > reference_count(count):
        raise PeerError("an entry with too many references")
    for parent in parents:
        _name(parent, bounds.ID_BYTES, "a parent")
    for reference in references:
        _name(reference, bounds.ID_BYTES, "a reference")
    if len(set(references)) < len(references) or list(parents) != sorted(set(parents)):  # type: ignore[type-var]
        raise PeerError("parents or references that are repeated or out of order")
    if bool(parents) != (ticks > 1):
        raise PeerError("a clock that does not fit the parents")
    if (previous is None) != (count == 1):
        raise PeerError("a sequence that does not fit the entry before")
    if previous is not None:
        _name(previous, bounds.ID_BYTES, "a reference")


def authentic(entry: Entry) -> bool:
    """Whether the author signed it."""
    if not entry.signature:
        return False
    try:
        # The bytes that libsodium wants: signature and message in one.
        bindings.crypto_sign_open(entry.signature + _CONTEXT + _fields(entry), entry.author)
    except (CryptoError, ValueError):
        return False
    return True
