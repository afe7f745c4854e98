"""What is fuzzed of a home's files: slots, keystore, data key, sealed values, backups."""

import hashlib
import tempfile
from pathlib import Path

from fuzz.promise import holds, refusal, told
from hedgerow import errors
from hedgerow.vault import backup, ciphers, columns, datakey, keystore
from hedgerow.vault.datakey import DataKeys
from hedgerow.vault.keystore import Keystore
from hedgerow.vault.slots import SlotFile
from hedgerow_core.errors import PeerError

_KEY = bytes(range(32))
_MADE = Keystore(keystore.OPEN, bytes(16), 0, 0, bytes(16), _KEY)
_CHEAP = (1).to_bytes(4, "big") + (8).to_bytes(4, "big") + bytes(16)
_FOLDER = tempfile.TemporaryDirectory(prefix="hedgerow-fuzz-")


def fuzz_home(data: bytes) -> str:
    """The first byte says what it is: a file as it is, or sealed as by who has the key."""
    how, rest = (data[0] % 6 if data else 0), data[1:]
    try:
        if how == 0:
            file = SlotFile(Path(_FOLDER.name), "slot")
            for path in file.paths:
                path.write_bytes(rest)
            first, second = file.read()
            holds(first == second == file.newest(), "two slots that are the same are read otherwise")
            return told(first)
        if how == 1:
            found = Keystore.decode(rest)
            holds(Keystore.decode(found.encode()) == found, "a keystore is not what was stored")
            return told(found.kind, found.with_key(_KEY))
        if how == 2:
            keys = DataKeys.unseal(_KEY, ciphers.seal(_KEY, rest, datakey._ASSOCIATED))
            holds(1 <= len(keys.keys) <= 2, "more data keys than there can be")
            return told(keys.counter, *keys.keys.values())
        if how == 3:
            return told(columns.unseal(_KEY, {1: _KEY}.get, rest))
        if how == 4:
            backup.check(Path("file"), rest)
            return "a backup"
        # A file that somebody made who knows the passphrase.
        head = backup.MAGIC + b"\1" + _CHEAP
        key = ciphers.stretch(b"word", bytes(16), 1, 8)
        whole = head + ciphers.seal(key, rest, head)
        found_in = backup.open_backup(Path("file"), whole + hashlib.sha256(whole).digest()[:8], "word")
        return told(found_in.name, found_in.contacts)
    except PeerError as error:
        return refusal(error)
    except errors.UserError as error:
        return type(error).__name__


def home_seeds() -> list[bytes]:
    file = SlotFile(Path(_FOLDER.name), "seed")
    file.write_both(_MADE.encode())
    keys = DataKeys(3, {1: _KEY, 2: _KEY})
    return [
        b"\0" + file.paths[0].read_bytes(),
        b"\1" + _MADE.encode(),
        b"\1" + keystore.under_key(bytes(16), _KEY, _KEY).encode(),
        b"\2" + ciphers.unseal(_KEY, keys.seal(_KEY), datakey._ASSOCIATED),
        b"\3" + bytes(columns.seal_long(_KEY, "text") or b""),
        b"\3" + bytes(columns.seal_hour(1, _KEY, b"bytes") or b""),
        b"\4" + backup.MAGIC + b"\1" + _CHEAP + bytes(60),
        b"\5" + bytes(20),
    ]


TARGETS = {"home": (fuzz_home, home_seeds)}
