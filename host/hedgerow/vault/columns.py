"""Values of the database as they lie on the disk, and the SQL functions that seal and open them.

    1 | sealed under the store key                     what lasts: texts, keys
    2 | generation 4 | sealed under a data key         what must be gone once it was used: ratchets

``seal_long(x)``, ``seal_hour(x)`` and ``unseal(x)`` take and give NULL, and the empty text, as they are.
"""

import sqlite3
from collections.abc import Callable

from hedgerow.vault import ciphers
from hedgerow.vault.memory import Locked
from hedgerow_core.errors import AuthError, PeerError

_LONG = b"\x01"
_HOUR = b"\x02"
_GENERATION_BYTES = 4
_ASSOCIATED = b"hedgerow column"
_TEXT = b"t"
_BYTES = b"b"

Value = str | bytes | None


class UnknownGeneration(PeerError):
    """The value was sealed under a data key that is not here."""


def seal_long(store_key: bytes, value: Value) -> Value:
    """``value`` under the store key."""
    if not value and not isinstance(value, bytes):
        return value
    return _LONG + ciphers.seal(store_key, _plain(value), _ASSOCIATED + _LONG)


def seal_hour(generation: int, data_key: bytes, value: Value) -> Value:
    """``value`` under the data key of a generation."""
    if not value and not isinstance(value, bytes):
        return value
    head = _HOUR + generation.to_bytes(_GENERATION_BYTES, "big")
    return head + ciphers.seal(data_key, _plain(value), _ASSOCIATED + head)


def unseal(store_key: bytes, data_key: Callable[[int], bytes | None], value: Value) -> Value:
    """What was sealed. PeerError where it is damaged, UnknownGeneration where its key is gone."""
    if not value:
        return value
    if isinstance(value, str):
        raise PeerError("a text that is not sealed")
    if value[:1] == _LONG:
        plain = ciphers.unseal(store_key, value[1:], _ASSOCIATED + _LONG)
    elif value[:1] == _HOUR and len(value) > _GENERATION_BYTES:
        head, sealed = value[: 1 + _GENERATION_BYTES], value[1 + _GENERATION_BYTES :]
        key = data_key(int.from_bytes(head[1:], "big"))
        if key is None:
            raise UnknownGeneration("a value whose key is gone")
        plain = ciphers.unseal(key, sealed, _ASSOCIATED + head)
    else:
        raise PeerError("a value that is not sealed")
    return plain[1:].decode() if plain[:1] == _TEXT else plain[1:]


def _plain(value: str | bytes) -> bytes:
    return _TEXT + value.encode() if isinstance(value, str) else _BYTES + value


class Columns:
    """The SQL functions of one connection; ``failure`` is why the last one failed."""

    def __init__(self, connection: sqlite3.Connection, store_key: Locked) -> None:
        self.failure: PeerError | None = None
        self._store_key = store_key
        self._keys: dict[int, Locked] = {}
        self.generation = -1
        for name, function in (
            ("seal_long", self._seal_long),
            ("seal_hour", self._seal_hour),
            ("unseal", self._unseal),
        ):
            connection.create_function(name, 1, function)

    def use(self, keys: dict[int, bytes], generation: int) -> None:
        """Open with the data keys ``keys``, seal with that of ``generation``."""
        for key in self._keys.values():
            key.erase()
        self._keys = {number: Locked(key) for number, key in keys.items()}
        self.generation = generation

    def _seal_long(self, value: Value) -> Value:
        return seal_long(bytes(self._store_key), value)

    def _seal_hour(self, value: Value) -> Value:
        return seal_hour(self.generation, bytes(self._keys[self.generation]), value)

    def _unseal(self, value: Value) -> Value:
        try:
            return unseal(bytes(self._store_key), self._data_key, value)
        except AuthError:
            self.failure = PeerError("a value that was changed")
            raise
        except PeerError as error:
            self.failure = error
            raise

    def _data_key(self, generation: int) -> bytes | None:
        found = self._keys.get(generation)
        return None if found is None else bytes(found)
