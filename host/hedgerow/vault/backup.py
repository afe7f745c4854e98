"""A backup: one encrypted file with everything that a home needs to begin again, but its ratchets.

    "hedgerow backup" 0A | version 1 | passes 4 | memory in KiB 4 | salt 16 | sealed | SHA-256 of that [:8]

Sealed is the zlib of an SQLite file, under Argon2id. The ratchets are left out: their keys move on, so an old
copy could use one twice, and who steals a backup would read what was written long after it. A restored home
asks its contacts for new ones (``hedgerow.vault.epoch``).
"""

import hashlib
import os
import sqlite3
import zlib
from contextlib import closing, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

from hedgerow import errors, migrations, roles
from hedgerow.database import DATABASE_FILE, Database, Protect
from hedgerow.groups import limits
from hedgerow.ratchet.sessions import Sessions
from hedgerow.vault import ciphers, datakey, keystore
from hedgerow.vault.slots import sync_folder
from hedgerow.vault.vault import LASTING, Vault
from hedgerow.whole import reading, writing
from hedgerow_core.errors import AuthError, PeerError

MAGIC = b"hedgerow backup\n"
VERSION = 1
_NUMBER_BYTES = 4
_HEAD_BYTES = len(MAGIC) + 1 + 2 * _NUMBER_BYTES + ciphers.SALT_BYTES
_CHECK_BYTES = 8
_PLAIN_MAX_BYTES = 1 << 31
TEMPORARY = "restoring.db"

# What others carry, what ends by itself, and what belongs to one computer.
_LEFT_OUT = (
    "invites",
    "requests_seen",
    "shelf",
    "proofs",
    "resets",
    "covers",
    "cover_plan",
    "pings",
    "requests",
    "verifications",
    "introductions",
    "joins",
    "block_pieces",
    "pieces_due",
    "group_chains",
    "group_epochs",
)


@dataclass(frozen=True)
class Contents:
    """What a backup that was opened holds: an SQLite file whose values are not sealed."""

    data: bytes
    name: str
    contacts: int
    letters: int
    strangers: int  # contacts of an early version, who have to be added again


