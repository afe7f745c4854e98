"""The end of a home: keys first, then all else, each overwritten where it lies; then a search of the rest.

SQLite is not asked to vacuum before: it would let go of blocks that are not overwritten. A disk may keep what
was overwritten: flash drives write elsewhere, and snapshots are copies. What was sealed needs the keystore,
which is 2 kB; what a passphrase protected needs that, too.
"""

import base64
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hedgerow.database import DATABASE_FILE, Database
from hedgerow.identity.account import Account
from hedgerow.identity.phrase import words_of
from hedgerow.vault import agent, backup, datakey, keystore, system_keyring
from hedgerow.vault.slots import SlotFile, sync_folder
from hedgerow_core.errors import HedgerowError

_ENDS = ("", "-wal", "-shm", "-journal")
_NAMES = (DATABASE_FILE, backup.TEMPORARY)
_OTHERS = ("locked", "reminded")
_FOLDER = "flash-"  # and what ``folder`` made
_LEFT_S = 3_600
_LEAST_BYTES = 8
_CHUNK = 1 << 20


def secrets_of(database: Database) -> list[bytes]:
    """What nobody may find afterwards: keys, words and texts of an open home."""
    found = [database.vault.store_key, *database.vault.data_keys]
    row = database.row("SELECT unseal(keys) AS keys FROM account")
    with suppress(HedgerowError):
        account = Account.from_cbor(row["keys"]) if row is not None else None
        if account is not None:
            found += [account.account_seed, account.device_seed, account.device_dh_private]
            found += [account.entropy, words_of(account.entropy).encode()] if account.entropy else []
    for query in (
        "SELECT unseal(text) FROM entries",
        "SELECT unseal(content) FROM entries WHERE content IS NOT NULL",
        "SELECT unseal(secret) FROM joins",
        "SELECT unseal(secret) FROM group_epochs WHERE secret IS NOT NULL",
        "SELECT unseal(state) FROM group_chains",
        "SELECT unseal(key) FROM meshes",
        "SELECT unseal(next_key) FROM meshes WHERE next_key IS NOT NULL",
        "SELECT unseal(admin) FROM meshes WHERE admin IS NOT NULL",
        "SELECT unseal(signer) FROM meshes WHERE signer IS NOT NULL",
        "SELECT unseal(pairing_key) FROM boards",
        "SELECT unseal(finding) FROM boards WHERE finding IS NOT NULL",
        "SELECT unseal(care_key) FROM boards WHERE care_key IS NOT NULL",
        "SELECT unseal(command) FROM commands",
        "SELECT unseal(reply) FROM commands WHERE reply IS NOT NULL",
        "SELECT unseal(ratchet) FROM contacts",
        "SELECT unseal(secret) FROM invites",
        "SELECT unseal(secret) FROM requests",
        "SELECT unseal(run) FROM verifications",
        "SELECT unseal(key) FROM streets",
        "SELECT unseal(text) FROM street_letters",
    ):
        with suppress(HedgerowError):
            found += [_bytes(row[0]) for row in database.rows(query)]
    return [secret for secret in found if len(secret) >= _LEAST_BYTES]


def _bytes(value: str | bytes | None) -> bytes:
    return value.encode() if isinstance(value, str) else value or b""


def sealed_keys_of(home: Path) -> list[bytes]:
    """The keys as they lie in their files, for a home that nobody can open: what a thief would need first."""
    found = [content for file in _slot_files(home) for content in file.read() if content is not None]
    with suppress(HedgerowError):
        kept = keystore.load(home)
        found += [kept.wrapped] if kept is not None else []
    return found


def there(home: Path) -> bool:
    """Whether there is anything to be wiped, be it half of a home."""
    return any(path.exists() for path in _files(home))


def wipe(home: Path) -> list[Path]:
    """Take everything of ours out of ``home``, keys first; the files that could not be taken away."""
    with suppress(HedgerowError):
        found = keystore.load(home)
        if found is not None:
            agent.ask(found.home_id, agent.FORGET)
            if found.kind == keystore.KEYRING:
                system_keyring.erase(found.home_id)
    left = [path for path in _files(home) if not _erase(path)]
    for path in _folders(home):
        shutil.rmtree(path, ignore_errors=True)
    sync_folder(home)
    with suppress(OSError):
        home.rmdir()
    return left


@contextmanager
def folder(home: Path) -> Iterator[Path]:
    """For files with keys that another program has to read; overwritten at the end, and so are those that a
    process which was killed left there an hour ago or earlier."""
    for path in _folders(home):
        with suppress(OSError):
            if path.stat().st_mtime < time.time() - _LEFT_S:
                _erase_folder(path)
    made = Path(tempfile.mkdtemp(prefix=_FOLDER, dir=home))
    try:
        yield made
    finally:
        _erase_folder(made)


def _erase_folder(path: Path) -> None:
    for file in path.iterdir():
        _erase(file)
    shutil.rmtree(path, ignore_errors=True)


def _folders(home: Path) -> list[Path]:
    return sorted(home.glob(f"{_FOLDER}*"))


def _slot_files(home: Path) -> tuple[SlotFile, SlotFile]:
    return keystore.slot_file(home), datakey.slot_file(home)


def _files(home: Path) -> Iterator[Path]:
    for file in _slot_files(home):
        yield from file.paths
    for folder in _folders(home):
        yield from sorted(folder.iterdir())
    for name in (*(name + end for name in _NAMES for end in _ENDS), *_OTHERS):
        yield home / name


def _erase(path: Path) -> bool:
    """Overwrite a file in place and delete it; whether it is gone."""
    try:
        with suppress(PermissionError):
            os.chmod(path, 0o600)
        file = os.open(path, os.O_WRONLY)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    try:
        size = os.fstat(file).st_size
        for fill in (os.urandom, bytes):
            at = 0
            while at < size:
                at += os.pwrite(file, fill(min(_CHUNK, size - at)), at)
            os.fsync(file)
    except OSError:
        pass  # deleting it is still better than nothing
    finally:
        os.close(file)
    try:
        path.unlink()
    except OSError:
        return False
    return True


def search(folder: Path, secrets: Iterable[bytes]) -> list[Path]:
    """The files below ``folder`` in which a secret stands: as it is, in hexadecimal, or in base64."""
    needles = [needle for secret in secrets for needle in spellings(secret)]
    found = []
    for path in sorted(folder.rglob("*")) if folder.is_dir() else []:
        try:
            data = path.read_bytes() if path.is_file() else b""
        except OSError:
            continue
        if any(needle in data for needle in needles):
            found.append(path)
    return found


def spellings(secret: bytes) -> set[bytes]:
    """How ``secret`` may stand in a file. Base64 depends on what stands before it: three ways."""
    found = {secret, secret.hex().encode(), secret.hex().upper().encode()}
    for before in range(3):
        whole = base64.b64encode(bytes(before) + secret)
        # The first and the last characters hold bits of what is around it.
        inner = whole[(before * 8 + 5) // 6 : len(whole) - 4]
        if len(inner) >= _LEAST_BYTES:
            found |= {inner, inner.replace(b"+", b"-").replace(b"/", b"_")}
    return found
