"""Who may write what: a pure function of an entry and of what its author had seen.

It must depend on nothing else, or two replicas with the same entries differ. It is asked with no past when an
entry comes before its past, and again, for good, when all of its past is here.
"""

from collections.abc import Callable, Iterable
from typing import Protocol

from hedgerow.log import bounds
from hedgerow.log.canonical import Entry
from hedgerow.log.records import Record, Rows
from hedgerow.log.table import Table
from hedgerow_core import cbor


class Past(Protocol):
    """What the author of an entry had seen."""

    def seen(self) -> dict[bytes, int]:
        """The highest sequence of each author."""

    def of_kind(self, kind: int) -> list[Entry]:
        """The entries of a kind below ``bounds.RULE_KINDS``, in the total order."""


Access = Callable[[Entry, Past | None], bool]


def everybody(entry: Entry, past: Past | None) -> bool:
    """No rule."""
    return True


def only(authors: Iterable[bytes]) -> Access:
    """A rule for a conversation whose members never change."""
    allowed = frozenset(authors)

    def rule(entry: Entry, past: Past | None) -> bool:
        return entry.author in allowed

    return rule


class Pasts:
    """Causal pasts as vectors, (author's number, highest sequence); one in 256 clocks is kept on the disk."""

    def __init__(self, table: Table, log: int, rows: Rows) -> None:
        self._table = table
        self._log = log
        self._rows = rows
        self._vectors: dict[int, dict[int, int]] = {}
        table.when_changed(self._vectors.clear)

    def of(self, place: int) -> "KnownPast":
        """The past of the entry at ``place``, all of which is here."""
        return KnownPast(self._table, self._log, self._rows, self, place)

    def vector(self, place: int) -> dict[int, int]:
        """The entry at ``place`` and all before it."""
        todo = [place]
        while todo:
            here = todo[-1]
            if self._known(here) is not None:
                todo.pop()
                continue
            parents = self._rows.parents(here)
            missing = [parent for parent in parents if self._known(parent) is None]
            if missing:
                todo += missing
                continue
            todo.pop()
            self._join(here, parents)
        return self._vectors[place]

    def _known(self, place: int) -> dict[int, int] | None:
        found = self._vectors.get(place)
        if found is None:
            row = self._table.row("SELECT vector FROM log_vectors WHERE place = ?", place)
            if row is not None:
                pairs = cbor.decode(row[0])
                assert isinstance(pairs, dict)
                found = self._vectors[place] = pairs
        return found

    def _join(self, place: int, parents: list[int]) -> None:
        row = self._table.row("SELECT author, sequence, clock FROM log_entries WHERE place = ?", place)
        assert row is not None
        author, sequence, clock = row
        vector: dict[int, int] = {}
        for parent in parents:
            _join_to(vector, self._vectors[parent])
        for name in self._rows.buried(place):
            _join_to(vector, self._rows.buried_vector(name) or {})
        vector[author] = max(vector.get(author, 0), sequence)
        if len(self._vectors) >= bounds.VECTORS:
            # Parents of what comes next are among the newest; the walk above needs what it found itself.
            for old in list(self._vectors)[: bounds.VECTORS // 2]:
                if old not in parents:
                    del self._vectors[old]
        self._vectors[place] = vector
        if clock % bounds.VECTOR_EVERY == 0:
            self._table.run("INSERT OR IGNORE INTO log_vectors VALUES (?, ?)", place, cbor.encode(vector))


def _join_to(vector: dict[int, int], other: dict[int, int]) -> None:
    for number, highest in other.items():
        vector[number] = max(vector.get(number, 0), highest)


class KnownPast:
    """The past of one entry."""

    def __init__(self, table: Table, log: int, rows: Rows, pasts: Pasts, place: int) -> None:
        self._table = table
        self._log = log
        self._rows = rows
        self._pasts = pasts
        self._place = place
        self._vector: dict[int, int] | None = None

    def _own(self) -> dict[int, int]:
        if self._vector is None:
            vector: dict[int, int] = {}
            for parent in self._rows.parents(self._place):
                _join_to(vector, self._pasts.vector(parent))
            for name in self._rows.buried(self._place):
                _join_to(vector, self._rows.buried_vector(name) or {})
            self._vector = vector
        return self._vector

    def seen(self) -> dict[bytes, int]:
        """The highest sequence of each author."""
        return {self._rows.author_key(number): highest for number, highest in self._own().items()}

    def of_kind(self, kind: int) -> list[Entry]:
        """The entries of a kind below ``bounds.RULE_KINDS``, in the total order."""
        if not 0 <= kind < bounds.RULE_KINDS:
            raise ValueError("only kinds below RULE_KINDS can be asked for")
        vector = self._own()
        row = self._table.row("SELECT clock FROM log_entries WHERE place = ?", self._place)
        assert row is not None
        found = self._rows.select(
            "AND kind = ? AND kind < 16 AND clock < ? AND lift <> 1 AND state = 0 ORDER BY clock, id",
            kind,
            row[0],
        )
        forks = self._table.rows("SELECT DISTINCT author FROM log_forks WHERE log = ?", self._log)
        twice = {author for (author,) in forks}
        past = []
        for record in found:
            number = self._rows.author_number(record.entry.author)
            if record.entry.sequence > vector.get(number, 0):
                continue
            # Who wrote two entries with one sequence: the vector does not tell which of them was seen.
            if number in twice and not self._before(record):
                continue
            past.append(record.entry)
        return past

    def _before(self, record: Record) -> bool:
        """Whether ``record`` is in the past, by walking there."""
        todo = self._rows.parents(self._place)
        met = set(todo)
        while todo:
            here = todo.pop()
            if here == record.place:
                return True
            row = self._table.row("SELECT clock FROM log_entries WHERE place = ?", here)
            if row is None or row[0] <= record.entry.clock:
                continue
            for parent in self._rows.parents(here):
                if parent not in met:
                    met.add(parent)
                    todo.append(parent)
        return False
