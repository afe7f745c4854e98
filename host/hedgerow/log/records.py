"""Entries as rows of the table, and back."""

from dataclasses import dataclass
from typing import Any

from hedgerow.log.bounds import ID_BYTES, KNOWN
from hedgerow.log.canonical import Entry
from hedgerow.log.table import PROVISIONAL, WRONG, Known, Table
from hedgerow_core.errors import PeerError

COLUMNS = "place, id, author, sequence, clock, kind, state, links, signature, body"
_EXPLICIT = 0xFE  # ``previous`` is not one of the parents
_NONE = 0xFF
_KEY_BYTES = 8


@dataclass(slots=True)
class Record:
    """An entry as it is kept. Where ``readable`` is false its body did not open, and stands here empty."""

    entry: Entry
    place: int
    state: int
    readable: bool

    @property
    def provisional(self) -> bool:
        """Whether some of its past is not here yet."""
        return bool(self.state & PROVISIONAL)

    @property
    def refused(self) -> bool:
        """Whether it is no part of the order: its clock is wrong, or its author may not write it."""
        return self.state >= WRONG


def key_of(entry_id: bytes) -> int:
    """What the index holds of an id; ids that begin alike have the same."""
    return int.from_bytes(entry_id[:_KEY_BYTES], "big", signed=True)


def links_of(entry: Entry) -> bytes:
    """Parents, previous and references in one row's cell."""
    if entry.previous is None:
        mark, previous = _NONE, b""
    elif entry.previous in entry.parents:
        mark, previous = entry.parents.index(entry.previous), b""
    else:
        mark, previous = _EXPLICIT, entry.previous
    return bytes((len(entry.parents), mark)) + b"".join(entry.parents) + previous + b"".join(entry.references)


def ids_in(links: bytes) -> tuple[tuple[bytes, ...], bytes | None, tuple[bytes, ...]]:
    """(parents, previous, references): the reverse of ``links_of``."""
    ids = [links[at : at + ID_BYTES] for at in range(2, len(links), ID_BYTES)]
    count, mark = links[0], links[1]
    if mark == _EXPLICIT:
        return tuple(ids[:count]), ids[count], tuple(ids[count + 1 :])
    return tuple(ids[:count]), None if mark == _NONE else ids[mark], tuple(ids[count:])


class Rows:
    """One log's rows as records."""

    def __init__(self, table: Table, log: int, name: bytes) -> None:
        self._table = table
        self._log = log
        self._name = name
        self._keys: dict[int, bytes] = {}
        self._numbers: dict[bytes, int] = {}
        table.when_changed(self._forget)

    def _forget(self) -> None:
        self._numbers.clear()
        self._keys.clear()

    def author_key(self, author: int) -> bytes:
        """The key of an author by number."""
        key = self._keys.get(author)
        if key is None:
            row = self._table.row("SELECT key FROM log_authors WHERE author = ?", author)
            key = self._keys[author] = b"" if row is None else row[0]
        return key

    def author_number(self, key: bytes) -> int:
        """The number of an author who is known, or 0."""
        number = self._numbers.get(key, 0)
        if not number:
            row = self._table.row("SELECT author FROM log_authors WHERE key = ?", key)
            if row is not None:
                number = self._numbers[key] = row[0]
        return number

    def introduce(self, key: bytes) -> int:
        """The number of an author, a new one where needed; within a transaction."""
        number = self.author_number(key)
        if not number:
            number = self._table.run("INSERT INTO log_authors (key) VALUES (?)", key)
            self._numbers[key] = number
        return number

    def insert(self, entry: Entry, state: int, lift: int) -> int:
        """Keep an entry; its place."""
        return self._table.run(
            "INSERT INTO log_entries"
            " (log, key, id, author, sequence, clock, kind, state, lift, links, signature, body)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            self._log,
            key_of(entry.id),
            entry.id,
            self.introduce(entry.author),
            entry.sequence,
            entry.clock,
            entry.kind,
            state,
            lift,
            links_of(entry),
            entry.signature,
            self._table.cipher.seal(entry.body, entry.id),
        )

    def read(self, row: tuple[Any, ...]) -> Record:
        """The record of a row of ``COLUMNS``."""
        place, entry_id, author, sequence, clock, kind, state, links, signature, sealed = row
        parents, previous, references = ids_in(links)
        try:
            body, readable = self._table.cipher.open(sealed, entry_id), True
        except PeerError:
            body, readable = b"", False
        entry = Entry(
            self._name,
            self.author_key(author),
            sequence,
            clock,
            parents,
            previous,
            references,
            kind,
            body,
            signature,
            entry_id,
        )
        return Record(entry, place, state, readable)

    def known(self, entry_id: bytes) -> Known | None:
        """What there is to know of an entry that is here, or was removed behind a snapshot."""
        memory = self._table.known.setdefault(self._log, {})
        found = memory.get(entry_id)
        if found is None:
            key = key_of(entry_id)
            for place, clock, state, full in self._table.rows(
                "SELECT place, clock, state, id FROM log_entries WHERE key = ? AND +log = ?", key, self._log
            ):
                if full == entry_id:
                    found = Known(place, clock, state)
            if found is None:
                row = self._table.row(
                    "SELECT clock, clock > base FROM log_pruned JOIN log_logs USING (log)"
                    " WHERE log = ? AND key = ?",
                    self._log,
                    key,
                )
                if row is not None:
                    found = Known(0, row[0], WRONG if row[1] else 0)
            if found is not None:
                self.remember(entry_id, found)
        return found

    def remember(self, entry_id: bytes, known: Known) -> None:
        """Keep in memory what will be asked for soon."""
        memory = self._table.known.setdefault(self._log, {})
        if len(memory) >= KNOWN:
            for old in list(memory)[: KNOWN // 2]:
                del memory[old]
        memory[entry_id] = known

    def parents(self, place: int) -> list[int]:
        """Places of the parents that are here."""
        row = self._table.row("SELECT links FROM log_entries WHERE place = ?", place)
        found = [] if row is None else [self.known(parent) for parent in ids_in(row[0])[0]]
        return [known.place for known in found if known is not None and known.place]

    def find(self, entry_id: bytes) -> Record | None:
        """The record of an entry, refused ones too."""
        for row in self._table.rows(
            f"SELECT {COLUMNS} FROM log_entries WHERE key = ? AND +log = ? AND id = ?",
            key_of(entry_id),
            self._log,
            entry_id,
        ):
            return self.read(row)
        return None

    def at(self, place: int) -> Record | None:
        """The record at a place."""
        row = self._table.row(f"SELECT {COLUMNS} FROM log_entries WHERE place = ?", place)
        return None if row is None else self.read(row)

    def count(self) -> int:
        """How many entries are in the order, those held back too."""
        row = self._table.row("SELECT count(*) FROM log_entries WHERE log = ? AND state < 2", self._log)
        assert row is not None
        return int(row[0])

    def newer(self, place: int, rest: str, *values: object) -> list[Record]:
        """Records that came after ``place``, in the order in which they came."""
        # The plus keeps SQLite from sorting the whole log.
        query = f"SELECT {COLUMNS} FROM log_entries WHERE +log = ? AND place > ? {rest}"
        return [self.read(row) for row in self._table.rows(query, self._log, place, *values)]

    def select(self, rest: str, *values: object) -> list[Record]:
        """Records by the rest of a query behind ``WHERE log = ?``."""
        query = f"SELECT {COLUMNS} FROM log_entries WHERE log = ? {rest}"
        return [self.read(row) for row in self._table.rows(query, self._log, *values)]
