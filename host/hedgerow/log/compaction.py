"""Compaction: a signed snapshot says what stands behind it, and those entries leave the disk (docs/log.md).

    [version, log, author, base, [[key, sequence] ..], [[id, clock, kept, [sequence ..]] ..],
     [[store, state] ..], signature]

as deterministic CBOR. Everything of an author up to its sequence is behind the snapshot, ``base`` is the
highest clock of that. Next are the entries that others go on from, each with what it had seen of the authors;
those that are ``kept`` stay as they are: heads, the newest of each author, what access rules look for; 2
where something that left follows them. The stores' states are those after what is behind the snapshot.
"""

from dataclasses import dataclass

from nacl import bindings
from nacl.exceptions import CryptoError

from hedgerow.log import bounds
from hedgerow.log.canonical import Sign
from hedgerow.log.errors import NoSnapshotYet
from hedgerow.log.graph import Graph
from hedgerow.log.records import Rows, key_of, targets
from hedgerow.log.table import Table
from hedgerow_core import cbor
from hedgerow_core.errors import AuthError, PeerError, VersionError

VERSION = 1
_CONTEXT = b"hedgerow log snapshot 1\0"
_FIELDS = 8
GONE, KEPT, FOLLOWED = range(3)


@dataclass(frozen=True)
class Mark:
    """An entry that others go on from; ``seen`` are the sequences of the snapshot's authors in its past."""

    id: bytes
    clock: int
    kept: int
    seen: tuple[int, ...]


@dataclass(frozen=True)
class Snapshot:
    """What ``encode`` writes. ``covered`` has an author's key and the last sequence that is behind it."""

    log: bytes
    author: bytes
    base: int
    covered: tuple[tuple[bytes, int], ...]
    marks: tuple[Mark, ...]
    folds: tuple[tuple[str, bytes], ...]
    signature: bytes = b""

    def _unsigned(self) -> bytes:
        fields = [
            VERSION,
            self.log,
            self.author,
            self.base,
            [[*pair] for pair in self.covered],
            [[mark.id, mark.clock, mark.kept, [*mark.seen]] for mark in self.marks],
            [[*pair] for pair in self.folds],
        ]
        return cbor.write_head(4, _FIELDS) + b"".join(map(cbor.encode, fields))

    def signed(self, sign: Sign) -> "Snapshot":
        """The same with its author's signature."""
        signature = sign(_CONTEXT + self._unsigned())
        return Snapshot(self.log, self.author, self.base, self.covered, self.marks, self.folds, signature)

    def encode(self) -> bytes:
        """The bytes that are kept and handed on."""
        return self._unsigned() + cbor.encode(self.signature)


def decode(data: bytes) -> Snapshot:
    """Read a snapshot. VersionError for a later version, PeerError where it is damaged, AuthError where its
    author did not sign it."""
    if len(data) > bounds.SNAPSHOT_BYTES:
        raise PeerError("a snapshot that is too long")
    found = cbor.decode(data)
    if not isinstance(found, list) or not found or type(found[0]) is not int:
        raise PeerError("not a snapshot")
    if found[0] != VERSION:
        raise VersionError("a snapshot of another version")
    try:
        _, log, author, base, covered, marks, folds, signature = found
        snapshot = Snapshot(
            _bytes(log, bounds.LOG_ID_BYTES),
            _bytes(author, bounds.AUTHOR_BYTES),
            _number(base),
            tuple((_bytes(key, bounds.AUTHOR_BYTES), _number(sequence)) for key, sequence in covered),
            tuple(
                Mark(
                    _bytes(name, bounds.ID_BYTES),
                    _number(clock),
                    _number(kept),
                    tuple(map(_number, seen)),
                )
                for name, clock, kept, seen in marks
            ),
            tuple((str(name), _bytes(state, None)) for name, state in folds),
            _bytes(signature, bounds.SIGNATURE_BYTES),
        )
    except (TypeError, ValueError):
        raise PeerError("not a snapshot") from None
    if snapshot.encode() != data or any(len(mark.seen) != len(snapshot.covered) for mark in snapshot.marks):
        raise PeerError("not a snapshot")
    try:
        bindings.crypto_sign_open(signature + _CONTEXT + snapshot._unsigned(), snapshot.author)
    except (CryptoError, ValueError):
        raise AuthError("a snapshot that its author did not sign") from None
    return snapshot


def _bytes(value: object, size: int | None) -> bytes:
    if not isinstance(value, bytes) or size not in (None, len(value)):
        raise ValueError
    return value


def _number(value: object) -> int:
    if type(value) is not int or not 0 <= value <= bounds.CLOCK_MAX:
        raise ValueError
    return value


