"""The key derivations of the ratchet (Signal, "The Double Ratchet Algorithm", sections 2.2, 4 and 7.2)."""

import hashlib

from hedgerow_core.mac import hkdf, hmac_sha256

TOKEN_BYTES = 16
_LOCK_BYTES = 12


def shared_header_keys(root: bytes) -> tuple[bytes, bytes]:
    """(header key of the first chain, header key of the chain that answers), 32 bytes each."""
    okm = hkdf(root, b"", b"hedgerow header keys", 64)
    return okm[:32], okm[32:]


def root_step(root: bytes, dh_output: bytes) -> tuple[bytes, bytes, bytes]:
    """KDF_RK_HE: (root key, chain key, next header key), 32 bytes each."""
    okm = hkdf(dh_output, root, b"hedgerow ratchet", 96)
    return okm[:32], okm[32:64], okm[64:]


def chain_step(chain: bytes) -> tuple[bytes, bytes]:
    """KDF_CK: (next chain key, message key), 32 bytes each."""
    return hmac_sha256(chain, b"\x02"), hmac_sha256(chain, b"\x01")


def seal_key(message_key: bytes) -> bytes:
    """The AEAD key of one message, 32 bytes."""
    return hkdf(message_key, b"", b"hedgerow message", 32)


def token(header_key: bytes, number: int) -> bytes:
    """What only writer and reader of message ``number`` know, 16 bytes."""
    return hkdf(header_key, b"", b"token" + number.to_bytes(4, "big"), TOKEN_BYTES)


def lock_of(token: bytes) -> bytes:
    """The lock that belongs to a token, 12 bytes."""
    return hashlib.sha256(token).digest()[:_LOCK_BYTES]


def header_mask(header_key: bytes, number: int, size: int) -> bytes:
    """What hides the header of message ``number``."""
    return hkdf(header_key, b"", b"mask" + number.to_bytes(4, "big"), size)
