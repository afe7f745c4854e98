"""The index of a shelf: what it knows of an element without reading its record.

A row: id 8, hash 2 (what the hash of its proof begins with: who looks for it reads the record, too), place 4,
expiry 2 (minute of the mesh clock modulo 2^16), size 1 (in steps of 8 bytes), flags 1 (rank, proof, shared
lock, source).
"""

from hedgerow_core import limits
from hedgerow_core.rows import Rows

RANKS = 3
RANK_MASK = 0x03
PROOF = 0x04
SHARED = 0x08
SOURCE_SHIFT = 4
STEP = 8

_ROW_BYTES = 18
_HASH = 8
_HASH_BYTES = 2
_PLACE = 10
_EXPIRY = 14
_SIZE = 16
_FLAGS = 17
_SOURCES = 16


def steps(size: int) -> int:
    """Bytes in steps of 8."""
    return (size + STEP - 1) // STEP


def until(expiry: int, minute: int) -> int:
    """Minutes from ``minute`` until ``expiry``, which is known modulo 2^16 only."""
    left = (expiry - minute) & 0xFFFF
    return left - 0x10000 if left & 0x8000 else left


def id_of(row: bytes) -> bytes:
    """The id of an element."""
    return row[: limits.ID_BYTES]


def place_of(row: bytes) -> int:
    """Where the store has its record."""
    return int.from_bytes(row[_PLACE:_EXPIRY], "big")


def expiry_of(row: bytes) -> int:
    """The minute of its end, modulo 2^16."""
    return row[_EXPIRY] << 8 | row[_EXPIRY + 1]


def flags_of(row: bytes) -> int:
    """Rank, proof, shared lock and source."""
    return row[_FLAGS]


class Index(Rows):
    """At most ``bound`` rows. ``used``: the size of all records in steps of 8 bytes; ``proofs``: how many."""

    def __init__(self, bound: int) -> None:
        Rows.__init__(self, _ROW_BYTES, bound)
        self.used = 0
        self.proofs = 0
        self._hand = 0  # new rows take the places of those that went: so this is the order in which they came
        self._shares = [0] * (RANKS * _SOURCES)  # elements of a rank and a source

    def insert(self, identity: bytes, digest: bytes, place: int, expiry: int, size: int, flags: int) -> None:
        """A new row; there must be room. ``digest`` begins with what the proof's hash begins with."""
        self.add(
            identity
            + (digest + bytes(_HASH_BYTES))[:_HASH_BYTES]
            + place.to_bytes(4, "big")
            + (expiry & 0xFFFF).to_bytes(2, "big")
            + bytes((steps(size), flags))
        )
        self.used += steps(size)
        self.proofs += flags >> 2 & 1
        self._shares[(flags & RANK_MASK) * _SOURCES + (flags >> SOURCE_SHIFT)] += 1

    def take(self, slot: int) -> bytes:
        """Remove a row; what it was."""
        row = self.row(slot)
        self.free(slot)
        self.used -= row[_SIZE]
        self.proofs -= row[_FLAGS] >> 2 & 1
        self._shares[(row[_FLAGS] & RANK_MASK) * _SOURCES + (row[_FLAGS] >> SOURCE_SHIFT)] -= 1
        return row

    def at_place(self, place: int) -> int:
        """The slot of the element whose record is at ``place``, or -1."""
        return self.find(place.to_bytes(4, "big"), _PLACE)

    def move(self, slot: int, place: int) -> None:
        """The record of an element is at ``place`` now."""
        self.write(slot, _PLACE, place.to_bytes(4, "big"))

    def like(self, digest: bytes, first: int = 0) -> int:
        """The first slot from ``first`` on whose hash begins as ``digest`` does, or -1."""
        return self.find((digest + bytes(_HASH_BYTES))[:_HASH_BYTES], _HASH, first)

    def victim(self, rank: int) -> int:
        """Who has to go for an element of ``rank``, or -1: of the lowest rank, of the source with most of it
        (longest queue drop), the next one behind the last that went."""
        slot: int
        for lowest in range(rank + 1):
            shares = self._shares[lowest * _SOURCES : (lowest + 1) * _SOURCES]
            most = max(shares)
            if not most:
                continue
            wanted = lowest | shares.index(most) << SOURCE_SHIFT
            for first in (self._hand, 0):
                for slot in self.slots(first):
                    if self.row(slot)[_FLAGS] & ~(PROOF | SHARED) == wanted:
                        self._hand = slot + 1
                        return slot
        return -1
