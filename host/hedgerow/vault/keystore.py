"""The keystore: the 32-byte store key of a home, wrapped under a passphrase or a key of the keyring.

    [version 1, kind, home id 16, passes, memory in KiB, salt 16, wrapped]      docs/protocol.md, "Home"

All else that is secret lies in the database, sealed under the store key or under the data key, which the
store key seals (``hedgerow.vault.datakey``). So another passphrase costs one small file.
"""

import os
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from hedgerow import errors
from hedgerow.vault import ciphers
from hedgerow.vault.slots import SlotFile
from hedgerow_core import cbor
from hedgerow_core.errors import AuthError, PeerError

OPEN = 0  # whoever can read the files can read all
PASSPHRASE = 1
KEYRING = 2

VERSION = 1
HOME_ID_BYTES = 16
_NAME = "keystore"


@dataclass(frozen=True, repr=False)
class Keystore:
    """What the file says; ``unwrap`` needs what it does not say."""

    kind: int
    home_id: bytes
    passes: int
    memory_kib: int
    salt: bytes
    wrapped: bytes

    @property
    def open_key(self) -> bytes:
        """The store key where nothing protects it."""
        if self.kind != OPEN or len(self.wrapped) != ciphers.KEY_BYTES:
            raise PeerError("a damaged keystore")
        return self.wrapped

    def with_passphrase(self, passphrase: str) -> bytes:
        """The store key. AuthError where the passphrase is wrong; each try costs Argon2id."""
        key = ciphers.stretch(as_bytes(passphrase), self.salt, self.passes, self.memory_kib)
        return self.with_key(key)

    def with_key(self, key: bytes) -> bytes:
        """The store key. AuthError where ``key`` does not fit."""
        return ciphers.unseal(key, self.wrapped, self._associated())

    def _associated(self) -> bytes:
        return cbor.encode([VERSION, self.kind, self.home_id, self.passes, self.memory_kib, self.salt])

    def _sealed(self, key: bytes, store_key: bytes) -> "Keystore":
        wrapped = ciphers.seal(key, store_key, self._associated())
        return Keystore(self.kind, self.home_id, self.passes, self.memory_kib, self.salt, wrapped)

    def encode(self) -> bytes:
        """The file's content."""
        return cbor.encode(
            [VERSION, self.kind, self.home_id, self.passes, self.memory_kib, self.salt, self.wrapped]
        )

    @classmethod
    def decode(cls, content: bytes) -> "Keystore":
        """Read what ``encode`` gave. PeerError where it is damaged, UnknownVersion where it is another."""
        found = cbor.decode(content)
        if not isinstance(found, list) or not found or type(found[0]) is not int:
            raise PeerError("a damaged keystore")
        if found[0] != VERSION:
            raise UnknownVersion(f"version {found[0]} of the keystore, not {VERSION}")
        kinds = (int, int, bytes, int, int, bytes, bytes)
        if [type(item) for item in found] != list(kinds) or found[1] not in (OPEN, PASSPHRASE, KEYRING):
            raise PeerError("a damaged keystore")
        if len(found[2]) != HOME_ID_BYTES or len(found[5]) != ciphers.SALT_BYTES:
            raise PeerError("a damaged keystore")
        return cls(*found[1:])


def as_bytes(passphrase: str) -> bytes:
    """A passphrase as it is stretched: the same for each way to type an accent."""
    return unicodedata.normalize("NFC", passphrase).encode(errors="surrogateescape")


class UnknownVersion(PeerError):
    """The file was made by another version."""


def plain(home_id: bytes, store_key: bytes) -> Keystore:
    """A keystore that anybody can open who can read it."""
    return Keystore(OPEN, home_id, 0, 0, bytes(ciphers.SALT_BYTES), store_key)


def under_passphrase(home_id: bytes, store_key: bytes, passphrase: str) -> Keystore:
    """A keystore under a passphrase, with a new salt and today's parameters."""
    salt = os.urandom(ciphers.SALT_BYTES)
    made = Keystore(PASSPHRASE, home_id, ciphers.PASSES, ciphers.MEMORY_KIB, salt, b"")
    return made._sealed(ciphers.stretch(as_bytes(passphrase), salt, made.passes, made.memory_kib), store_key)


def under_key(home_id: bytes, store_key: bytes, key: bytes) -> Keystore:
    """A keystore under a random key that is kept elsewhere."""
    return Keystore(KEYRING, home_id, 0, 0, bytes(ciphers.SALT_BYTES), b"")._sealed(key, store_key)


def slot_file(home: Path) -> SlotFile:
    """Where the keystore lies."""
    return SlotFile(home, _NAME)


def load(home: Path) -> Keystore | None:
    """The keystore of a home; None where there is none. HomeDamaged where neither slot is whole."""
    file = slot_file(home)
    if not file.exists():
        return None
    content = file.newest()
    if content is None:
        raise errors.HomeDamaged(home=home, reason="both copies of its keystore are damaged")
    try:
        return Keystore.decode(content)
    except PeerError as error:
        raise errors.HomeDamaged(home=home, reason=str(error)) from None


def save(home: Path, keystore: Keystore) -> None:
    """Replace the keystore; what opened the former one opens nothing any more. OSError as the disk says."""
    slot_file(home).write_both(keystore.encode())


def half_saved(home: Path) -> bool:
    """Whether a program died while it saved: what opened the former keystore still opens one slot."""
    first, second = slot_file(home).read()
    return first != second


def unwrap(home: Path, keystore: Keystore, passphrase: str) -> bytes:
    """The store key. WrongPassphrase, or HomeDamaged, where it cannot be had."""
    try:
        return keystore.with_passphrase(passphrase)
    except AuthError:
        raise errors.WrongPassphrase(home=home) from None
    except PeerError as error:
        raise errors.HomeDamaged(home=home, reason=str(error)) from None
