"""How bodies are sealed at rest. Keys come from elsewhere: here is only what a log asks of them."""

import os
from typing import Protocol

from nacl import bindings
from nacl.exceptions import CryptoError

from hedgerow_core.errors import AuthError

_NONCE_BYTES = 24
_TAG_BYTES = 16


class Cipher(Protocol):
    """Seals and opens what a log writes to the disk."""

    def seal(self, plaintext: bytes, associated: bytes) -> bytes:
        """What is written."""

    def open(self, sealed: bytes, associated: bytes) -> bytes:
        """What ``seal`` took. PeerError where the key is another one, or the bytes were changed."""


class NoCipher:
    """For a disk that is sealed as a whole, and for logs that hold nothing secret."""

    def seal(self, plaintext: bytes, associated: bytes) -> bytes:
        """As it is."""
        return plaintext

    def open(self, sealed: bytes, associated: bytes) -> bytes:
        """As it is."""
        return sealed


class SecretCipher:
    """XChaCha20-Poly1305 under one key of 32 bytes; 40 bytes longer."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def seal(self, plaintext: bytes, associated: bytes) -> bytes:
        """Nonce and ciphertext."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(
            plaintext, associated, nonce, self._key
        )

    def open(self, sealed: bytes, associated: bytes) -> bytes:
        """What ``seal`` took. AuthError where it is not authentic."""
        if len(sealed) < _NONCE_BYTES + _TAG_BYTES:
            raise AuthError("a ciphertext that is too short")
        try:
            return bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(
                sealed[_NONCE_BYTES:], associated, sealed[:_NONCE_BYTES], self._key
            )
        except CryptoError:
            raise AuthError("a ciphertext that is not authentic") from None
