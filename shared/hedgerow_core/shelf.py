"""The shelf: the envelopes and proofs that a carrier keeps, and the ids that it knows.

Policy only; a store behind it keeps the records (flash on a board, SQLite on a host, memory in tests). One
class, though long: index, sketch, summary and tombstones change together or not at all, and another class
would cost each board heap. What can be without it is in rows, index, tombstones, unmatched and admission.
"""

from hedgerow_core import counts, index, limits
from hedgerow_core.admission import Admission
from hedgerow_core.clock import Clock
from hedgerow_core.envelope import BULK, NORMAL, TTL_MINUTES, URGENT, Envelope, decode, proof_id
from hedgerow_core.errors import HedgerowError, PeerError
from hedgerow_core.mac import sha256
from hedgerow_core.sketch import Sketch
from hedgerow_core.store import MemoryStore
from hedgerow_core.tombstones import Tombstones
from hedgerow_core.unmatched import Unmatched

KEPT = 1
KNOWN = 2
REFUSED = 3
PROVED = 4
UNMATCHED = 5
LATER = 6

# Who brought an element: whose share it counts to. A link of the mesh may have a number of its own.
SOURCE_HOST = 0
SOURCE_MESH = 1

# Evicted first to evicted last.
_RANK = {BULK: 0, NORMAL: 1, URGENT: 2}

# A record: kind 1, expiry 4 (minute of the mesh clock), flags as in the row 1, element. The lower half of a
# proof's kind is the ttl class of its envelope.
_ENVELOPE_RECORD = 0x10
_OLD_PROOF_RECORD = 0x11
_PROOF_RECORD = 0x20
_RECORD_HEAD = 6
_SPARE = 250  # of 255: below this load nobody is refused


def record_of(envelope: Envelope, minute: int, source: int) -> bytes:
    """What a store keeps of ``envelope``, which came at ``minute`` of the mesh clock."""
    expiry = minute + TTL_MINUTES[envelope.ttl] - envelope.age
    flags = _RANK[envelope.priority] | source << index.SOURCE_SHIFT
    if envelope.hops >= limits.HOPS:
        flags |= index.LAST
    return bytes((_ENVELOPE_RECORD,)) + expiry.to_bytes(4, "big") + bytes((flags,)) + envelope.encode()


def _proof_record(token: bytes, expiry: int, flags: int, ttl: int) -> bytes:
    flags = flags & ~index.LAST | index.PROOF  # a proof goes on
    return bytes((_PROOF_RECORD | ttl,)) + expiry.to_bytes(4, "big") + bytes((flags,)) + token


