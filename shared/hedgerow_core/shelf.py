"""The shelf: the envelopes that a carrier keeps, and the ids that it knows.

Policy only; a store behind it keeps the records (flash on a board, SQLite on a host, memory in tests).
"""

from hedgerow_core import limits
from hedgerow_core.envelope import BULK, NORMAL, TTL_MINUTES, URGENT, Envelope, decode
from hedgerow_core.errors import HedgerowError, PeerError
from hedgerow_core.table import Table

KEPT = 1
KNOWN = 2
REFUSED = 3

_MINUTE_MS = 60_000
# Evicted first to evicted last.
_RANK = {BULK: 0, NORMAL: 1, URGENT: 2}


class MemoryStore:
    """Records in memory. Every store has these verbs; a place is any integer."""

    def __init__(self) -> None:
        self._records: dict[int, bytes] = {}
        self._next = 0

    def append(self, record: bytes) -> int:
        """Keep ``record``; its place."""
        self._next += 1
        self._records[self._next] = bytes(record)
        return self._next

    def read(self, place: int) -> bytes:
        """The record at ``place``."""
        return self._records[place]

    def drop(self, place: int) -> None:
        """Forget the record at ``place``."""
        self._records.pop(place, None)

    def flush(self) -> None:
        """Return when what was appended survives a loss of power."""

    def records(self) -> list[tuple[int, bytes]]:
        """(place, record) of everything kept, oldest first."""
        return [(place, self._records[place]) for place in sorted(self._records)]


# What the index knows of one envelope without reading its record: id 8, place 8, and minutes of the shelf's
# clock and numbers, big-endian.
_PLACE = 8
_ARRIVED = 16
_EXPIRY = 20
_SERIAL = 24
_SIZE = 28
_RANK_AT = 30
_ROW_BYTES = 31


def _number(piece: bytes, at: int) -> int:
    return int.from_bytes(piece[at : at + 4], "big")


def _place(row: bytes) -> int:
    return int.from_bytes(row[_PLACE:_ARRIVED], "big")


