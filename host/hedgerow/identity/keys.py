"""X25519 and Ed25519 (RFC 7748, 8032) of PyNaCl, ChaCha20-Poly1305 (RFC 8439) of cryptography."""

from collections.abc import Callable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from nacl import bindings
from nacl.exceptions import CryptoError

from hedgerow_core.errors import AuthError

KEY_BYTES = 32
SIGNATURE_BYTES = 64
AEAD_TAG_BYTES = 16
_ZERO_NONCE = bytes(12)

Random = Callable[[int], bytes]


def dh_public(private: bytes) -> bytes:
    """The X25519 public key, 32 bytes."""
    return bindings.crypto_scalarmult_base(private)


def dh(private: bytes, public: bytes) -> bytes:
    """The X25519 shared secret, 32 bytes. AuthError for a public key of small order."""
    try:
        return bindings.crypto_scalarmult(private, public)
    except (CryptoError, RuntimeError):
        raise AuthError("a public key of small order") from None


def signing_public(seed: bytes) -> bytes:
    """The Ed25519 public key of a 32-byte seed."""
    return bindings.crypto_sign_seed_keypair(seed)[0]


def sign(seed: bytes, message: bytes) -> bytes:
    """The Ed25519 signature, 64 bytes."""
    return bindings.crypto_sign(message, bindings.crypto_sign_seed_keypair(seed)[1])[:SIGNATURE_BYTES]


def verify(key: bytes, signature: bytes, message: bytes) -> bool:
    """Whether ``signature`` of ``message`` was made with the private part of ``key``."""
    if len(key) != KEY_BYTES or len(signature) != SIGNATURE_BYTES:
        return False
    try:
        bindings.crypto_sign_open(signature + message, key)
    except (CryptoError, ValueError):
        return False
    return True


def seal(key: bytes, plaintext: bytes, associated: bytes) -> bytes:
    """Encrypt with a key that is never used again, hence the zero nonce; 16 bytes longer."""
    return ChaCha20Poly1305(key).encrypt(_ZERO_NONCE, plaintext, associated)


def unseal(key: bytes, ciphertext: bytes, associated: bytes) -> bytes:
    """Decrypt what ``seal`` made. AuthError where it is not authentic."""
    if len(ciphertext) < AEAD_TAG_BYTES:
        raise AuthError("a ciphertext that is too short")
    try:
        return ChaCha20Poly1305(key).decrypt(_ZERO_NONCE, ciphertext, associated)
    except InvalidTag:
        raise AuthError("a ciphertext that is not authentic") from None


def pad(plaintext: bytes, size: int) -> bytes:
    """Fill up to ``size`` bytes: 80, then zeros (ISO/IEC 7816-4)."""
    return plaintext + b"\x80" + bytes(size - len(plaintext) - 1)


def unpad(padded: bytes) -> bytes:
    """Take the padding off. AuthError where there is none."""
    plaintext = padded.rstrip(b"\0")
    if not plaintext.endswith(b"\x80"):
        raise AuthError("a text without padding")
    return plaintext[:-1]