class Shelf:
    """Keeps at most ``max_count`` elements of ``max_bytes`` in all; remembers ``max_tombstones`` more ids.

    Times are minutes of ``clock``.
    """

    def __init__(
        self,
        store: MemoryStore,
        clock: Clock,
        now: int,
        max_count: int = limits.SHELF_COUNT,
        max_bytes: int = limits.SHELF_BYTES,
        max_tombstones: int = limits.TOMBSTONES,
        sketch: Sketch | None = None,
    ) -> None:
        self.serial = 0
        self.sketch = sketch  # of the ids to offer, where those who meet compare sketches
        self.counts = counts.made()
        self.damaged = 0
        self.durable = True  # false where nothing survives a loss of power: then nothing is acknowledged
        self.watched = b""  # locks, one after the other (hedgerow_core.sealed)
        self.caught = False  # something under one of them came
        self.clock = clock
        self.admission: Admission | None = None  # everything may come
        self._store = store
        self.max_bytes = max_bytes
        self.max_count = max_count
        self._max_steps = max_bytes // index.STEP
        self._index = index.Index(max_count)
        self._tombstones = Tombstones(max_tombstones)
        self._unmatched = Unmatched()
        self._summary = bytearray(4)
        self._fresh = bytearray()  # the ids that came last
        self._unsafe: list[bytes] = []  # what a failed flush would lose
        self._dirty = False
        self._swept = clock.minute(now)
        store.attach(self)
        self.catch_up(now)

    # What the store gives and asks

    def catch_up(self, now: int) -> None:
        """Take in what the store gives: everything at first, later what others put into it."""
        minute = self._time(now)
        for place, record in self._store.records():
            if record is None:
                slot = self._index.at_place(place)
                if slot >= 0:
                    self._take(slot)
            elif not self._take_in(place, record, minute):
                self._store.drop(place, False)

    def _take_in(self, place: int, record: bytes, minute: int) -> bool:
        """Index a record of the store; false where it does not count any more."""
        try:
            kind = record[0] if len(record) >= _RECORD_HEAD else 0
            proof = kind & 0xF0 == _PROOF_RECORD or kind == _OLD_PROOF_RECORD
            if not proof and kind != _ENVELOPE_RECORD:
                raise PeerError("a record of another version")
            if record[5] & index.RANK_MASK == index.RANK_MASK:
                raise PeerError("a damaged record")
            expiry = min(int.from_bytes(record[1:5], "big"), minute + limits.TTL_MINUTES)
            content = record[_RECORD_HEAD:]
            if proof:
                ttl = kind & 0x0F
                if len(content) != limits.PROOF_BYTES:
                    raise PeerError("a damaged proof")
                identity, digest = proof_id(content), sha256(content)
                for slot in self._proved(digest):
                    self._store.drop(index.place_of(self._take(slot)), False)
            else:
                envelope = decode(content)
                identity, digest, ttl = envelope.id, envelope.proof_hash(), envelope.ttl
        except PeerError:
            self.damaged += 1
            return False
        slot = self._index.find(identity)
        if slot >= 0:
            # It was moved when the power went: the later copy counts.
            self._store.drop(index.place_of(self._index.row(slot)), False)
            self._index.move(slot, place)
            return True
        if expiry <= minute or (not proof and self._proof_of(envelope, minute) >= 0):
            return False
        if not self._make_room(len(record), identity, expiry, record[5], ttl, minute, False):
            return False
        self._add(identity, digest, place, expiry, len(record), record[5], ttl)
        return True

    def holds(self, place: int) -> bool:
        """Whether the record at ``place`` still counts."""
        return self._index.at_place(place) >= 0

    def moved(self, old: int, new: int) -> None:
        """The store has put a record somewhere else."""
        slot = self._index.at_place(old)
        if slot >= 0:
            self._index.move(slot, new)

    def lost(self, place: int) -> None:
        """The store had to let go what is at ``place``: it is as if it had been evicted."""
        slot = self._index.at_place(place)
        if slot >= 0:
            row = self._take(slot)
            self.counts[counts.EVICTED] += 1
            if not index.flags_of(row) & index.PROOF:
                self._remember(index.id_of(row), self._swept + index.until(index.expiry_of(row), self._swept))

    # The index

    def _fold(self, identity: bytes) -> None:
        for i in range(limits.ID_BYTES):
            self._summary[i & 3] ^= identity[i]

    def _add(
        self, identity: bytes, digest: bytes, place: int, expiry: int, size: int, flags: int, ttl: int
    ) -> None:
        self._index.insert(identity, digest, place, expiry, size, flags, ttl)
        if self.sketch is not None and not flags & index.LAST:
            self.sketch.change(identity)
        if not flags & index.PROOF:
            self._fold(identity)
        self.serial += 1
        self._fresh.extend(identity)
        if len(self._fresh) > limits.FRESH_IDS * limits.ID_BYTES:
            self._fresh[: limits.ID_BYTES] = b""

    def _take(self, slot: int) -> bytes:
        """Take a row out of the index; its id is known no longer."""
        row = self._index.take(slot)
        if self.sketch is not None and not index.flags_of(row) & index.LAST:
            self.sketch.change(index.id_of(row))
        if not index.flags_of(row) & index.PROOF:
            self._fold(index.id_of(row))
        return row

    def _forget(self, slot: int) -> None:
        """Let an element go; the id of a letter is remembered."""
        row = self._take(slot)
        self._store.drop(index.place_of(row), True)
        self._dirty = True
        if not index.flags_of(row) & index.PROOF:
            self._remember(index.id_of(row), self._swept + index.until(index.expiry_of(row), self._swept))

    def _remember(self, identity: bytes, end: int) -> None:
        """The id of a letter that is not wanted again until ``end``."""
        self._fold(identity)
        gone = self._tombstones.add(identity, end)
        if gone:
            self._fold(gone)

    def _read(self, slot: int) -> Envelope | None:
        """The envelope in a slot. What the store cannot give back is here no longer."""
        row = self._index.row(slot)
        identity = index.id_of(row)
        try:
            # No name for the record: while it has one there are two of them in a board's heap.
            envelope = decode(self._store.read(index.place_of(row))[_RECORD_HEAD:])
            if envelope.id == identity:
                return envelope
        except (PeerError, OSError):
            pass
        self.damaged += 1
        self._store.drop(index.place_of(self._take(slot)), True)
        return None

    # Envelopes

    def put(self, envelope: Envelope, now: int, source: int = SOURCE_HOST) -> int:
        """Keep ``envelope``: KEPT, KNOWN (nothing changed, or it is proved), REFUSED (expired, no room) or
        LATER (``source`` brought too much)."""
        minute = self._time(now)
        self.counts[counts.OFFERED] += 1
        if self.knows(envelope.id):
            return KNOWN
        if envelope.expired():
            self.counts[counts.OVER] += 1
            return REFUSED
        expiry = minute + TTL_MINUTES[envelope.ttl] - envelope.age
        if self._proof_of(envelope, minute) >= 0:
            return KNOWN
        record = record_of(envelope, minute, self._share(source, now))
        cached = self._unmatched.find(envelope.proof_hash())
        if cached:
            # Its proof came before it.
            try:
                self._keep(cached, expiry, record[5], envelope.ttl, minute)
            except HedgerowError:
                return REFUSED
            return KNOWN
        admission = self.admission
        if admission is not None and not admission.admits(source, len(record), now, self.load() < _SPARE):
            self.counts[counts.ABOVE_SHARE] += 1
            return LATER
        flood = admission is None or admission.flooded(now)
        if not self._make_room(len(record), envelope.id, expiry, record[5], envelope.ttl, minute, flood):
            self.counts[counts.NO_ROOM] += 1
            self._remember(envelope.id, expiry)
            return REFUSED
        try:
            place = self._append(record)
        except HedgerowError:
            # No tombstone: it may come once more when there is room.
            self.counts[counts.NO_ROOM] += 1
            return REFUSED
        self._unsafe.append(envelope.id)
        self._add(envelope.id, envelope.proof_hash(), place, expiry, len(record), record[5], envelope.ttl)
        self.counts[counts.KEPT] += 1
        if envelope.lock in self.watched:
            self.caught = True
        return KEPT

    def _share(self, source: int, now: int) -> int:
        return source if self.admission is None else self.admission.share(source, now)

    def appetite(self, source: int, now: int) -> int:
        """How many letters ``source`` may bring now, about."""
        if self.admission is None or self.load() < _SPARE:
            return limits.ASK_IDS
        return self.admission.room(source, now) // (limits.LETTER_BYTES + limits.ELEMENT_BYTES)

    def _append(self, record: bytes) -> int:
        try:
            place = self._store.append(record)
        except OSError as error:
            raise HedgerowError("the shelf cannot be written: " + str(error))
        self._dirty = True
        return place

    def _make_room(
        self, size: int, identity: bytes, expiry: int, flags: int, ttl: int, minute: int, flood: bool
    ) -> bool:
        steps = index.steps(size)
        if steps > self._max_steps or self.max_count == 0:
            return False
        while self._index.full() or self._index.used + steps > self._max_steps:
            age = TTL_MINUTES[ttl] - (expiry - minute)
            victim = self._index.victim(identity, age, flags, minute, flood)
            if victim < 0:
                return False
            self.counts[counts.EVICTED] += 1
            self._forget(victim)
        return True

    def get(self, identity: bytes, now: int) -> Envelope | None:
        """The envelope as it is to be handed on now (its age counted up), or None; a proof is none."""
        slot = self._index.find(identity)
        if slot < 0 or index.flags_of(self._index.row(slot)) & index.PROOF:
            return None
        minute = self._time(now)
        row = self._index.row(slot)
        if not row:
            return None
        envelope = self._read(slot)
        if envelope is None:
            return None
        age = TTL_MINUTES[envelope.ttl] - index.until(index.expiry_of(row), minute)
        return envelope.carried(envelope.hops, max(age, envelope.age))

    def under(self, lock: bytes) -> list[bytes]:
        """Ids of the letters here that may be under ``lock``, or have such a proof: the index has 12 bits."""
        found = []
        slot = self._index.like(lock)
        while slot >= 0:
            row = self._index.row(slot)
            if not index.flags_of(row) & index.PROOF:
                found.append(index.id_of(row))
            slot = self._index.like(lock, slot + 1)
        return found

    def marked(self, mark: bytes, first: int = 0) -> "tuple[int, Envelope | None]":
        """(where to go on, envelope) of what may be the first from slot ``first`` on whose stop hash is
        ``mark``; None where it is not, and -1 behind the last."""
        slot = self._index.like(mark, first)
        if slot < 0:
            return -1, None
        proof = index.flags_of(self._index.row(slot)) & index.PROOF
        envelope = None if proof else self._read(slot)
        if envelope is not None and not (envelope.shared and envelope.proof_hash() == mark):
            envelope = None
        return slot + 1, envelope

    def has(self, identity: bytes) -> bool:
        """Whether the element is here."""
        return self._index.find(identity) >= 0

    def knows(self, identity: bytes) -> bool:
        """Whether the element is here or was, and is not wanted again."""
        return (
            self._index.find(identity) >= 0 or self._tombstones.has(identity) or self._unmatched.has(identity)
        )

    def rank(self, identity: bytes) -> int:
        """The rank of an element, 0 for bulk to 2 for urgent; -1 where it is not here."""
        row = self._index.row(self._index.find(identity))
        return index.flags_of(row) & index.RANK_MASK if row else -1

    def drop(self, identity: bytes) -> None:
        """Forget an element; the id of a letter is remembered."""
        slot = self._index.find(identity)
        if slot >= 0:
            self._forget(slot)

    # Proofs

    def prove(self, token: bytes, now: int, source: int = SOURCE_HOST) -> int:
        """Let a proof take the place of its envelopes: PROVED, KNOWN, UNMATCHED (remembered a while), or
        REFUSED (the store has no room)."""
        identity = proof_id(token)
        waiting = self._unmatched.has(identity)
        self._time(now)
        if self._index.find(identity) >= 0:
            return KNOWN
        digest = sha256(token)
        matches = self._proved(digest)
        if not matches:
            if waiting:
                return KNOWN
            self._unmatched.add(identity, digest, token, self._share(source, now))
            return UNMATCHED
        left = flags = ttl = 0
        for slot in matches:
            row = self._index.row(slot)
            if index.until(index.expiry_of(row), self._swept) >= left:
                left = index.until(index.expiry_of(row), self._swept)
                flags = index.flags_of(row)
                ttl = index.ttl_of(row)
        # The proof is written first: without it, what is gone could come back.
        record = _proof_record(token, self._swept + left, flags, ttl)
        try:
            place = self._append(record)
        except HedgerowError:
            return REFUSED
        for slot in matches:
            # No tombstone: who has the letter yet is to be met, and gets the proof for it.
            self._store.drop(index.place_of(self._take(slot)), False)
        self.counts[counts.PURGED] += len(matches)
        self._add_proof(token, place, self._swept + left, record)
        return PROVED

    def _keep(self, token: bytes, expiry: int, flags: int, ttl: int, minute: int) -> None:
        """Keep a proof whose envelope was never here."""
        record = _proof_record(token, expiry, flags, ttl)
        if self._make_room(len(record), proof_id(token), expiry, flags, ttl, minute, False):
            self._add_proof(token, self._append(record), expiry, record)

    def _add_proof(self, token: bytes, place: int, expiry: int, record: bytes) -> None:
        identity = proof_id(token)
        self._unmatched.forget(identity)
        self._unsafe.append(identity)
        self._add(identity, sha256(token), place, expiry, len(record), record[5], record[0] & 0x0F)

    def _proved(self, digest: bytes) -> list[int]:
        """Slots of the envelopes that a proof with this hash is about."""
        found = []
        for identity in self.under(digest):
            slot = self._index.find(identity)
            envelope = self._read(slot)
            if envelope is not None:
                known = envelope.proof_hash()
                if len(known) >= limits.LOCK_BYTES and digest[: len(known)] == known:
                    found.append(slot)
        return found

    def _proof_of(self, envelope: Envelope, minute: int) -> int:
        """The slot of the proof of ``envelope`` that is not over at ``minute``, or -1."""
        wanted = envelope.proof_hash()
        if len(wanted) < limits.LOCK_BYTES:
            return -1
        slot = self._index.like(wanted)
        while slot >= 0:
            row = self._index.row(slot)
            lives = index.flags_of(row) & index.PROOF and index.until(index.expiry_of(row), minute) > 0
            if lives and sha256(self._token(row))[: len(wanted)] == wanted:
                return slot
            slot = self._index.like(wanted, slot + 1)
        return -1

    def _token(self, row: bytes) -> bytes:
        try:
            token = self._store.read(index.place_of(row))[_RECORD_HEAD:]
        except OSError:
            return b""
        return token if proof_id(token) == index.id_of(row) else b""

    def proof(self, identity: bytes) -> bytes | None:
        """The token of a proof that is here, or None."""
        slot = self._index.find(identity)
        if slot < 0 or not index.flags_of(self._index.row(slot)) & index.PROOF:
            return None
        token = self._token(self._index.row(slot))
        if token:
            return token
        self.damaged += 1
        self._store.drop(index.place_of(self._take(slot)), True)
        return None

    def proof_of(self, envelope: Envelope) -> bytes:
        """The id of the proof that is here in place of ``envelope``; empty where there is none."""
        slot = self._proof_of(envelope, self._swept)
        return self._index.row(slot)[: limits.ID_BYTES] if slot >= 0 else b""

    # Time

    def _minute(self, now: int) -> int:
        """The minute now. A clock that goes back is not believed, but where a board's first guess was too
        high: what comes then would not age until the clock is there again."""
        minute = self.clock.minute(now)
        if minute < self._swept:
            if self._swept - minute > limits.M_CHECKPOINT_MINUTES:
                return self._swept
            self._swept = minute
        return minute

    def _time(self, now: int) -> int:
        """The minute now; after a jump that a row's expiry could not tell, what is over goes first."""
        minute = self._minute(now)
        if minute - self._swept >= limits.TTL_MINUTES // 2:
            self._sweep(minute)
        return minute

    def expire(self, now: int) -> int:
        """Let go what is past its lifetime; how many."""
        return self._sweep(self._minute(now))

    def _sweep(self, minute: int) -> int:
        everything = minute - self._swept >= limits.TTL_MINUTES
        self._swept = minute
        count = 0
        for slot in self._index.slots():
            if everything or index.until(index.expiry_of(self._index.row(slot)), minute) <= 0:
                # Its record says when it is over: no note is needed. Nor a tombstone: it ends everywhere.
                self._store.drop(index.place_of(self._take(slot)), False)
                count += 1
        self.counts[counts.EXPIRED] += count
        for identity in self._tombstones.expire(minute, everything):
            self._fold(identity)
        return count

    # What others want to know

    def horizon(self, now: int) -> int:
        """What is before this in the order (``index.order``) would not be kept; 0 where anything may be."""
        if self.admission is None or self.load() < _SPARE or self.admission.flooded(now):
            return 0
        return self._index.horizon(self._time(now))

    def offer(
        self, cursor: int, most: int, now: int = 0, horizon: int = 0, last: bool = False
    ) -> "tuple[bytes, int]":
        """(at most ``most`` ids joined, the next cursor or -1), urgent first and nothing that is before
        ``horizon`` in the order; ``cursor`` is 0 at first. What has made its ``last`` hop is for nobody else:
        offered, it would hide what is behind it."""
        out = bytearray()
        mask = index.RANK_MASK | (0 if last else index.LAST)
        rank = index.RANKS - 1 - (cursor >> 16)
        first = cursor & 0xFFFF
        minute = self._minute(now) if horizon else 0
        while rank >= 0:
            for slot in self._index.slots(first):
                row = self._index.row(slot)
                if index.flags_of(row) & mask == rank and (
                    not horizon or index.order(rank, self._index.age(slot, minute)) >= horizon
                ):
                    if len(out) >= most * limits.ID_BYTES:
                        return bytes(out), (index.RANKS - 1 - rank) << 16 | slot
                    out += index.id_of(row)
            rank -= 1
            first = 0
        return bytes(out), -1

    def ids(self) -> list[bytes]:
        """Ids of what is here, proofs included, urgent first."""
        flat = self.offer(0, self.max_count, last=True)[0]
        return [flat[at : at + limits.ID_BYTES] for at in range(0, len(flat), limits.ID_BYTES)]

    def summary(self) -> bytes:
        """4 bytes that are equal where the same letters are known: whoever has others is to be met. Proofs
        do not count: they are of use only to who has their letter, and that shows."""
        return bytes(self._summary)

    def count(self) -> int:
        """How many elements are here."""
        return len(self._index)

    def proof_count(self) -> int:
        """How many of them are proofs."""
        return self._index.proofs

    def held_bytes(self) -> int:
        """How many bytes of records are here, in steps of 8."""
        return self._index.used * index.STEP

    def known_count(self) -> int:
        """How many ids the summary covers."""
        return len(self._index) - self._index.proofs + len(self._tombstones)

    def load(self) -> int:
        """How full the shelf is: 0 to 255."""
        return max(
            len(self._index) * 255 // max(self.max_count, 1), self._index.used * 255 // self._max_steps
        )

    def new_since(self, serial: int) -> "tuple[int, list[bytes] | None]":
        """(serial now, ids that came after ``serial`` in their order, or None where those are too many)."""
        size = limits.ID_BYTES
        first = len(self._fresh) - (self.serial - serial) * size
        if first < 0:
            return self.serial, None
        places = range(first, len(self._fresh), size)
        return self.serial, [bytes(self._fresh[at : at + size]) for at in places]

    def checkpoint(self, now: int) -> None:
        """Let the store remember the time, and flush. HedgerowError as in ``flush``."""
        self._dirty = True
        self.flush(now)

    def flush(self, now: int) -> None:
        """Return when everything kept survives a loss of power. HedgerowError where it cannot: what came
        since the last flush is then not here."""
        if not self._dirty:
            return
        try:
            self._store.flush(self.clock.minute(now))
        except OSError as error:
            for identity in self._unsafe:
                slot = self._index.find(identity)
                if slot >= 0:
                    self._store.drop(index.place_of(self._take(slot)), False)
            self._unsafe = []
            self._dirty = False
            raise HedgerowError("the shelf cannot be written: " + str(error))
        # Not where the memory ended: the next link to be acknowledged flushes then.
        self._unsafe = []
        self._dirty = False
