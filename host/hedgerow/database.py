"""What a host keeps: one SQLite file (WAL) in its home. Every change is one transaction."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hedgerow import migrations
from hedgerow.errors import CannotWrite, HomeBusy, HomeDamaged, HomeExists, HomeLocked, NoHome, UserError
from hedgerow.vault import ciphers, datakey, keystore
from hedgerow.vault.keystore import Keystore
from hedgerow.vault.vault import Vault
from hedgerow_core.errors import PeerError

DATABASE_FILE = "hedgerow.db"
_VERSION = migrations.VERSION
_BUSY_SECONDS = 5.0
Unlock = Callable[[Path, Keystore], bytes]
Protect = Callable[[bytes, bytes], Keystore]
_NOT_WRITTEN = (
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY,
)
_SCHEMA = (
    """
CREATE TABLE account (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    name TEXT NOT NULL,
    keys BLOB NOT NULL,
    deep_ms INTEGER NOT NULL
);
CREATE TABLE invites (id BLOB PRIMARY KEY, secret BLOB NOT NULL, expires_ms INTEGER NOT NULL);
CREATE TABLE requests_seen (ephemeral BLOB PRIMARY KEY, expires_ms INTEGER NOT NULL);
CREATE TABLE contacts (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE COLLATE NOCASE,
    account_key BLOB NOT NULL UNIQUE,
    device_key BLOB NOT NULL,
    connected INTEGER NOT NULL,
    ratchet BLOB NOT NULL,
    request BLOB,
    asked_ms INTEGER,
    arrived_ms INTEGER,
    device_dh BLOB,
    sequence INTEGER NOT NULL DEFAULT 0,
    clock INTEGER NOT NULL DEFAULT 0,
    seen INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE entries (
    id INTEGER PRIMARY KEY,
    contact INTEGER NOT NULL REFERENCES contacts(id),
    mine INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    clock INTEGER NOT NULL,
    reference INTEGER NOT NULL,
    written_ms INTEGER NOT NULL,
    received_ms INTEGER,
    text TEXT NOT NULL,
    envelope BLOB,
    hops INTEGER,
    delivered_ms INTEGER,
    late INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX entries_waiting ON entries (sequence) WHERE sequence = 0;
CREATE TABLE shelf (place INTEGER PRIMARY KEY AUTOINCREMENT, record BLOB NOT NULL);
"""
    + migrations.SENDINGS_AND_PROOFS
    + migrations.STREETS
    + migrations.RESETS
    + migrations.PEOPLE
    + migrations.DEVICES
    + migrations.GROUPS
    + migrations.GAPS
    + migrations.BLOBS
    + migrations.BOARDS
    + migrations.CARE
)


def without_asking(home: Path, found: Keystore) -> bytes:
    """The store key where nothing protects it. HomeLocked otherwise."""
    if found.kind != keystore.OPEN:
        raise HomeLocked(home=home)
    return found.open_key


class Database:
    """The open file. sqlite3's errors leave as the sentences of ``hedgerow.errors``."""

    def __init__(self, home: Path, connection: sqlite3.Connection) -> None:
        self.home = home
        self._connection = connection
        self._depth = 0
        self._vault: Vault | None = None
        self._version = self._data_version()
        self._when_ended: list[Callable[[bool], None]] = []

    @property
    def vault(self) -> Vault:
        """The keys of this home."""
        if self._vault is None:
            raise HomeLocked(home=self.home)
        return self._vault

    @classmethod
    def create(
        cls, home: Path, first: str, *values: object, protect: Protect = keystore.plain, now: int = 0
    ) -> "Database":
        """Make a new home; ``first`` is a statement that belongs to it from its first moment.

        ``protect`` wraps its store key, ``now`` is unix time in ms. HomeExists where there is a home. Nothing
        stays behind where it fails.
        """
        path = home / DATABASE_FILE
        store_key = os.urandom(ciphers.KEY_BYTES)
        wrapped = protect(os.urandom(keystore.HOME_ID_BYTES), store_key)
        try:
            # A folder that was there keeps its mode: it may be anybody's.
            home.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError as error:
            if not path.is_file():
                raise CannotWrite(home=home, reason=_reason(error)) from None
            raise HomeExists(home=home) from None
        except OSError as error:
            raise CannotWrite(home=home, reason=_reason(error)) from None
        connection = None
        try:
            keystore.save(home, wrapped)
            connection = _connect(path)
            made = cls(home, connection)
            connection.executescript("BEGIN;" + _SCHEMA + f"PRAGMA user_version = {_VERSION};")
            made._vault = Vault.begin(home, connection, store_key, made.transaction, now)
            connection.execute(first, values)
            connection.execute("COMMIT")
        except BaseException as error:
            if connection is not None:
                connection.close()
            forget(home)
            if isinstance(error, (sqlite3.Error, OSError)):
                raise CannotWrite(home=home, reason=_reason(error)) from None
            raise
        return made

    @classmethod
    def open(cls, home: Path, unlock: Unlock = without_asking, adopt: bool = False) -> "Database":
        """Open a home; ``unlock`` gives its store key, with ``adopt`` a copy counts as the home from now on.

        NoHome where there is none, HomeCopied for a copy.
        """
        path = home / DATABASE_FILE
        if not path.exists():
            raise NoHome(home=home)
        try:
            connection = _connect(path)
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if 1 <= version < _VERSION:
                migrations.migrate(connection, home)
                version = connection.execute("PRAGMA user_version").fetchone()[0]
        except sqlite3.Error as error:
            raise _translate(home, error) from None
        except OSError as error:
            raise CannotWrite(home=home, reason=_reason(error)) from None
        if version != _VERSION:
            connection.close()
            raise HomeDamaged(home=home, reason=f"version {version} of the data, not {_VERSION}")
        found = cls(home, connection)
        try:
            found._unlock(unlock, adopt)
        except BaseException:
            connection.close()
            raise
        return found

    def _unlock(self, unlock: Unlock, adopt: bool) -> None:
        found = keystore.load(self.home)
        if found is None:
            raise HomeDamaged(home=self.home, reason="its keystore is missing")
        try:
            store_key = unlock(self.home, found)
        except PeerError as error:
            raise HomeDamaged(home=self.home, reason=str(error)) from None
        self._vault = Vault(self.home, self._connection, store_key, self.transaction)
        try:
            if adopt:
                self._vault.adopt()
            else:
                self._vault.check()
        except sqlite3.Error as error:
            raise _translate(self.home, error) from None

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; within another transaction a part of that."""
        if self._depth:
            yield
            return
        if self._vault is not None:
            self._vault.before_first()
        self._depth += 1
        committed = False
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                if self._vault is not None:
                    self._vault.begun()
                yield
            except BaseException:
                # A full disk makes SQLite roll back by itself.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")
            committed = True
        except sqlite3.Error as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise self._translated(error) from None
        finally:
            self._depth -= 1
            for ended in self._when_ended:
                ended(committed)

    @property
    def within(self) -> bool:
        """Whether a transaction is open."""
        return self._depth > 0

    def when_ended(self, hook: Callable[[bool], None]) -> None:
        """Call ``hook`` after each transaction; true: it was committed."""
        self._when_ended.append(hook)

    def run(self, statement: str, *values: object) -> int:
        """Execute a statement that changes something; the row id of an insert."""
        try:
            return self._connection.execute(statement, values).lastrowid or 0
        except sqlite3.Error as error:
            raise self._translated(error) from None

    def _translated(self, error: sqlite3.Error) -> UserError:
        failure = None if self._vault is None else self._vault.failure()
        return (
            _translate(self.home, error) if failure is None else HomeDamaged(home=self.home, reason=failure)
        )

    def rows(self, query: str, *values: object) -> list[sqlite3.Row]:
        """All rows of a query."""
        try:
            try:
                return self._connection.execute(query, values).fetchall()
            except sqlite3.Error:
                # Another program may have changed the data key just now.
                if self._vault is None or not self._vault.stale():
                    raise
                return self._connection.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise self._translated(error) from None

    def row(self, query: str, *values: object) -> sqlite3.Row | None:
        """The first row of a query."""
        found = self.rows(query, *values)
        return found[0] if found else None

    def readable(self, query: str, *values: object) -> bytes | None:
        """The first value of a query; None where its key is gone."""
        try:
            row = self._connection.execute(query, values).fetchone()
        except sqlite3.Error as error:
            if self._vault is None or self._vault.failure() is None:
                raise self._translated(error) from None
            return None
        return None if row is None else row[0]

    def copy_to(self, other: sqlite3.Connection) -> None:
        """Copy all of it, as it is at one moment."""
        try:
            self._connection.backup(other)
        except sqlite3.Error as error:
            raise self._translated(error) from None

    def changed_elsewhere(self) -> bool:
        """Whether another process wrote to this home since the last call."""
        version = self._data_version()
        changed = version != self._version
        self._version = version
        return changed

    def _data_version(self) -> int:
        return int(self.rows("PRAGMA data_version")[0][0])

    def close(self) -> None:
        """Close the file, and forget its keys."""
        if self._vault is not None:
            self._vault.close()
        self._connection.close()


class ShelfStore:
    """The store of the host's shelf: the verbs of ``hedgerow_core.store.MemoryStore``.

    Several processes may work on it: ``records`` gives each record once, and none that was appended here;
    None for one that a transaction took back.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._seen = 0
        self._appended: set[int] = set()
        self._open: list[int] = []  # appended in the transaction that is open
        self._undone: list[int] = []
        database.when_ended(self._ended)

    def _ended(self, committed: bool) -> None:
        if not committed:
            self._undone += self._open
            self._appended.difference_update(self._open)
        self._open = []

    def append(self, record: bytes) -> int:
        """Keep ``record``; its place."""
        place = self._database.run("INSERT INTO shelf (record) VALUES (?)", record)
        self._appended.add(place)
        if self._database.within:
            self._open.append(place)
        return place

    def read(self, place: int) -> bytes:
        """The record at ``place``."""
        row = self._database.row("SELECT record FROM shelf WHERE place = ?", place)
        return bytes(row["record"]) if row else b""

    def attach(self, owner: object) -> None:
        """Nothing moves here."""

    def drop(self, place: int, note: bool) -> None:
        """Forget the record at ``place``."""
        self._database.run("DELETE FROM shelf WHERE place = ?", place)

    def flush(self, minute: int) -> None:
        """Nothing is left to do: each change was committed."""

    def anything_new(self) -> bool:
        """Whether ``records`` may have something."""
        return self._database.row("SELECT 1 FROM shelf WHERE place > ?", self._seen) is not None

    def records(self) -> list[tuple[int, bytes | None]]:
        """(place, record) of what is new, oldest first."""
        rows = self._database.rows(
            "SELECT place, record FROM shelf WHERE place > ? ORDER BY place", self._seen
        )
        found: list[tuple[int, bytes | None]] = [(place, None) for place in self._undone]
        self._undone = []
        found += [(row["place"], bytes(row["record"])) for row in rows if row["place"] not in self._appended]
        if rows:
            self._seen = rows[-1]["place"]
            self._appended = {place for place in self._appended if place > self._seen}
        return found


def forget(home: Path) -> None:
    """Take away the files of a home that was not made."""
    slots = (*keystore.slot_file(home).paths, *datakey.slot_file(home).paths)
    for path in (*(home / (DATABASE_FILE + end) for end in ("", "-wal", "-shm")), *slots):
        path.unlink(missing_ok=True)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA secure_delete = ON")
    return connection


def _translate(home: Path, error: sqlite3.Error) -> UserError:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return HomeBusy(home=home)
    if code in _NOT_WRITTEN:
        return CannotWrite(home=home, reason=_reason(error))
    return HomeDamaged(home=home, reason=_reason(error))


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error).lower()
