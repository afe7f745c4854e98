"""The vault of an open home: its keys in memory, the data key's change, and whether the home is itself.

Each step that changes the slots is one transaction of the database, which keeps other programs out, and
writes one slot: so there is always one slot that is whole and whose mark the database knows.
"""

import os
import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from hedgerow import errors
from hedgerow.vault import ciphers, datakey, keystore, marks
from hedgerow.vault.columns import Columns, UnknownGeneration
from hedgerow.vault.datakey import DataKeys
from hedgerow.vault.keystore import Keystore
from hedgerow.vault.memory import Locked
from hedgerow_core.errors import PeerError

Transaction = Callable[[], AbstractContextManager[None]]

# One row; ``rotated`` is the counter at the last change of the data key.
SCHEMA = """
CREATE TABLE vault (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    generation INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    counter INTEGER NOT NULL,
    rotated INTEGER NOT NULL,
    mark_a BLOB NOT NULL,
    mark_b BLOB NOT NULL
);
"""
# What is sealed under the data key: once used, none of it may be read again.
FLEETING = (
    ("contacts", "ratchet"),
    ("contacts", "request"),
    ("invites", "secret"),
    ("requests", "secret"),
    ("verifications", "run"),
    ("joins", "secret"),
    ("entries", "content"),
    ("group_epochs", "secret"),
    ("group_chains", "state"),
)
# What is sealed under the store key.
LASTING = (
    ("account", "keys"),
    ("entries", "text"),
    ("entries", "proof"),
    ("blocks", "data"),
    ("block_pieces", "data"),
    ("meshes", "key"),
    ("meshes", "admin"),
    ("meshes", "signer"),
    ("meshes", "next_key"),
    ("boards", "pairing_key"),
    ("boards", "finding"),
    ("boards", "care_key"),
    ("commands", "command"),
    ("commands", "reply"),
    ("streets", "key"),
    ("street_letters", "text"),
)

_LOCK_FILE = "locked"
_MARKS = ("mark_a", "mark_b")
_FIRST = 1
_LOOKS = 3  # at database and file, while another program may be changing both


