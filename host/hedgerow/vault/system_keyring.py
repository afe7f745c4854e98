"""The keyring of the operating system, by the package ``keyring`` where it is installed."""

import os
from typing import Any

from hedgerow import errors
from hedgerow.vault import ciphers

_SERVICE = "hedgerow"


def _keyring() -> Any:
    try:
        import keyring
    except ImportError:
        raise errors.NoKeyring(reason="the package keyring is not installed") from None
    return keyring


def store(home_id: bytes) -> bytes:
    """Put a new random key of 32 bytes into the keyring; the key. NoKeyring where there is none."""
    key = os.urandom(ciphers.KEY_BYTES)
    keyring = _keyring()
    try:
        keyring.set_password(_SERVICE, home_id.hex(), key.hex())
        kept = keyring.get_password(_SERVICE, home_id.hex())
    except Exception as error:
        # Each system's backend has errors of its own.
        raise errors.NoKeyring(reason=_told(error)) from None
    if kept != key.hex():
        raise errors.NoKeyring(reason="it does not keep what it is given")
    return key


def load(home_id: bytes) -> bytes:
    """The key that ``store`` put there. NoKeyring where it is not there."""
    keyring = _keyring()
    try:
        kept = keyring.get_password(_SERVICE, home_id.hex())
    except Exception as error:
        raise errors.NoKeyring(reason=_told(error)) from None
    try:
        return bytes.fromhex(kept)
    except (TypeError, ValueError):
        raise errors.NoKeyring(reason="it holds no key for this home") from None


def erase(home_id: bytes) -> bool:
    """Take the key out; whether that worked."""
    try:
        _keyring().delete_password(_SERVICE, home_id.hex())
    except Exception:
        return False
    return True


def _told(error: Exception) -> str:
    return " ".join(str(error).split())[:80].rstrip(".:").lower() or type(error).__name__
