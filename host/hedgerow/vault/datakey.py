"""The data key: what a ratchet was, is gone from the disk once the key that sealed it is erased.

SQLite leaves old rows in its write-ahead log, so they are sealed under a key that lies in a small file of
its own, kept twice, and is replaced every hour: the file is overwritten in place.

    [counter, [[generation, key 32], ..]]   sealed under the store key

There are two keys only while they change: until all rows are under the new one, either may be needed.
``counter`` goes up with each program that writes, after it went up in the database: where the file's is
higher, somebody put back an older database.
"""

from dataclasses import dataclass
from pathlib import Path

from hedgerow.vault import ciphers
from hedgerow.vault.slots import SlotFile
from hedgerow_core import cbor
from hedgerow_core.errors import PeerError

ROTATE_MS = 3_600_000
_NAME = "datakey"
_ASSOCIATED = b"hedgerow data key"
_KEYS_MAX = 2


@dataclass(frozen=True, repr=False)
class DataKeys:
    """What one slot holds: ``keys`` by their generation."""

    counter: int
    keys: dict[int, bytes]

    def seal(self, store_key: bytes) -> bytes:
        """The content of a slot."""
        rows = [[number, key] for number, key in sorted(self.keys.items())]
        return ciphers.seal(store_key, cbor.encode([self.counter, rows]), _ASSOCIATED)

    @classmethod
    def unseal(cls, store_key: bytes, content: bytes) -> "DataKeys":
        """Read a slot. PeerError where it is damaged, or another home's."""
        found = cbor.decode(ciphers.unseal(store_key, content, _ASSOCIATED))
        if not isinstance(found, list) or len(found) != 2 or type(found[0]) is not int:
            raise PeerError("a damaged data key")
        rows = found[1]
        if not isinstance(rows, list) or not 1 <= len(rows) <= _KEYS_MAX:
            raise PeerError("a damaged data key")
        keys = {}
        for row in rows:
            if not isinstance(row, list) or [type(item) for item in row] != [int, bytes]:
                raise PeerError("a damaged data key")
            if len(row[1]) != ciphers.KEY_BYTES:
                raise PeerError("a damaged data key")
            keys[row[0]] = row[1]
        return cls(found[0], keys)


def slot_file(home: Path) -> SlotFile:
    """Where the data key lies."""
    return SlotFile(home, _NAME)