class Shelf:
    """Keeps at most ``max_count`` envelopes of ``max_bytes`` in all; remembers ``max_tombstones`` more ids.

    Minutes are those of the shelf's own clock: it goes on from the last record that the store holds, or,
    where ``absolute``, they are those of ``now``, which then goes on while nobody is here.
    """

    def __init__(
        self,
        store: "MemoryStore",
        now: int,
        max_count: int = limits.SHELF_COUNT,
        max_bytes: int = limits.SHELF_BYTES,
        max_tombstones: int = limits.TOMBSTONES,
        absolute: bool = False,
    ) -> None:
        self.serial = 0
        self.evicted = 0
        self.damaged = 0
        self._store = store
        self._max_count = max_count
        self._max_bytes = max_bytes
        self._max_tombstones = max_tombstones
        self._rows = Table(_ROW_BYTES)
        self._bytes = 0
        self._tombstones = Table(limits.ID_BYTES)
        self._summary = bytearray(4)
        self._dirty = False
        self._base = 0
        self._base_ms = 0 if absolute else now
        self._absolute = absolute
        self.catch_up()

    def catch_up(self) -> None:
        """Take in what the store gives: everything at first, later what others put into it."""
        for place, record in self._store.records():
            try:
                arrived = int.from_bytes(record[:4], "big")
                envelope = decode(record[4:])
            except PeerError:
                self.damaged += 1
                self._store.drop(place)
                continue
            if self.has(envelope.id):
                self._store.drop(place)
                continue
            if not self._absolute:
                self._base = max(self._base, arrived)
            self._index(envelope, place, len(record), arrived)

    def _minute(self, now: int) -> int:
        return self._base + (now - self._base_ms) // _MINUTE_MS

    def _fold(self, identity: bytes) -> None:
        for i in range(limits.ID_BYTES):
            self._summary[i & 3] ^= identity[i]

    def _index(self, envelope: Envelope, place: int, size: int, arrived: int) -> None:
        expiry = arrived + TTL_MINUTES[envelope.ttl] - envelope.age
        self.serial += 1
        self._rows.add(
            envelope.id
            + place.to_bytes(8, "big")
            + arrived.to_bytes(4, "big")
            + min(max(expiry, 0), 0xFFFFFFFF).to_bytes(4, "big")
            + self.serial.to_bytes(4, "big")
            + size.to_bytes(2, "big")
            + bytes((_RANK[envelope.priority],))
        )
        self._bytes += size
        self._fold(envelope.id)

    def put(self, envelope: Envelope, now: int) -> int:
        """Keep ``envelope``: KEPT, KNOWN (nothing changed) or REFUSED (expired, or no room for its kind)."""
        if self.knows(envelope.id):
            return KNOWN
        if envelope.expired():
            return REFUSED
        arrived = self._minute(now)
        record = arrived.to_bytes(4, "big") + envelope.encode()
        if not self._make_room(len(record), _RANK[envelope.priority]):
            return REFUSED
        try:
            place = self._store.append(record)
        except OSError as error:
            raise HedgerowError("the shelf cannot be written: " + str(error))
        self._dirty = True
        self._index(envelope, place, len(record), arrived)
        return KEPT

    def _make_room(self, size: int, rank: int) -> bool:
        if size > self._max_bytes:
            return False
        while len(self._rows) >= self._max_count or self._bytes + size > self._max_bytes:
            victim = b""
            worst = rank + 1
            for piece in self._rows.pieces:
                for at in range(0, len(piece), _ROW_BYTES):
                    if piece[at + _RANK_AT] < worst:
                        worst = piece[at + _RANK_AT]
                        victim = piece[at : at + limits.ID_BYTES]
            if not victim:
                return False
            self.evicted += 1
            self.drop(victim)
        return True

    def get(self, identity: bytes, now: int) -> Envelope | None:
        """The envelope as it is to be handed on now (its age counted up), or None."""
        row = self._rows.find(identity)
        if not row:
            return None
        try:
            envelope = decode(self._store.read(_place(row))[4:])
        except (PeerError, OSError):
            envelope = None
        if envelope is None or envelope.id != identity:
            # The store cannot give it back: say so by not having it.
            self.damaged += 1
            self.drop(identity)
            return None
        return envelope.carried(envelope.hops, envelope.age + self._minute(now) - _number(row, _ARRIVED))

    def has(self, identity: bytes) -> bool:
        """Whether the envelope is here."""
        return self._rows.find(identity) != b""

    def knows(self, identity: bytes) -> bool:
        """Whether the envelope is here or was, and is not wanted again."""
        return self._rows.find(identity) != b"" or self._tombstones.find(identity) != b""

    def ids(self) -> list[bytes]:
        """Ids of what is here; urgent first, then the oldest."""
        flat = self.offer()
        return [flat[at : at + limits.ID_BYTES] for at in range(0, len(flat), limits.ID_BYTES)]

    def offer(self) -> bytes:
        """The same, one behind the other."""
        flat = bytearray()
        for rank in (2, 1, 0):
            for piece in self._rows.pieces:
                for at in range(0, len(piece), _ROW_BYTES):
                    if piece[at + _RANK_AT] == rank:
                        flat.extend(piece[at : at + limits.ID_BYTES])
        return bytes(flat)

    def drop(self, identity: bytes) -> None:
        """Forget an envelope but remember its id."""
        row = self._rows.take(identity)
        if not row:
            return
        self._bytes -= row[_SIZE] << 8 | row[_SIZE + 1]
        self._store.drop(_place(row))
        self._dirty = True
        self._tombstones.add(identity)
        if len(self._tombstones) > self._max_tombstones:
            old = self._tombstones.pieces[0][: limits.ID_BYTES]
            self._tombstones.take(old)
            self._fold(old)

    def expire(self, now: int) -> int:
        """Drop what is past its lifetime; how many."""
        minute = self._minute(now)
        old = [
            piece[at : at + limits.ID_BYTES]
            for piece in self._rows.pieces
            for at in range(0, len(piece), _ROW_BYTES)
            if _number(piece, at + _EXPIRY) <= minute
        ]
        for identity in old:
            self.drop(identity)
        return len(old)

    def summary(self) -> bytes:
        """4 bytes that are equal where the ids known are equal."""
        return bytes(self._summary)

    def count(self) -> int:
        """How many envelopes are here."""
        return len(self._rows)

    def held_bytes(self) -> int:
        """How many bytes of records are here."""
        return self._bytes

    def known_count(self) -> int:
        """How many ids the summary covers."""
        return len(self._rows) + len(self._tombstones)

    def load(self) -> int:
        """How full the shelf is: 0 to 255."""
        return max(len(self._rows) * 255 // self._max_count, self._bytes * 255 // self._max_bytes)

    def new_since(self, serial: int) -> tuple[int, list[bytes]]:
        """(serial now, ids that came after ``serial``), in the order in which they came."""
        fresh = []
        for piece in reversed(self._rows.pieces):
            for at in range(len(piece) - _ROW_BYTES, -1, -_ROW_BYTES):
                if _number(piece, at + _SERIAL) <= serial:
                    break
                fresh.append(piece[at : at + limits.ID_BYTES])
        fresh.reverse()
        return self.serial, fresh

    def flush(self) -> None:
        """Return when everything put or dropped survives a loss of power. HedgerowError where it cannot."""
        if self._dirty:
            try:
                self._store.flush()
            except OSError as error:
                raise HedgerowError("the shelf cannot be written: " + str(error))
            self._dirty = False