class Compaction:
    """The compaction of one log; all is a part of its caller's transaction, between load and save."""

    def __init__(self, table: Table, log: int, name: bytes, rows: Rows, graph: Graph) -> None:
        self._table = table
        self._log = log
        self._name = name
        self._rows = rows
        self._graph = graph

    def behind(self, clock: int) -> tuple[int, dict[int, int]]:
        """(base, last sequences by author's number) of what a snapshot up to ``clock`` has behind it.

        NoSnapshotYet where that is nothing. It ends before the first entry whose past is not all here.
        """
        row = self._table.row("SELECT min(clock) FROM log_entries WHERE log = ? AND state = 1", self._log)
        if row is not None and row[0] is not None:
            clock = min(clock, row[0] - 1)
        covered = dict(
            self._table.rows(
                "SELECT author, max(sequence) FROM log_entries WHERE log = ? AND state = 0 AND clock <= ?"
                " GROUP BY author",
                self._log,
                clock,
            )
        )
        for author, sequence in self._table.rows(
            "SELECT author, sequence FROM log_covered WHERE log = ?", self._log
        ):
            covered[author] = max(covered.get(author, 0), sequence)
        if not self._leaving(clock, covered):
            raise NoSnapshotYet()
        return clock, covered

    def _kept(self) -> set[int]:
        """Places that stay whatever is behind a snapshot."""
        rows = self._table.rows(
            "SELECT place FROM log_entries AS one WHERE log = ? AND state < 2 AND sequence ="
            " (SELECT max(sequence) FROM log_entries AS other WHERE other.log = one.log"
            " AND other.author = one.author AND other.lift <> 1 AND other.state < 2)",
            self._log,
        )
        return {place for (place,) in rows} | self._graph.meta.heads

    def _leaving(self, clock: int, covered: dict[int, int]) -> list[tuple[int, bytes, int]]:
        """(place, id, clock) of what leaves."""
        kept = self._kept()
        return [
            (place, entry_id, ticks)
            for place, entry_id, ticks, author, sequence in self._table.rows(
                "SELECT place, id, clock, author, sequence FROM log_entries WHERE log = ? AND clock <= ?"
                f" AND state <> 1 AND kind >= {bounds.RULE_KINDS}",
                self._log,
                clock,
            )
            if place not in kept and sequence <= covered.get(author, 0)
        ]

    def marks(self, base: int, covered: dict[int, int]) -> tuple[Mark, ...]:
        """What stays, or is followed by what stays, with its past."""
        leaving = {place for place, _, _ in self._leaving(base, covered)}
        found: dict[bytes, Mark] = {}

        followed = {parent for place in leaving for parent in self._rows.parents(place)}

        def mark(entry_id: bytes, clock: int, kept: int, vector: dict[int, int]) -> None:
            seen = tuple(vector.get(author, 0) for author in covered)
            found.setdefault(entry_id, Mark(entry_id, clock, kept, seen))

        for record in self._rows.select("AND state < 2"):
            entry = record.entry
            if record.place in leaving:
                continue
            number = self._rows.author_number(entry.author)
            if entry.clock <= base and entry.sequence <= covered.get(number, 0):
                kept = FOLLOWED if record.place in followed or self._rows.followed(record.place) else KEPT
                mark(entry.id, entry.clock, kept, self._graph.pasts.vector(record.place))
            for parent in entry.parents:
                known = self._rows.known(parent)
                if known is not None and known.place in leaving:
                    mark(parent, known.clock, GONE, self._graph.pasts.vector(known.place))
                elif known is not None and not known.place:
                    mark(parent, known.clock, GONE, self._rows.buried_vector(parent) or {})
        return tuple(sorted(found.values(), key=lambda one: one.id))

    def prune(self, snapshot: Snapshot, data: bytes) -> int:
        """Let what is behind the snapshot leave the disk; how many entries."""
        covered = {self._rows.introduce(key): sequence for key, sequence in snapshot.covered}
        for author, sequence in covered.items():
            self._table.run(
                "INSERT INTO log_covered VALUES (?, ?, ?) ON CONFLICT DO UPDATE"
                " SET sequence = max(sequence, excluded.sequence)",
                self._log,
                author,
                sequence,
            )
        leaving = self._leaving(snapshot.base, covered)
        gone = {place for place, _, _ in leaving}
        self._rewrite(gone)
        self._table.run("UPDATE log_pruned SET id = NULL, kept = 0, vector = NULL WHERE log = ?", self._log)
        for mark in snapshot.marks:
            vector = {author: seen for author, seen in zip(covered, mark.seen, strict=True) if seen}
            self._table.run(
                "INSERT INTO log_pruned (log, key, id, clock, kept, vector) VALUES (?, ?, ?, ?, ?, ?)"
                " ON CONFLICT DO UPDATE SET id = excluded.id, kept = excluded.kept, vector = excluded.vector",
                self._log,
                key_of(mark.id),
                mark.id,
                mark.clock,
                mark.kept,
                cbor.encode(vector),
            )
        for place, entry_id, clock in leaving:
            self._table.run(
                "INSERT OR IGNORE INTO log_pruned (log, key, clock) VALUES (?, ?, ?)",
                self._log,
                key_of(entry_id),
                clock,
            )
            self._table.run("DELETE FROM log_edges WHERE parent = ? OR child = ?", place, place)
            self._table.run("DELETE FROM log_waits WHERE source = ?", place)
            self._table.run("DELETE FROM log_vectors WHERE place = ?", place)
        for mark in snapshot.marks:
            known = self._rows.known(mark.id)
            if mark.kept == FOLLOWED and known is not None and known.place:
                self._graph.follow(known.place)
        shown = 0
        for place in sorted(gone):
            row = self._table.row("SELECT state FROM log_entries WHERE place = ?", place)
            assert row is not None
            shown += row[0] < 2
            self._table.run("DELETE FROM log_entries WHERE place = ?", place)
        meta = self._graph.meta
        meta.count -= shown
        meta.base, meta.tip = max(meta.base, snapshot.base), max(meta.tip, snapshot.base)
        meta.epoch += 1
        sealed = self._table.cipher.seal(data, self._name + b"snapshot")
        self._table.run("INSERT OR REPLACE INTO log_snapshots VALUES (?, ?)", self._log, sealed)
        return shown

    def _rewrite(self, gone: set[int]) -> None:
        """What names an entry that leaves names it by its id from now on."""
        for place, links in self._table.rows("SELECT place, links FROM log_entries WHERE log = ?", self._log):
            if place not in gone and not gone.isdisjoint(
                one for one in targets(links, place) if isinstance(one, int)
            ):
                changed = self._rows.relinked(links, place, gone)
                self._table.run("UPDATE log_entries SET links = ? WHERE place = ?", changed, place)
