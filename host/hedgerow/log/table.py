"""Logs in an SQLite file (WAL): entries as rows, bodies sealed. Every change is one transaction."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hedgerow.log.bounds import TAIL as TAIL_ENTRIES
from hedgerow.log.ciphers import Cipher, NoCipher
from hedgerow.log.errors import LogBusy, LogDamaged, LogNewer, LogNotWritten
from hedgerow_core.errors import HedgerowError

VERSION = 1

# State of an entry. Only those below WRONG are part of the order.
PROVISIONAL = 1  # some of its past is not here
WRONG = 2  # its clock contradicts its parents
DENIED = 4  # the rules of the log do not let its author write it

# The ``lift`` of an entry that its author wrote behind the one before: it is in the order, and in no other
# index yet. Nobody but ``Table`` sees that, and no other entry has this lift: its clock would be above it.
TAIL = 1

_BUSY_SECONDS = 5.0
_NOT_WRITTEN = (
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY,
)

# An id is found by its first 4 bytes: an index of 32 would be as large as what it finds. ``links`` holds
# places, and ids only of what is not here (``records.links_of``); who follows the entry at the place before
# its own needs no edge. ``lift`` is the highest clock, in an entry's past, that nobody could check when it
# came. A log's row may be behind what its tail added (``graph.Tail``), and so are the indexes: an append
# writes a page of entries and one of the order, and one in 64 writes the rest (``Table.settle``).
SCHEMA = """
CREATE TABLE log_logs (
    log INTEGER PRIMARY KEY,
    name BLOB NOT NULL UNIQUE,
    signed INTEGER NOT NULL,
    tip INTEGER NOT NULL DEFAULT 0,
    count INTEGER NOT NULL DEFAULT 0,
    far INTEGER NOT NULL DEFAULT 0,
    base INTEGER NOT NULL DEFAULT 0,
    epoch INTEGER NOT NULL DEFAULT 0,
    heads BLOB NOT NULL DEFAULT x''
);
CREATE TABLE log_authors (author INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE);
CREATE TABLE log_entries (
    place INTEGER PRIMARY KEY,
    log INTEGER NOT NULL,
    id BLOB NOT NULL,
    author INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    clock INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    state INTEGER NOT NULL,
    lift INTEGER NOT NULL,
    links BLOB NOT NULL,
    signature BLOB NOT NULL,
    body BLOB NOT NULL
);
CREATE INDEX log_keys ON log_entries (substr(id, 1, 4)) WHERE lift <> 1;
CREATE INDEX log_order ON log_entries (log, clock) WHERE state < 2;
CREATE INDEX log_sequences ON log_entries (log, author, sequence) WHERE lift <> 1;
CREATE INDEX log_rules ON log_entries (log, kind, clock) WHERE kind < 16 AND lift <> 1;
CREATE TABLE log_settled (place INTEGER NOT NULL);
INSERT INTO log_settled VALUES (0);
CREATE TABLE log_edges (parent INTEGER, child INTEGER, PRIMARY KEY (parent, child)) WITHOUT ROWID;
CREATE TABLE log_waits (
    log INTEGER, target BLOB, source INTEGER, missing INTEGER NOT NULL, PRIMARY KEY (log, target, source)
) WITHOUT ROWID;
CREATE INDEX log_waiting ON log_waits (source);
CREATE INDEX log_missing ON log_waits (log) WHERE missing = 1;
CREATE TABLE log_forks (
    log INTEGER, author INTEGER, sequence INTEGER, PRIMARY KEY (log, author, sequence)
) WITHOUT ROWID;
CREATE TABLE log_vectors (place INTEGER PRIMARY KEY, vector BLOB NOT NULL);
CREATE TABLE log_pruned (
    log INTEGER, key INTEGER, clock INTEGER NOT NULL, id BLOB, kept INTEGER NOT NULL DEFAULT 0, vector BLOB,
    PRIMARY KEY (log, key)
) WITHOUT ROWID;
CREATE TABLE log_snapshots (log INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE log_covered (
    log INTEGER, author INTEGER, sequence INTEGER NOT NULL, PRIMARY KEY (log, author)
) WITHOUT ROWID;
CREATE TABLE log_folds (
    log INTEGER, name TEXT, place INTEGER NOT NULL, epoch INTEGER NOT NULL, state BLOB NOT NULL,
    PRIMARY KEY (log, name)
) WITHOUT ROWID;
"""


@dataclass(slots=True, frozen=True)
class Known:
    """What there is to know about a parent. Place 0: it was removed behind a snapshot."""

    place: int
    clock: int
    state: int


class Table:
    """The open file; one for any number of logs. sqlite3's errors leave as sentences of ``log.errors``."""

    def __init__(self, connection: sqlite3.Connection, path: str, cipher: Cipher) -> None:
        self.path = path
        self.cipher = cipher
        self._connection = connection
        self._depth = 0
        self._seen = self._data_version()
        self._when_changed: list[Callable[[], None]] = []
        # By log: what is known of entries by id. Here, as two ``Log`` of one log must not differ about it.
        self.known: dict[int, dict[bytes, Known]] = {}
        # By log: what the next append follows, where nothing else came since the last one.
        self.tails: dict[int, Any] = {}
        self._next = 0
        self._unsettled: int | None = None  # entries that are in no index; None: nobody knows

    @classmethod
    def open(cls, path: Path | str, cipher: Cipher | None = None, durable: bool = True) -> "Table":
        """Open or make a file; ``:memory:`` for one that is gone afterwards.

        ``durable`` says whether an entry outlives a loss of power the moment that it is appended. It outlives
        the death of the program in any case. LogNewer, LogDamaged, LogBusy, LogNotWritten.
        """
        connection = None
        try:
            connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # of a new file
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            connection.execute("PRAGMA secure_delete = ON")
            # A small log of SQLite's own is written over and over, which is faster than to let it grow.
            connection.execute("PRAGMA wal_autocheckpoint = 500")
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if not version:
                version = _create(connection)
        except sqlite3.Error as error:
            if connection is not None:
                connection.close()
            raise _translate(str(path), error) from None
        if version != VERSION:
            connection.close()
            raise LogNewer(path=path)
        return cls(connection, str(path), cipher or NoCipher())

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def when_changed(self, hook: Callable[[], None]) -> None:
        """Call ``hook`` when what was remembered in memory is worth nothing any more.

        That is where a transaction failed, and where another program wrote to the file.
        """
        self._when_changed.append(hook)

    def changed(self) -> None:
        """Forget what is remembered in memory."""
        self.known.clear()
        self.tails.clear()
        self._next = 0
        self._unsettled = None
        for hook in self._when_changed:
            hook()

    def _data_version(self) -> int:
        return int(self._connection.execute("PRAGMA data_version").fetchone()[0])

    def refresh(self) -> None:
        """Find out whether another program wrote."""
        try:
            seen = self._data_version()
        except sqlite3.Error as error:
            raise _translate(self.path, error) from None
        if seen != self._seen:
            self._seen = seen
            self.changed()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; within another transaction a part of that."""
        if self._depth:
            yield
            return
        self._depth += 1
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                self.refresh()
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                # A full disk makes SQLite roll back by itself.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                self.changed()
                raise
        except sqlite3.Error as error:
            raise _translate(self.path, error) from None
        finally:
            self._depth -= 1

    def shrink(self) -> None:
        """Give room that is not needed any more back to the disk."""
        try:
            self._connection.executescript("PRAGMA incremental_vacuum")
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except sqlite3.Error as error:
            raise _translate(self.path, error) from None

    def next_place(self) -> int:
        """The place of the entry that is inserted next, within a transaction."""
        if not self._next:
            self._next = int(self.rows("SELECT ifnull(max(place), 0) FROM log_entries")[0][0])
        self._next += 1
        return self._next

    def tail(self) -> None:
        """An entry was inserted with the lift TAIL."""
        self._unsettled = (self._unsettled or 0) + 1
        if self._unsettled >= TAIL_ENTRIES:
            self.settle()

    def settle(self) -> None:
        """Put what an author wrote in a row into the indexes."""
        (place,) = self._connection.execute("SELECT place FROM log_settled").fetchone()
        (last,) = self._connection.execute(
            "SELECT max(place) FROM log_entries WHERE place > ? AND lift = ?", (place, TAIL)
        ).fetchone()
        self._unsettled = 0
        if last is None:
            return
        with self.transaction():
            self._connection.execute(
                "UPDATE log_entries SET lift = 0 WHERE place > ? AND lift = ?", (place, TAIL)
            )
            self._connection.execute("UPDATE log_settled SET place = ?", (last,))

    def run(self, statement: str, *values: object) -> int:
        """Execute a statement that changes something; the row id of an insert."""
        try:
            return self._connection.execute(statement, values).lastrowid or 0
        except sqlite3.Error as error:
            raise _translate(self.path, error) from None

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        try:
            if self._unsettled != 0:
                self.settle()
            return self._connection.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise _translate(self.path, error) from None

    def row(self, query: str, *values: object) -> tuple[Any, ...] | None:
        """The first row of a query."""
        try:
            if self._unsettled != 0:
                self.settle()
            found = self._connection.execute(query, values).fetchone()
        except sqlite3.Error as error:
            raise _translate(self.path, error) from None
        return None if found is None else tuple(found)


def _create(connection: sqlite3.Connection) -> int:
    connection.execute("BEGIN IMMEDIATE")
    # Another program may have been faster.
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if not version:
        for statement in SCHEMA.split(";"):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {VERSION}")
        version = VERSION
    connection.execute("COMMIT")
    return version


def _translate(path: str, error: sqlite3.Error) -> HedgerowError:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return LogBusy(path=path)
    if code in _NOT_WRITTEN:
        return LogNotWritten(path=path, reason=str(error))
    return LogDamaged(path=path, reason=str(error))