def make(database: Database, passphrase: str) -> bytes:
    """The backup of an open home."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as copy:
        database.copy_to(copy)
        database.vault.open_on(copy)
        for table, column in LASTING:
            copy.execute(f"UPDATE {table} SET {column} = unseal({column})")
        nothing = Sessions(None).to_cbor()
        copy.execute("UPDATE contacts SET ratchet = ?, request = NULL, announced = 0", (nothing,))
        copy.execute("UPDATE entries SET content = NULL")
        copy.execute("UPDATE sendings SET record = NULL")
        # It moves on, too: an old copy would sign twice with one key.
        copy.execute("UPDATE meshes SET signer = NULL")
        there = {row[0] for row in copy.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        for table in there.intersection(_LEFT_OUT):
            copy.execute(f"DELETE FROM {table}")
        copy.execute("DROP TABLE vault")
        copy.execute("VACUUM")
        data = copy.serialize()
    salt = os.urandom(ciphers.SALT_BYTES)
    head = MAGIC + bytes((VERSION,))
    head += ciphers.PASSES.to_bytes(_NUMBER_BYTES, "big") + ciphers.MEMORY_KIB.to_bytes(_NUMBER_BYTES, "big")
    head += salt
    key = ciphers.stretch(keystore.as_bytes(passphrase), salt, ciphers.PASSES, ciphers.MEMORY_KIB)
    whole = head + ciphers.seal(key, zlib.compress(data), head)
    return whole + hashlib.sha256(whole).digest()[:_CHECK_BYTES]


def read_file(path: Path) -> bytes:
    """A backup as it lies on the disk. FileMissing, or BackupDamaged where it is none; that is not read."""
    with reading(path) as stream:
        size = os.fstat(stream.fileno()).st_size
        if size > _PLAIN_MAX_BYTES or stream.read(len(MAGIC)) != MAGIC:
            raise errors.BackupDamaged(path=path)
        return MAGIC + stream.read(size)


def check(path: Path, whole: bytes) -> None:
    """BackupVersion or BackupDamaged where ``whole`` is not a backup that we can read."""
    if not whole.startswith(MAGIC) or len(whole) < _HEAD_BYTES + ciphers.OVERHEAD_BYTES + _CHECK_BYTES:
        raise errors.BackupDamaged(path=path)
    if hashlib.sha256(whole[:-_CHECK_BYTES]).digest()[:_CHECK_BYTES] != whole[-_CHECK_BYTES:]:
        raise errors.BackupDamaged(path=path)
    if whole[len(MAGIC)] != VERSION:
        raise errors.BackupVersion(path=path)


def open_backup(path: Path, whole: bytes, passphrase: str) -> Contents:
    """What is in it. BackupPassphrase where the passphrase does not fit, else as ``check``."""
    check(path, whole)
    head, sealed = whole[:_HEAD_BYTES], whole[_HEAD_BYTES:-_CHECK_BYTES]
    at = len(MAGIC) + 1
    passes = int.from_bytes(head[at : at + _NUMBER_BYTES], "big")
    memory_kib = int.from_bytes(head[at + _NUMBER_BYTES : at + 2 * _NUMBER_BYTES], "big")
    salt = head[-ciphers.SALT_BYTES :]
    try:
        key = ciphers.stretch(keystore.as_bytes(passphrase), salt, passes, memory_kib)
        packed = ciphers.unseal(key, sealed, head)
    except AuthError:
        raise errors.BackupPassphrase(path=path) from None
    except PeerError:
        raise errors.BackupDamaged(path=path) from None
    try:
        data = zlib.decompressobj().decompress(packed, _PLAIN_MAX_BYTES)
        with closing(sqlite3.connect(":memory:")) as found:
            found.deserialize(data)
            version = found.execute("PRAGMA user_version").fetchone()[0]
            if version != migrations.VERSION:
                raise errors.BackupVersion(path=path)
            if found.execute("PRAGMA integrity_check").fetchone()[0] != "ok":
                raise errors.BackupDamaged(path=path)
            name = found.execute("SELECT name FROM account").fetchone()[0]
            contacts = found.execute("SELECT count(*) FROM contacts WHERE role = 0").fetchone()[0]
            strangers = found.execute(
                "SELECT count(*) FROM contacts WHERE device_dh IS NULL AND role = 0"
            ).fetchone()[0]
            letters = found.execute("SELECT count(*) FROM entries WHERE text != ''").fetchone()[0]
    except (sqlite3.Error, zlib.error, MemoryError, TypeError):
        raise errors.BackupDamaged(path=path) from None
    return Contents(data, name, contacts, letters, strangers)


def write_file(path: Path, whole: bytes) -> None:
    """Write a backup whole or not at all. FileExists, or FileNotWritten."""
    with writing(path, 0o600) as stream:
        stream.write(whole)


def restore(home: Path, contents: Contents, protect: Protect) -> None:
    """Make a home of a backup. HomeExists where there is one. A power loss leaves none, or all of it."""
    store_key = os.urandom(ciphers.KEY_BYTES)
    wrapped = protect(os.urandom(keystore.HOME_ID_BYTES), store_key)
    path, temporary = home / DATABASE_FILE, home / TEMPORARY
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.exists():
            raise errors.HomeExists(home=home)
        file = os.open(temporary, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise errors.CannotWrite(home=home, reason=(error.strerror or str(error)).lower()) from None
    try:
        _alone(home, file)
        os.truncate(file, 0)
        _write_all(file, _sealed(home, contents, store_key))
        keystore.save(home, wrapped)
        # From here on there is a home. Another one that was made meanwhile is not written over.
        _publish(temporary, path)
        sync_folder(home)
    except FileExistsError:
        raise errors.HomeExists(home=home) from None
    except (OSError, sqlite3.Error) as error:
        _forget(home, temporary)
        reason = str(getattr(error, "strerror", None) or error).lower()
        raise errors.CannotWrite(home=home, reason=reason) from None
    finally:
        os.close(file)


def _publish(temporary: Path, path: Path) -> None:
    """Give the database its name. FileExistsError where there is one."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:
        # This file system has no links. Whoever is so fast as to make a home in between loses it.
        if path.exists():
            raise FileExistsError from None
        temporary.rename(path)
    else:
        temporary.unlink()


def _sealed(home: Path, contents: Contents, store_key: bytes) -> bytes:
    """The database of the new home, made in memory: nothing is on the disk before it is sealed."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as made:
        made.deserialize(contents.data)
        made.row_factory = sqlite3.Row
        made.execute("BEGIN")
        Vault.begin(home, made, store_key, nullcontext, 0)
        for table, column in LASTING:
            made.execute(f"UPDATE {table} SET {column} = seal_long({column})")
        made.execute(
            "INSERT INTO resets (contact, begun_ms, sent_ms) SELECT id, 0, 0 FROM contacts"
            " WHERE connected AND role != ?",
            (roles.GROUP,),
        )
        for identity, sequence in made.execute(
            "SELECT id, sequence FROM contacts WHERE role = ?", (roles.GROUP,)
        ).fetchall():
            behind = limits.after_leap(sequence) - 1
            made.execute("UPDATE contacts SET sequence = ? WHERE id = ?", (behind, identity))
        made.execute(
            "UPDATE contacts SET ratchet = seal_hour(ratchet), connected = (role = ?)", (roles.GROUP,)
        )
        made.execute("COMMIT")
        made.execute("VACUUM")
        return made.serialize()


def _write_all(file: int, data: bytes) -> None:
    written = 0
    while written < len(data):
        written += os.write(file, data[written : written + (1 << 20)])
    os.fsync(file)


def _alone(home: Path, file: int) -> None:
    """HomeBusy where another program restores into the same folder."""
    try:
        import fcntl
    except ImportError:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise errors.HomeBusy(home=home) from None


def _forget(home: Path, temporary: Path) -> None:
    for path in (temporary, *keystore.slot_file(home).paths, *datakey.slot_file(home).paths):
        with suppress(OSError):
            path.unlink()
