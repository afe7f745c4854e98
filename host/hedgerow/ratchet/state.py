"""The state of one ratchet: a value that no call changes."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from hedgerow import stored


class Chain(IntEnum):
    """Where a message stands."""

    SKIPPED = 0
    CURRENT = 1
    NEXT = 2


@dataclass(frozen=True, repr=False)
class Place:
    """Message ``number`` of a chain that we read."""

    chain: Chain
    header_key: bytes
    number: int


@dataclass(frozen=True, repr=False)
class Skipped:
    """The key of a message that was jumped over."""

    header_key: bytes
    number: int
    message_key: bytes


@dataclass(frozen=True, repr=False)
class State:
    """The variables of the specification (section 4.3); empty bytes stand for None.

    ``dhs`` is our private ratchet key, ``dhr`` their public one; ``hks``, ``hkr``, ``nhks``, ``nhkr`` the
    header keys; ``ad`` is bound into every message.
    """

    ad: bytes
    rk: bytes
    dhs: bytes
    dhr: bytes = b""
    cks: bytes = b""
    ckr: bytes = b""
    hks: bytes = b""
    hkr: bytes = b""
    nhks: bytes = b""
    nhkr: bytes = b""
    ns: int = 0
    nr: int = 0
    pn: int = 0
    skipped: tuple[Skipped, ...] = ()

    def to_cbor(self) -> bytes:
        """For the database."""
        keys = [self.ad, self.rk, self.dhs, self.dhr, self.cks, self.ckr]
        keys += [self.hks, self.hkr, self.nhks, self.nhkr]
        skipped = [[row.header_key, row.number, row.message_key] for row in self.skipped]
        return stored.write([keys, [self.ns, self.nr, self.pn], skipped])

    @classmethod
    def from_cbor(cls, data: bytes) -> "State":
        """Read what ``to_cbor`` wrote. PeerError where it is damaged."""
        keys, numbers, skipped = stored.read(data, list, list, list)
        stored.check(keys, *[bytes] * 10)
        stored.check(numbers, int, int, int)
        rows = tuple(Skipped(*stored.check(row, bytes, int, bytes)) for row in skipped)
        values: list[Any] = [*keys, *numbers, rows]
        return cls(*values)
