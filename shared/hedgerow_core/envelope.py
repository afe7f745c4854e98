"""The envelope: the sealed unit that travels (docs/protocol.md, "Envelope").

A CBOR sequence (RFC 8742): flags, ttl, lock, body, which never change, then hops and age, which every
carrier counts up and nobody vouches for.
"""

import hashlib

from hedgerow_core import cbor, limits
from hedgerow_core.errors import LimitError, PeerError, VersionError
from hedgerow_core.mac import sha256

NORMAL = 0
URGENT = 1
BULK = 2

_PRIORITY = 0x03
_SHARED = 0x04
_VERSION = 0x18
_VERSION_1 = 0x08

# Lifetime of each ttl class in minutes: half an hour to 14 days.
TTL_MINUTES = (30, 60, 120, 240, 480, 720, 1080, 1440, 2160, 2880, 4320, 5760, 7200, 10080, 14400, 20160)
TTL_DEFAULT = 10  # 3 days


class Envelope:
    """One envelope: small integers and byte strings as in the wire format, ``age`` in minutes."""

    def __init__(self, flags: int, ttl: int, lock: bytes, body: bytes, hops: int, age: int) -> None:
        self.flags = flags
        self.ttl = ttl
        self.lock = lock
        self.body = body
        self.hops = hops
        self.age = age
        # In two parts: the largest body is a kilobyte, which a busy board has but seldom in one piece.
        found = hashlib.sha256(self._head())
        found.update(body)
        self.id = found.digest()[: limits.ID_BYTES]

    @property
    def priority(self) -> int:
        """NORMAL, URGENT or BULK."""
        return self.flags & _PRIORITY

    @property
    def shared(self) -> bool:
        """Whether several people can derive the lock."""
        return bool(self.flags & _SHARED)

    def _head(self) -> bytes:
        head = cbor.write_head
        fixed = head(0, self.flags) + head(0, self.ttl) + head(2, limits.LOCK_BYTES) + self.lock
        return fixed + head(2, len(self.body))

    def prefix(self) -> bytes:
        """The immutable part, which the id is the hash of."""
        return self._head() + self.body

    def encode(self) -> bytes:
        """The whole envelope."""
        return b"".join(
            (self._head(), self.body, cbor.write_head(0, self.hops), cbor.write_head(0, self.age))
        )

    def carried(self, hops: int, age: int) -> "Envelope":
        """The same envelope with other mutable fields, both cut off at their bounds."""
        return Envelope(
            self.flags, self.ttl, self.lock, self.body, min(hops, limits.HOPS), min(age, limits.AGE_MINUTES)
        )

    def expired(self) -> bool:
        """Whether its age is past its ttl."""
        return self.age >= TTL_MINUTES[self.ttl]

    def proof_hash(self) -> bytes:
        """What the hash of its proof begins with: the lock, or the stop hash where several know the lock."""
        return self.body[: limits.PROOF_BYTES] if self.shared else self.lock


def proof_id(token: bytes) -> bytes:
    """The id under which a proof, a token or a stop of 16 bytes, takes its envelopes' place."""
    return sha256(b"proof" + token)[: limits.ID_BYTES]


def make(priority: int, ttl: int, lock: bytes, body: bytes, hops: int = 0, shared: bool = False) -> Envelope:
    """A new envelope at its origin. LimitError where a field is past its bound."""
    if priority > BULK or not 0 <= ttl < 16 or len(lock) != limits.LOCK_BYTES or not 0 <= hops < 24:
        raise LimitError("an envelope field out of its bounds")
    envelope = Envelope(_VERSION_1 | priority | (_SHARED if shared else 0), ttl, lock, body, hops, 0)
    if len(envelope.encode()) > limits.ENVELOPE_BYTES:
        raise LimitError("an envelope above the limit")
    return envelope


def header_bytes(body_bytes: int) -> int:
    """The size of everything but the body, at the origin, for a body of ``body_bytes``."""
    # flags, ttl, lock with its head, hops, age; then the head of the body.
    return 17 + (1 if body_bytes < 24 else 2 if body_bytes < 256 else 3)


def padded_body_size(least: int) -> int:
    """The smallest body of at least ``least`` bytes that pads the whole envelope to 32-byte steps.

    LimitError where that passes the limit of an envelope.
    """
    size = (
        (least + header_bytes(least) + limits.ENVELOPE_PAD - 1) // limits.ENVELOPE_PAD
    ) * limits.ENVELOPE_PAD
    while size <= limits.ENVELOPE_BYTES:
        for header in (18, 19, 20):
            body = size - header
            if body >= least and header_bytes(body) == header:
                return body
        size += limits.ENVELOPE_PAD
    raise LimitError("an envelope above the limit")


def _uint(data: bytes, at: int, bound: int) -> tuple[int, int]:
    major, number, end = cbor.read_head(data, at)
    if major != 0 or number > bound:
        raise PeerError("an envelope field out of its bounds")
    return number, end


def _bytes(data: bytes, at: int) -> tuple[bytes, int]:
    major, number, start = cbor.read_head(data, at)
    end = start + number
    if major != 2 or end > len(data):
        raise PeerError("an envelope field out of its bounds")
    return bytes(data[start:end]), end


def decode(data: bytes) -> Envelope:
    """Read an envelope. PeerError where it is damaged, VersionError where it is of another version."""
    if len(data) > limits.ENVELOPE_BYTES + 8:
        raise PeerError("an envelope above the limit")
    flags, at = _uint(data, 0, 23)
    if flags & _VERSION != _VERSION_1:
        raise VersionError("an envelope of another version")
    if flags & _PRIORITY > BULK:
        raise PeerError("an envelope field out of its bounds")
    ttl, at = _uint(data, at, 15)
    lock, at = _bytes(data, at)
    if len(lock) != limits.LOCK_BYTES:
        raise PeerError("an envelope field out of its bounds")
    body, at = _bytes(data, at)
    hops, at = _uint(data, at, limits.HOPS)
    age, at = _uint(data, at, limits.AGE_MINUTES)
    if at != len(data):
        raise PeerError("bytes behind the envelope")
    if header_bytes(len(body)) + len(body) > limits.ENVELOPE_BYTES:
        raise PeerError("an envelope above the limit")
    return Envelope(flags, ttl, lock, body, hops, age)
