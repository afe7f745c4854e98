"""The index of a shelf: what it knows of an element without reading its record.

A row: id 8, hash 12 bits (what the hash of its proof begins with; who looks for it reads the record),
ttl class 4 bits, place 4, expiry 2 (minute of the mesh clock modulo 2^16), size 1 (in steps of 8 bytes),
flags 1 (rank, proof, last hop, source).
"""

from hedgerow_core import limits
from hedgerow_core.envelope import TTL_MINUTES
from hedgerow_core.rows import Rows

RANKS = 3
RANK_MASK = 0x03
PROOF = 0x04
LAST = 0x08  # it has made its last hop
SOURCE_SHIFT = 4
STEP = 8

_ROW_BYTES = 18
_HASH = 8
_TTL = 9
_PLACE = 10
_EXPIRY = 14
_SIZE = 16
_FLAGS = 17
_SOURCES = 16
_FOUND = 16  # victims of one search


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


def ttl_of(row: bytes) -> int:
    """The ttl class."""
    return row[_TTL] & 0x0F


def flags_of(row: bytes) -> int:
    """Rank, proof and source."""
    return row[_FLAGS]


def order(rank: int, age: int) -> int:
    """The place in the order in which a full shelf lets go: the smallest goes first."""
    return rank << 16 | 0xFFFF - age


class Index(Rows):
    """At most ``bound`` rows. ``used``: the size of all records in steps of 8 bytes; ``proofs``: how many."""

    def __init__(self, bound: int) -> None:
        Rows.__init__(self, _ROW_BYTES, bound)
        self.used = 0
        self.proofs = 0
        self._victims: list[int] = []  # slots, who goes next comes last
        self._among = -1  # whom they were searched among
        self._minute = 0  # when that was
        self._shares = [0] * (RANKS * _SOURCES)  # elements of a rank and a source

    def insert(
        self, identity: bytes, digest: bytes, place: int, expiry: int, size: int, flags: int, ttl: int
    ) -> None:
        """A new row; there must be room. ``digest`` begins with what the proof's hash begins with."""
        slot = self.add(
            identity
            + _hash(digest, ttl)
            + place.to_bytes(4, "big")
            + (expiry & 0xFFFF).to_bytes(2, "big")
            + bytes((steps(size), flags))
        )
        self.used += steps(size)
        self.proofs += flags >> 2 & 1
        self._shares[(flags & RANK_MASK) * _SOURCES + (flags >> SOURCE_SHIFT)] += 1
        if self._victims and self.age(slot, self._minute) >= self.age(self._victims[0], self._minute):
            self._victims = []  # who came may have to go before them

    def take(self, slot: int) -> bytes:
        """Remove a row; what it was."""
        row = self.row(slot)
        self.free(slot)
        self.used -= row[_SIZE]
        self.proofs -= row[_FLAGS] >> 2 & 1
        self._shares[(row[_FLAGS] & RANK_MASK) * _SOURCES + (row[_FLAGS] >> SOURCE_SHIFT)] -= 1
        if slot in self._victims:
            self._victims.remove(slot)
        return row

    def at_place(self, place: int) -> int:
        """The slot of the element whose record is at ``place``, or -1."""
        return self.find(place.to_bytes(4, "big"), _PLACE)

    def move(self, slot: int, place: int) -> None:
        """The record of an element is at ``place`` now."""
        self.write(slot, _PLACE, place.to_bytes(4, "big"))

    def like(self, digest: bytes, first: int = 0) -> int:
        """The first slot from ``first`` on whose hash begins as ``digest`` does, or -1."""
        wanted = _hash(digest, 0)
        slot = self.find(wanted[:1], _HASH, first)
        while slot >= 0 and (self.row(slot)[_TTL] ^ wanted[1]) & 0xF0:
            slot = self.find(wanted[:1], _HASH, slot + 1)
        return slot

    def victim(self, identity: bytes, age: int, flags: int, minute: int, flood: bool) -> int:
        """Who has to go for an element of this id, age in minutes and flags, or -1: the oldest of the lowest
        rank; in a ``flood`` the oldest of the source with most of it (longest queue drop).

        Nobody goes for what is older: the order is the same everywhere, or full shelves would hand round for
        ever what one of them let go.
        """
        rank = flags & RANK_MASK
        for lowest in range(rank + 1):
            shares = self._shares[lowest * _SOURCES : (lowest + 1) * _SOURCES]
            most = max(shares)
            if not most:
                continue
            source = shares.index(most) if flood else -1
            slot = self._oldest(lowest, source, minute)
            if lowest == rank and source in (-1, flags >> SOURCE_SHIFT):
                oldest = self.age(slot, minute)
                if age > oldest or (age == oldest and identity < id_of(self.row(slot))):
                    return -1
            return slot
        return -1

    def horizon(self, minute: int) -> int:
        """The place in the order of who goes next; 0 where there is nobody."""
        for rank in range(RANKS):
            if sum(self._shares[rank * _SOURCES : (rank + 1) * _SOURCES]):
                return order(rank, self.age(self._oldest(rank, -1, minute), minute))
        return 0

    def age(self, slot: int, minute: int) -> int:
        """Minutes since it was written, as far as its carriers know."""
        chunk, at = self._at(slot)
        expiry = chunk[at + _EXPIRY] << 8 | chunk[at + _EXPIRY + 1]
        return max(TTL_MINUTES[chunk[at + _TTL] & 0x0F] - until(expiry, minute), 0)

    def _oldest(self, rank: int, source: int, minute: int) -> int:
        """The slot of the oldest of a rank, and of a source if that is not -1; of two the smaller id."""
        if self._among != rank << 8 | source & 0xFF:
            self._victims = []
        if self._victims:
            return self._victims[-1]
        # Some at once: looking at a thousand rows takes a board as long as writing one to flash.
        self._among = rank << 8 | source & 0xFF
        self._minute = minute
        found = self._victims
        slot: int
        for slot in self.slots():
            chunk, at = self._at(slot)
            flags = chunk[at + _FLAGS]
            if flags & RANK_MASK != rank or (source >= 0 and flags >> SOURCE_SHIFT != source):
                continue
            age = self.age(slot, minute)
            place = 0
            while place < len(found):
                other = self.age(found[place], minute)
                if age < other or (age == other and self.row(slot) > self.row(found[place])):
                    break
                place += 1
            if place or len(found) < _FOUND:
                found.insert(place, slot)
                if len(found) > _FOUND:
                    found.pop(0)
        return found[-1]


def _hash(digest: bytes, ttl: int) -> bytes:
    """What a row has of a hash, and the ttl class."""
    first, second = (digest + bytes(2))[:2]
    return bytes((first, second & 0xF0 | ttl))
