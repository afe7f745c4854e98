"""Entries as rows of the table, and back."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hedgerow.log.bounds import ID_BYTES, KNOWN
from hedgerow.log.canonical import Entry
from hedgerow.log.table import PROVISIONAL, WRONG, Known, Table
from hedgerow_core import cbor
from hedgerow_core.errors import PeerError

COLUMNS = "place, id, author, sequence, clock, kind, state, links, signature, body"
_EXPLICIT = 0xFE  # ``previous`` is not one of the parents
_NONE = 0xFF
_KEY_BYTES = 8
_FOUND_BYTES = 4  # of an id, in the index


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
    """What is kept of the id of an entry that was removed; ids that begin alike have the same."""
    return int.from_bytes(entry_id[:_KEY_BYTES], "big", signed=True)


def links_of(entry: Entry, place: int, place_of: Callable[[bytes], int]) -> bytes:
    """Parents, previous and references in one row's cell: how many places each is before ``place``, or 0 and
    the id where it has none."""
    if entry.previous is None:
        mark, names = _NONE, entry.parents
    elif entry.previous in entry.parents:
        mark, names = entry.parents.index(entry.previous), entry.parents
    else:
        mark, names = _EXPLICIT, (*entry.parents, entry.previous)
    found = [place_of(name) or name for name in (*names, *entry.references)]
    return _cell(len(entry.parents), mark, found, place)


def _cell(count: int, mark: int, found: list[int | bytes], place: int) -> bytes:
    """The cell of places and ids."""
    cell = bytearray((count, mark))
    for item in found:
        distance = place - item if isinstance(item, int) else 0
        while distance > 0x7F:
            cell.append(distance & 0x7F | 0x80)
            distance >>= 7
        cell.append(distance)
        if isinstance(item, bytes):
            cell += item
    return bytes(cell)


def targets(links: bytes, place: int) -> list[int | bytes]:
    """The places, and the ids of what had none, in the order of ``links_of``."""
    found: list[int | bytes] = []
    at, distance, shift = 2, 0, 0
    while at < len(links):
        distance |= (links[at] & 0x7F) << shift
        shift += 7
        at += 1
        if links[at - 1] & 0x80:
            continue
        if distance:
            found.append(place - distance)
        else:
            found.append(links[at : at + ID_BYTES])
            at += ID_BYTES
        distance = shift = 0
    return found


class Rows:
    """One log's rows as records."""

    def __init__(self, table: Table, log: int, name: bytes) -> None:
        self._table = table
        self._log = log
        self._name = name
        self._keys: dict[int, bytes] = {}
        self._numbers: dict[bytes, int] = {}
        self._ids: dict[int, bytes] = {}
        table.when_changed(self._forget)

    def _forget(self) -> None:
        self._numbers.clear()
        self._keys.clear()
        self._ids.clear()

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
        place = self._table.next_place()
        self._table.run(
            "INSERT INTO log_entries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            place,
            self._log,
            entry.id,
            self.introduce(entry.author),
            entry.sequence,
            entry.clock,
            entry.kind,
            state,
            lift,
            links_of(entry, place, self._place_of),
            entry.signature,
            self._table.cipher.seal(entry.body, entry.id),
        )
        self._remember_id(place, entry.id)
        return place

    def _place_of(self, entry_id: bytes) -> int:
        known = self.known(entry_id)
        return 0 if known is None else known.place

    def _id_at(self, place: int) -> bytes:
        found = self._ids.get(place)
        if found is None:
            row = self._table.row("SELECT id FROM log_entries WHERE place = ?", place)
            found = bytes(ID_BYTES) if row is None else row[0]
            self._remember_id(place, found)
        return found

    def _remember_id(self, place: int, entry_id: bytes) -> None:
        if len(self._ids) >= KNOWN:
            for old in list(self._ids)[: KNOWN // 2]:
                del self._ids[old]
        self._ids[place] = entry_id

    def names(self, links: bytes, place: int) -> tuple[tuple[bytes, ...], bytes | None, tuple[bytes, ...]]:
        """(parents, previous, references): the reverse of ``links_of``."""
        ids = [self._id_at(item) if isinstance(item, int) else item for item in targets(links, place)]
        count, mark = links[0], links[1]
        if mark == _EXPLICIT:
            return tuple(ids[:count]), ids[count], tuple(ids[count + 1 :])
        return tuple(ids[:count]), None if mark == _NONE else ids[mark], tuple(ids[count:])

    def read(self, row: tuple[Any, ...]) -> Record:
        """The record of a row of ``COLUMNS``."""
        place, entry_id, author, sequence, clock, kind, state, links, signature, sealed = row
        self._remember_id(place, entry_id)
        parents, previous, references = self.names(links, place)
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
            row = self._table.row(
                "SELECT place, clock, state FROM log_entries"
                " WHERE substr(id, 1, 4) = ? AND lift <> 1 AND id = ? AND +log = ?",
                entry_id[:_FOUND_BYTES],
                entry_id,
                self._log,
            )
            if row is not None:
                found = Known(*row)
            if found is None:
                row = self._table.row(
                    "SELECT clock, clock > base FROM log_pruned JOIN log_logs USING (log)"
                    " WHERE log = ? AND key = ?",
                    self._log,
                    key_of(entry_id),
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
        if row is None:
            return []
        found = targets(row[0], place)[: row[0][0]]
        places = [item if isinstance(item, int) else self._place_of(item) for item in found]
        return [place for place in places if place]

    def relinked(self, links: bytes, place: int, gone: set[int]) -> bytes:
        """The cell with ids in place of the places that are ``gone`` from now on."""
        found = [self._id_at(one) if one in gone else one for one in targets(links, place)]
        return _cell(links[0], links[1], found, place)

    def followed(self, place: int) -> bool:
        """Whether something that left for a snapshot follows an entry that stayed."""
        return self._table.row("SELECT 1 FROM log_edges WHERE parent = ? AND child = 0", place) is not None

    def all_awaited(self) -> list[bytes]:
        """Ids of the entries that are behind the snapshot, stay all the same, and are not here."""
        rows = self._table.rows("SELECT id FROM log_pruned WHERE log = ? AND kept > 0", self._log)
        return [name for (name,) in rows if self.awaited(name)]

    def awaited(self, entry_id: bytes) -> bool:
        """Whether an entry is behind the snapshot, stays all the same, and is not here."""
        known = self.known(entry_id)
        if known is None or known.place:
            return False
        row = self._table.row(
            "SELECT 1 FROM log_pruned WHERE log = ? AND key = ? AND id = ? AND kept > 0",
            *(self._log, key_of(entry_id), entry_id),
        )
        return row is not None

    def buried_vector(self, entry_id: bytes) -> dict[int, int] | None:
        """What an entry behind the snapshot had seen, where that is known."""
        row = self._table.row(
            "SELECT vector FROM log_pruned WHERE log = ? AND key = ? AND id = ?",
            *(self._log, key_of(entry_id), entry_id),
        )
        if row is None or row[0] is None:
            return None
        found = cbor.decode(row[0])
        assert isinstance(found, dict)
        return found

    def buried(self, place: int) -> list[bytes]:
        """Ids of the parents that are not here."""
        row = self._table.row("SELECT links FROM log_entries WHERE place = ?", place)
        found = [] if row is None else targets(row[0], place)[: row[0][0]]
        return [one for one in found if isinstance(one, bytes)]

    def shown_child(self, place: int) -> bool:
        """Whether an entry of the order follows the one at ``place``."""
        row = self._table.row(
            "SELECT 1 FROM log_edges LEFT JOIN log_entries ON place = child WHERE parent = ?"
            " AND (state < 2 OR child = 0)",
            place,
        )
        if row is not None:
            return True
        row = self._table.row(
            "SELECT links FROM log_entries WHERE place = ? AND log = ? AND state < 2", place + 1, self._log
        )
        return row is not None and place in targets(row[0], place + 1)[: row[0][0]]

    def find(self, entry_id: bytes) -> Record | None:
        """The record of an entry, refused ones too."""
        row = self._table.row(
            f"SELECT {COLUMNS} FROM log_entries"
            " WHERE substr(id, 1, 4) = ? AND lift <> 1 AND id = ? AND +log = ?",
            entry_id[:_FOUND_BYTES],
            entry_id,
            self._log,
        )
        return None if row is None else self.read(row)

    def at(self, place: int) -> Record | None:
        """The record at a place."""
        row = self._table.row(f"SELECT {COLUMNS} FROM log_entries WHERE place = ?", place)
        return None if row is None else self.read(row)

    def shown_places(self) -> list[int]:
        """The places of all entries of the order."""
        rows = self._table.rows("SELECT place FROM log_entries WHERE log = ? AND state < 2", self._log)
        return [place for (place,) in rows]

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
