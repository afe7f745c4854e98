"""The log of a conversation: append, join, heads, order (docs/log.md).

Long, for all of these keep heads, order and what waits in step; checking, storing and compacting have
modules.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from nacl import bindings

from hedgerow.log import bounds, canonical, compaction, pages, verification
from hedgerow.log import gaps as missing
from hedgerow.log.access import Access, everybody
from hedgerow.log.canonical import Entry, Sign
from hedgerow.log.ciphers import Cipher
from hedgerow.log.compaction import Compaction, Snapshot
from hedgerow.log.errors import (
    BehindSnapshot,
    LogReadOnly,
    NotAllowed,
    NotTrusted,
    SnapshotBehind,
    StoreNotNamed,
    TooLarge,
    UnknownEntry,
)
from hedgerow.log.graph import ADDED, DUPLICATE, Graph, Meta
from hedgerow.log.operations import OPERATION, store_of
from hedgerow.log.records import Record, Rows
from hedgerow.log.table import PROVISIONAL, WRONG, Table
from hedgerow_core.errors import LimitError, PeerError


@dataclass(frozen=True)
class Author:
    """Who writes: an Ed25519 public key and what signs for it. In a log without signatures nothing signs."""

    key: bytes
    sign: Sign

    @classmethod
    def from_seed(cls, seed: bytes) -> "Author":
        """The author of a 32-byte Ed25519 seed."""
        public, secret = bindings.crypto_sign_seed_keypair(seed)
        return cls(public, lambda message: bindings.crypto_sign(message, secret)[: bounds.SIGNATURE_BYTES])


@dataclass(frozen=True)
class Refusal:
    """An entry that a join left out: which of those that were given, and why."""

    index: int
    reason: str


@dataclass
class Joined:
    """What became of the entries of a join. ``pruned`` are behind the snapshot that was taken over."""

    added: int = 0
    duplicates: int = 0
    pruned: int = 0
    refused: list[Refusal] = field(default_factory=list)


class Foldable(Protocol):
    """A store: its name, by what its state is kept, and its state after some more entries."""

    name: str

    @property
    def label(self) -> str:
        """By what its state is kept."""

    def fold(self, entries: Iterable[Entry]) -> bytes:
        """The state behind the snapshot that there is, and ``entries``."""


def _all_named(entries: list[Entry], names: set[str]) -> None:
    for entry in entries:
        if entry.kind == OPERATION and (name := store_of(entry.body)) is not None and name not in names:
            raise StoreNotNamed(name=name)


class Log:
    """One conversation's entries. Not for several threads at once; several programs may open one file."""

    def __init__(
        self,
        table: Table,
        name: bytes,
        author: Author | None = None,
        access: Access = everybody,
        signed: bool = True,
    ) -> None:
        """The log ``name`` (32 bytes) of an open table, a new one where it has none. LimitError for a name.

        No entry is read. ``signed`` counts for a new log: false where the ratchet tells who wrote.
        """
        if len(name) != bounds.LOG_ID_BYTES:
            raise LimitError("a log's id has 32 bytes")
        row = table.row("SELECT log, signed FROM log_logs WHERE name = ?", name)
        if row is None:
            table.run("INSERT OR IGNORE INTO log_logs (name, signed) VALUES (?, ?)", name, int(signed))
            row = table.row("SELECT log, signed FROM log_logs WHERE name = ?", name)
        assert row is not None
        self.name = name
        self.author = author
        self.table = table
        self.number = int(row[0])
        self.signed = bool(row[1])
        self.rows = Rows(table, self.number, name)
        self.graph = Graph(table, self.number, self.rows, access)
        self.compaction = Compaction(table, self.number, name, self.rows, self.graph)

    @classmethod
    def open(
        cls,
        path: Path | str,
        name: bytes,
        author: Author | None = None,
        access: Access = everybody,
        signed: bool = True,
        cipher: Cipher | None = None,
        durable: bool = True,
    ) -> "Log":
        """A log in a file of its own; the errors of ``Table.open``."""
        return cls(Table.open(path, cipher, durable), name, author, access, signed)

    def close(self) -> None:
        """Close the file."""
        self.table.close()

    def __enter__(self) -> "Log":
        return self

    def __exit__(self, *details: object) -> None:
        self.close()

    # Writing

    def append(self, body: bytes, kind: int = 0x100) -> Entry:
        """Write an entry behind all that is known. LogReadOnly, NotAllowed, TooLarge.

        When this returns the entry is on the disk.
        """
        if self.author is None:
            raise LogReadOnly()
        if len(body) > bounds.BODY_BYTES:
            raise TooLarge(limit=bounds.BODY_BYTES, size=len(body))
        key, sign = self.author.key, self.author.sign if self.signed else None
        with self.table.transaction():
            tail = self.graph.tail(key)
            if tail is not None:
                sequence = tail.sequence + 1
                names = self._references(key, sequence, tail.recent, "")
                ids, clock = [tail.id], tail.clock + 1
                entry = canonical.make(self.name, key, sequence, clock, ids, tail.id, names, kind, body, sign)
                if not self.graph.extend(tail, entry):
                    raise NotAllowed()
                return entry
            meta = self.graph.load()
            parents = self._parents(meta)
            sequence, previous, names = self._own(key, meta)
            clock = 1 + max((clock for _, clock in parents), default=0)
            ids = [entry_id for entry_id, _ in parents]
            entry = canonical.make(self.name, key, sequence, clock, ids, previous, names, kind, body, sign)
            self.graph.add(entry)
            known = self.rows.known(entry.id)
            if known is None or known.state >= WRONG:
                raise NotAllowed()
            self.graph.save()
            self.graph.end(entry)
        return entry

    def _parents(self, meta: Meta) -> list[tuple[bytes, int]]:
        """Ids and clocks of what a new entry joins: the heads, but none with a clock beyond belief."""
        found: dict[int, tuple[int, bytes]] = {}
        todo, provisional = sorted(meta.heads), False
        met = set(todo)
        while todo and len(met) < bounds.APPEND_LOOKS:
            place = todo.pop()
            row = self.table.row("SELECT id, clock, state, lift FROM log_entries WHERE place = ?", place)
            assert row is not None
            entry_id, clock, state, lift = row
            if clock >= meta.limit or (state & PROVISIONAL and lift > meta.tip + bounds.CLOCK_TRUST):
                for parent in self.rows.parents(place):
                    if parent not in met:
                        met.add(parent)
                        todo.append(parent)
            elif state < WRONG:
                provisional = provisional or bool(state & PROVISIONAL)
                found[place] = (clock, entry_id)
        best = sorted(found.values(), reverse=True)[: bounds.PARENTS]
        if provisional:
            # What is beyond doubt stands beside it: see ``Graph._clock_state``.
            row = self.table.row(
                "SELECT clock, id FROM log_entries WHERE log = ? AND clock = ? AND state < 2 AND state = 0",
                self.number,
                meta.tip,
            )
            if row is not None and row not in best:
                best = [*best[: bounds.PARENTS - 1], row]
        return [(entry_id, clock) for clock, entry_id in best]

    def _own(self, key: bytes, meta: Meta) -> tuple[int, bytes | None, list[bytes]]:
        """(sequence, previous, references) of an author's next entry; thieves of the key do not count."""
        trust = meta.tip + bounds.CLOCK_TRUST
        believed = f" AND state < 2 AND +clock < {meta.limit} AND lift <= {trust}"
        row = self.table.row(
            "SELECT id, sequence FROM log_entries WHERE log = ? AND author = ? AND lift <> 1"
            f"{believed} ORDER BY sequence DESC, place LIMIT 1",
            self.number,
            self.rows.author_number(key),
        )
        covered = self._covered().get(key, 0)
        if (row is None and covered) or (row is not None and row[1] < covered):
            raise BehindSnapshot()
        if row is None:
            return 1, None, []
        previous, sequence = row[0], row[1] + 1
        return sequence, previous, self._references(key, sequence, {}, believed)

    def _references(self, key: bytes, sequence: int, recent: dict[int, bytes], believed: str) -> list[bytes]:
        """The author's entries a power of two before ``sequence``, as far as they are there."""
        found: list[bytes] = []
        for power in range(1, canonical.reference_count(sequence) + 1):
            older = sequence - (1 << power)
            name = recent.get(older)
            if name is None:
                row = self.table.row(
                    "SELECT id FROM log_entries WHERE log = ? AND author = ? AND sequence = ?"
                    f" AND lift <> 1{believed} ORDER BY place LIMIT 1",
                    self.number,
                    self.rows.author_number(key),
                    older,
                )
                name = None if row is None else row[0]
            if name is None or name in found:
                break
            found.append(name)
        return found

    def join(self, entries: Iterable[bytes | Entry]) -> Joined:
        """Take in entries in any order, duplicates too. What is bad is left out and does no harm to the rest.

        Each thousand is one transaction.
        """
        result = Joined()
        batch: list[tuple[int, Entry]] = []
        for index, given in enumerate(entries):
            try:
                entry = given if isinstance(given, Entry) else canonical.decode(given)
                self._fits(entry)
            except PeerError as error:
                result.refused.append(Refusal(index, str(error)))
                continue
            batch.append((index, entry))
            if len(batch) >= bounds.JOIN_ENTRIES:
                self._join(batch, result)
                batch = []
        self._join(batch, result)
        result.refused.sort(key=lambda refusal: refusal.index)
        return result

    def _fits(self, entry: Entry) -> None:
        if entry.log != self.name:
            raise PeerError("an entry of another log")
        if bool(entry.signature) != self.signed:
            raise PeerError("an entry without a signature" if self.signed else "an entry with a signature")

    def _join(self, batch: list[tuple[int, Entry]], result: Joined) -> None:
        self.table.refresh()
        new = [item for item in batch if self.rows.known(item[1].id) is None or self.rows.awaited(item[1].id)]
        result.duplicates += len(batch) - len(new)
        if not new:
            return
        if self.signed:
            good = verification.authentic_all([entry for _, entry in new])
            for (index, _), authentic in zip(new, good, strict=True):
                if not authentic:
                    result.refused.append(Refusal(index, "a signature that is not authentic"))
            new = [item for item, authentic in zip(new, good, strict=True) if authentic]
        # Parents first: then next to nothing waits.
        new.sort(key=lambda item: item[1].clock)
        counts = {ADDED: 0, DUPLICATE: 0}
        with self.table.transaction():
            self.graph.load()
            for _, entry in new:
                what = self.graph.add(entry)
                counts[what] = counts.get(what, 0) + 1
            self.graph.save()
        result.added += counts.pop(ADDED)
        result.duplicates += counts.pop(DUPLICATE)
        result.pruned += sum(counts.values())

    def join_log(self, other: "Log") -> Joined:
        """Take in what another log of the same conversation has and this one has not."""
        found = sorted(other.beyond(self), key=lambda entry: entry.clock)
        return self.join([*found])

    def beyond(self, other: "Log") -> Iterator[Entry]:
        """The entries of this log that ``other`` has not, found by walking back from the heads."""
        todo = [entry.id for entry in self.heads()]
        todo += [gap.id for gap in other.gaps() if self.rows.known(gap.id) is not None]
        todo += other.rows.all_awaited()
        met = set(todo)
        while todo:
            entry_id = todo.pop()
            if other.rows.known(entry_id) is not None and not other.rows.awaited(entry_id):
                continue
            record = self.rows.find(entry_id)
            if record is None or not record.readable:
                continue
            yield record.entry
            for parent in record.entry.parents:
                if parent not in met:
                    met.add(parent)
                    todo.append(parent)

    def judge_again(self, author: bytes | None = None) -> None:
        """Ask the access rule once more, where what it depends on changed: of one author, or of all."""
        with self.table.transaction():
            self.graph.load()
            self.graph.judge_again(author)
            self.graph.save()

    # Reading

    @property
    def meta(self) -> Meta:
        """Counts and heads as they are now."""
        self.table.refresh()
        return self.graph.load()

    def __len__(self) -> int:
        """How many entries are shown."""
        meta = self.meta
        return meta.count - meta.far

    def __contains__(self, entry_id: bytes) -> bool:
        """Whether an entry is here, refused ones too."""
        known = self.rows.known(entry_id)
        return known is not None and known.place > 0

    def get(self, entry_id: bytes) -> Record:
        """An entry, refused ones too. UnknownEntry."""
        record = self.rows.find(entry_id)
        if record is None:
            raise UnknownEntry(entry=entry_id.hex())
        return record

    def heads(self) -> list[Entry]:
        """The entries that no other follows, in the total order."""
        records = [self.rows.at(place) for place in self.meta.heads]
        return sorted(
            (record.entry for record in records if record is not None), key=lambda entry: entry.order
        )

    def records(
        self,
        after: tuple[int, bytes] | None = None,
        before: tuple[int, bytes] | None = None,
        newest_first: bool = False,
        kind: int | None = None,
        author: bytes | None = None,
    ) -> Iterator[Record]:
        """The entries between two places of the total order, both left out, oldest first.

        A place is ``Entry.order``, of any entry or of none. They are read page by page.
        """
        number = None if author is None else self.rows.author_number(author)
        return pages.read(self.rows, self.meta.limit, after, before, newest_first, kind, number)

    def entries(
        self,
        after: tuple[int, bytes] | None = None,
        before: tuple[int, bytes] | None = None,
        newest_first: bool = False,
        kind: int | None = None,
        author: bytes | None = None,
    ) -> Iterator[Entry]:
        """As ``records``, but the entries themselves."""
        for record in self.records(after, before, newest_first, kind, author):
            yield record.entry

    def last(self, count: int) -> list[Record]:
        """The newest entries, oldest of them first."""
        return pages.last(self.rows, self.meta.limit, count)

    def refused(self) -> list[Record]:
        """Entries that are here and no part of the order."""
        return self.rows.select("AND state >= 2 ORDER BY clock, id")

    # What stores stand on

    @property
    def body_bytes(self) -> int:
        """The most that the body of one entry has."""
        return bounds.BODY_BYTES

    def changes(self, place: int, epoch: int) -> tuple[int, Iterator[tuple[int, Entry]]]:
        """(epoch, entries with places) that came after ``place``; all where the epoch is another one."""
        now = self.meta.epoch
        newer = self.rows.newer(place if now == epoch else 0, "AND state < 2 ORDER BY place")
        covered = self._covered()
        return now, (
            (record.place, record.entry)
            for record in newer
            if record.readable and record.entry.sequence > covered.get(record.entry.author, 0)
        )

    def base_fold(self, key: str) -> bytes | None:
        """The state of a store behind the snapshot, where there is one."""
        found = self.snapshot()
        return None if found is None else dict(found.folds).get(key)

    def snapshot(self) -> Snapshot | None:
        """What stands for the entries that were removed; None where none were."""
        row = self.table.row("SELECT data FROM log_snapshots WHERE log = ?", self.number)
        if row is None:
            return None
        return compaction.decode(self.table.cipher.open(row[0], self.name + b"snapshot"))

    def _covered(self) -> dict[bytes, int]:
        """The last sequence of each author that is behind the snapshot."""
        rows = self.table.rows("SELECT author, sequence FROM log_covered WHERE log = ?", self.number)
        return {self.rows.author_key(author): sequence for author, sequence in rows}

    def compact(self, clock: int, stores: Iterable[Foldable] = ()) -> Snapshot:
        """Remove the entries up to a clock, behind a snapshot that we sign; heads, the newest of each author
        and entries for access rules stay. ``stores`` are all those of the log, whose states go on from there.

        LogReadOnly, NoSnapshotYet, StoreNotNamed. Others give the snapshot to ``adopt``.
        """
        if self.author is None or not self.signed:
            raise LogReadOnly()
        with self.table.transaction():
            self.table.tails.pop(self.number, None)
            self.graph.load()
            base, behind = self.compaction.behind(clock)
            covered = dict(sorted(behind.items(), key=lambda item: self.rows.author_key(item[0])))
            keys = {self.rows.author_key(author): sequence for author, sequence in covered.items()}
            before = self._covered()
            leaving = [
                record.entry
                for record in self.records()
                if before.get(record.entry.author, 0)
                < record.entry.sequence
                <= keys.get(record.entry.author, 0)
            ]
            folds = [(store.label, store.fold(leaving)) for store in stores]
            _all_named(leaving, {store.name for store in stores})
            made = Snapshot(
                *(self.name, self.author.key, base, tuple(keys.items())),
                *(self.compaction.marks(base, covered), tuple(sorted(folds))),
            ).signed(self.author.sign)
            self.compaction.prune(made, made.encode())
            self.graph.save()
        self.table.changed()
        self.table.shrink()
        return made

    def adopt(self, data: bytes, trusted: Callable[[bytes], bool]) -> int:
        """Take over a snapshot of somebody's whom ``trusted``, asked with their key, says yes to; how many
        entries left the disk. PeerError for what is none, NotTrusted, SnapshotBehind."""
        found = compaction.decode(data)
        if found.log != self.name:
            raise PeerError("a snapshot of another log")
        if not trusted(found.author):
            raise NotTrusted()
        with self.table.transaction():
            self.table.tails.pop(self.number, None)
            self.graph.load()
            theirs = dict(found.covered)
            if any(sequence > theirs.get(key, 0) for key, sequence in self._covered().items()):
                raise SnapshotBehind()
            gone = self.compaction.prune(found, data)
            self.graph.save()
        self.table.changed()
        self.table.shrink()
        return gone

    def kept_fold(self, key: str) -> tuple[int, int, bytes] | None:
        """(place, epoch, state) of a store's snapshot, where there is one that holds."""
        row = self.table.row(
            "SELECT place, epoch, state FROM log_folds WHERE log = ? AND name = ?", self.number, key
        )
        if row is None or row[1] != self.meta.epoch:
            return None
        try:
            return row[0], row[1], self.table.cipher.open(row[2], self.name + key.encode())
        except PeerError:
            return None  # the log has all of it

    def keep_fold(self, key: str, place: int, epoch: int, state: bytes) -> None:
        """Keep a store's snapshot."""
        sealed = self.table.cipher.seal(state, self.name + key.encode())
        with self.table.transaction():
            self.table.run(
                "INSERT OR REPLACE INTO log_folds (log, name, place, epoch, state) VALUES (?, ?, ?, ?, ?)",
                *(self.number, key, place, epoch, sealed),
            )

    def gaps(self) -> list[missing.Gap]:
        """Entries that others name as their parents and that are not here."""
        self.table.refresh()
        return missing.find(self.rows, self.table, self.number)

    def wants(self, limit: int = bounds.WANTS) -> list[bytes]:
        """Ids to ask others for, most useful first."""
        self.table.refresh()
        found = [*self.rows.all_awaited(), *missing.wants(self.rows, self.table, self.number, limit)]
        return found[:limit]

    def forks(self) -> list[missing.Fork]:
        """Where an author wrote two entries with one sequence."""
        return missing.forks(self.rows, self.table, self.number)

    def path(self, entry_id: bytes, sequence: int) -> list[Entry]:
        """From an entry to an older one of its author, by references. UnknownEntry where that breaks.

        As ids are hashes, who believes the first entry can believe the last.
        """
        entry = self.get(entry_id).entry
        found = [entry]
        while entry.sequence > sequence:
            entry = verification.step(self.rows, entry, sequence)
            found.append(entry)
        return found

    def verify(self, told: Callable[[int], None] | None = None) -> list[str]:
        """Look at every entry: hashes, signatures, clocks, heads. Sentences on what is wrong; none where all
        is well. ``told`` is called with the number of entries that were looked at."""
        return verification.verify(self.rows, self.graph, self.signed, told)