class Vault:
    """``transaction`` gives a transaction of the database, in which nobody else writes."""

    def __init__(
        self, home: Path, connection: sqlite3.Connection, store_key: bytes, transaction: Transaction
    ) -> None:
        self.home = home
        self._connection = connection
        self._transaction = transaction
        self._store_key = Locked(store_key)
        self._file = datakey.slot_file(home)
        self._columns = Columns(connection, self._store_key)
        self._counted = False
        self._used = False
        self._lock_mark = self._lock_changed()

    # Opening

    @classmethod
    def begin(
        cls, home: Path, connection: sqlite3.Connection, store_key: bytes, transaction: Transaction, now: int
    ) -> "Vault":
        """The vault of a new home, or of one of an earlier version; within the transaction that makes it."""
        found = cls(home, connection, store_key, transaction)
        keys = {_FIRST: os.urandom(ciphers.KEY_BYTES)}
        found._file.write_both(DataKeys(_FIRST, keys).seal(store_key))
        for statement in filter(str.strip, SCHEMA.split(";")):
            connection.execute(statement)
        connection.execute(
            "INSERT INTO vault (id, generation, created_ms, counter, rotated, mark_a, mark_b)"
            " VALUES (1, ?, ?, ?, ?, ?, ?)",
            (_FIRST, now, _FIRST, _FIRST, *map(marks.mark_of, found._file.paths)),
        )
        found._columns.use(keys, _FIRST)
        found._counted = True
        return found

    def check(self) -> None:
        """Take in the data key. HomeCopied where the home is a copy or was put back, in whole or in part."""
        try:
            self._check()
        except (errors.HomeCopied, errors.HomeDamaged):
            # Another program may have changed the data key between our two looks; not while we hold the lock.
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                self._check()
            finally:
                self._connection.execute("ROLLBACK")
        self._finish_saving()

    def _check(self) -> None:
        row = self._row()
        contents = [self._decoded(slot) for slot in self._file.read()]
        held = [found for found in contents if found is not None]
        if not held:
            if not self._file.exists():
                raise errors.HomeDamaged(home=self.home, reason="its data key is missing")
            raise errors.HomeDamaged(home=self.home, reason="both copies of its data key are damaged")
        if not any(self._own(row)):
            raise errors.HomeCopied(home=self.home)
        if max(found.counter for found in held) > row["counter"]:
            raise errors.HomeCopied(home=self.home)
        keys = self._newest().keys
        if row["generation"] not in keys:
            raise errors.HomeCopied(home=self.home)
        self._columns.use(keys, row["generation"])

    def _finish_saving(self) -> None:
        """What opened the former keystore opens nothing any more, though a program died while it saved."""
        if not keystore.half_saved(self.home):
            return
        # Where nothing can be written, the home is read as it is.
        with suppress(errors.CannotWrite, errors.HomeBusy, OSError), self._transaction():
            # Another program may still be saving: it holds the lock, and has finished now.
            if keystore.half_saved(self.home):
                keystore.save(self.home, self.keystore)

    def adopt(self) -> None:
        """Be the home from now on, whatever it is a copy of. What was sealed under a key that is not here is
        lost."""
        keys = self._newest().keys
        self._columns.use(keys, max(keys))
        counter = max(self._newest().counter, self._row()["counter"]) + 1
        values = (max(keys), counter, *map(marks.mark_of, self._file.paths))
        statement = "UPDATE vault SET generation = ?, counter = ?, mark_a = ?, mark_b = ?"
        # The marks of both are known at once: whoever stops here begins again.
        self._connection.execute(statement, values)

    def open_on(self, connection: sqlite3.Connection) -> None:
        """Let another connection open what is sealed, too."""
        other = Columns(connection, self._store_key)
        other.use(self._newest().keys, self._columns.generation)

    def _own(self, row: sqlite3.Row) -> list[bool]:
        """Which slots are the files that we wrote last."""
        places = [marks.mark_of(path) for path in self._file.paths]
        return [bool(place) and place == row[name] for name, place in zip(_MARKS, places, strict=True)]

    def _decoded(self, slot: bytes | None) -> DataKeys | None:
        if slot is None:
            return None
        try:
            return DataKeys.unseal(bytes(self._store_key), slot)
        except PeerError:
            return None

    def _row(self) -> sqlite3.Row:
        row: sqlite3.Row | None = self._connection.execute("SELECT * FROM vault").fetchone()
        if row is None:
            raise errors.HomeDamaged(home=self.home, reason="no data key in it")
        return row

    def reload(self) -> None:
        """Another program changed the data key."""
        for _ in range(_LOOKS):
            generation = self._row()["generation"]
            keys = self._newest().keys
            if generation in keys:
                self._columns.use(keys, generation)
                return
        raise errors.HomeDamaged(home=self.home, reason="its data key is missing")

    # While it is open

    def still_open(self) -> None:
        """HomeLocked where somebody locked the home since, NoHome where it is gone."""
        if not keystore.slot_file(self.home).exists():
            raise errors.NoHome(home=self.home)
        if self._lock_changed() != self._lock_mark:
            raise errors.HomeLocked(home=self.home)

    def _lock_changed(self) -> int:
        try:
            return (self.home / _LOCK_FILE).stat().st_mtime_ns
        except OSError:
            return 0

    def failure(self) -> PeerError | None:
        """Why a value could not be opened, once."""
        found, self._columns.failure = self._columns.failure, None
        return found

    def stale(self) -> bool:
        """Whether a value could not be opened for its key is a newer one; that is here now."""
        if not isinstance(self._columns.failure, UnknownGeneration):
            return False
        self._columns.failure = None
        self.reload()
        return True

    def begun(self) -> None:
        """A transaction began: nobody else changes the data key until it ends."""
        if self._row()["generation"] != self._columns.generation:
            self.reload()
            self._counted = False
        self._used = True

    def before_first(self) -> None:
        """Count up, before this program writes for the first time: in the database, then in the file."""
        if self._counted:
            return
        self._counted = True
        try:
            with self._transaction():
                self._connection.execute("UPDATE vault SET counter = counter + 1")
            with self._transaction():
                self._write(self._newest().keys)
        except BaseException:
            self._counted = False
            raise

    def _newest(self) -> DataKeys:
        content = self._file.newest()
        found = self._decoded(content)
        if found is None:
            raise errors.HomeDamaged(home=self.home, reason="its data key is missing")
        return found

    def _write(self, keys: dict[int, bytes]) -> None:
        """Write one slot; within a transaction, which learns its new mark."""
        row = self._row()
        content = DataKeys(row["counter"], keys).seal(bytes(self._store_key))
        own = self._own(row)
        # One that was written when a program died is not known: the other one must stay.
        slot = None if own[0] == own[1] else own.index(False)
        try:
            slot = self._file.write(content, slot)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise errors.CannotWrite(home=self.home, reason=reason) from None
        mark = marks.mark_of(self._file.paths[slot])
        self._connection.execute(f"UPDATE vault SET {_MARKS[slot]} = ?", (mark,))

    # The change of the data key

    def due(self, now: int) -> bool:
        """Whether the data key is to be replaced: an hour is over and something was written, or a change
        broke off."""
        row = self._row()
        if len(self._newest().keys) > 1:
            return True
        if 0 <= now - row["created_ms"] < datakey.ROTATE_MS:
            return False
        return self._used or bool(row["counter"] != row["rotated"])

    def rotate(self, now: int) -> None:
        """Seal under a new data key what is fleeting, and erase the former one."""
        with self._transaction():
            generation = self._row()["generation"] + 1
            former = self._columns.generation
            keys = {former: self._newest().keys[former], generation: os.urandom(ciphers.KEY_BYTES)}
            self._write(keys)
            try:
                self._columns.use(keys, generation)
                self._connection.execute("DELETE FROM invites WHERE expires_ms <= ?", (now,))
                for table, column in FLEETING:
                    self._connection.execute(f"UPDATE {table} SET {column} = seal_hour(unseal({column}))")
                self._connection.execute(
                    "UPDATE vault SET generation = ?, created_ms = ?, rotated = counter", (generation, now)
                )
            except BaseException:
                self._columns.use(keys, former)
                raise
        self._used = False
        # One slot after the other: one of them is always whole, and known to the database.
        for _ in self._file.paths:
            with self._transaction():
                if self._row()["generation"] != generation:
                    return  # another program goes on
                self._write({generation: keys[generation]})
        self._columns.use({generation: keys[generation]}, generation)
        self._used = self._counted = False

    # The keystore

    @property
    def keystore(self) -> Keystore:
        """What protects the store key now."""
        found = keystore.load(self.home)
        if found is None:
            raise errors.HomeDamaged(home=self.home, reason="its keystore is missing")
        return found

    def protect(self, wrap: Callable[[bytes, bytes], Keystore]) -> None:
        """Put the store key under another protection: ``wrap`` gets the home's id and the store key."""
        made = wrap(self.keystore.home_id, bytes(self._store_key))
        with self._transaction():
            try:
                keystore.save(self.home, made)
            except OSError as error:
                reason = (error.strerror or str(error)).lower()
                raise errors.CannotWrite(home=self.home, reason=reason) from None

    @property
    def store_key(self) -> bytes:
        """For a program that keeps it while the home is unlocked."""
        return bytes(self._store_key)

    @property
    def data_keys(self) -> list[bytes]:
        """The data keys that are there now."""
        return list(self._newest().keys.values())

    def close(self) -> None:
        """Forget the keys."""
        self._columns.use({}, -1)
        self._store_key.erase()


def lock_mark(home: Path) -> None:
    """Tell the programs that have the home open that it is locked now."""
    path = home / _LOCK_FILE
    path.touch(mode=0o600)
    os.utime(path)
