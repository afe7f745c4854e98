"""XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03) and Argon2id (RFC 9106), as PyNaCl has them."""

import os

from nacl import bindings
from nacl.exceptions import CryptoError

from hedgerow_core.errors import AuthError, PeerError

KEY_BYTES = 32
NONCE_BYTES = 24
TAG_BYTES = 16
SALT_BYTES = 16
OVERHEAD_BYTES = NONCE_BYTES + TAG_BYTES

# What libsodium calls MODERATE: half a second on a small computer, and as long for each guess of a thief.
PASSES = 3
MEMORY_KIB = 256 * 1024
_PASSES_MAX = 16
_MEMORY_MAX_KIB = 2 * 1024 * 1024


def seal(key: bytes, plaintext: bytes, associated: bytes) -> bytes:
    """Nonce, drawn here, and ciphertext: 40 bytes more than ``plaintext``."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce + seal_with(key, nonce, plaintext, associated)


def seal_with(key: bytes, nonce: bytes, plaintext: bytes, associated: bytes) -> bytes:
    """The ciphertext with its tag under a nonce of 24 bytes that the caller never uses again."""
    return bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(plaintext, associated, nonce, key)


def unseal(key: bytes, sealed: bytes, associated: bytes) -> bytes:
    """What ``seal`` took. AuthError where it was made with another key, or changed."""
    if len(sealed) < OVERHEAD_BYTES:
        raise AuthError("a ciphertext that is too short")
    nonce, ciphertext = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
    try:
        return bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(ciphertext, associated, nonce, key)
    except CryptoError:
        raise AuthError("a ciphertext that is not authentic") from None


def stretch(passphrase: bytes, salt: bytes, passes: int, memory_kib: int) -> bytes:
    """The key of a passphrase, by Argon2id with one lane; ``salt`` has 16 bytes.

    PeerError where the parameters are none: they may come from a file that somebody made to hurt.
    """
    if len(salt) != SALT_BYTES or not 1 <= passes <= _PASSES_MAX or not 8 <= memory_kib <= _MEMORY_MAX_KIB:
        raise PeerError("damaged parameters of Argon2id")
    try:
        return bindings.crypto_pwhash_alg(
            KEY_BYTES, passphrase, salt, passes, memory_kib * 1024, bindings.crypto_pwhash_ALG_ARGON2ID13
        )
    except (CryptoError, MemoryError):
        raise PeerError("too little memory for Argon2id") from None
