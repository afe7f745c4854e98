"""The key derivations of the ratchet (Signal, "The Double Ratchet Algorithm", sections 2.2, 4 and 7.2).

HMAC-SHA256 (RFC 2104) and HKDF (RFC 5869) are written out: keys of 32 bytes only, and what depends on a
header key alone is computed once a chain. That is half of the time that a message takes.
"""

import hashlib
from functools import lru_cache

from hedgerow_core.mac import hkdf

TOKEN_BYTES = 16
_LOCK_BYTES = 12

_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))
_INNER_REST = b"\x36" * 32
_OUTER_REST = b"\x5c" * 32
_sha256 = hashlib.sha256
_NO_SALT = _sha256(b"\x36" * 64), _sha256(b"\x5c" * 64)


def shared_header_keys(root: bytes) -> tuple[bytes, bytes]:
    """(header key of the first chain, header key of the chain that answers), 32 bytes each."""
    okm = hkdf(root, b"", b"hedgerow header keys", 64)
    return okm[:32], okm[32:]


def root_step(root: bytes, dh_output: bytes) -> tuple[bytes, bytes, bytes]:
    """KDF_RK_HE: (root key, chain key, next header key), 32 bytes each."""
    inner, outer = _keyed(_hmac(root, dh_output))
    one = _mac(inner, outer, b"hedgerow ratchet\x01")
    two = _mac(inner, outer, one + b"hedgerow ratchet\x02")
    return one, two, _mac(inner, outer, two + b"hedgerow ratchet\x03")


def chain_step(chain: bytes) -> tuple[bytes, bytes]:
    """KDF_CK: (next chain key, message key), 32 bytes each."""
    inner = chain.translate(_INNER) + _INNER_REST
    outer = chain.translate(_OUTER) + _OUTER_REST
    return (
        _sha256(outer + _sha256(inner + b"\x02").digest()).digest(),
        _sha256(outer + _sha256(inner + b"\x01").digest()).digest(),
    )


def seal_key(message_key: bytes) -> bytes:
    """The AEAD key of one message, 32 bytes."""
    return _hmac(_mac(*_NO_SALT, message_key), b"hedgerow message\x01")


def token(header_key: bytes, number: int) -> bytes:
    """What only writer and reader of message ``number`` know, 16 bytes."""
    inner, outer = _expanding(header_key)
    return _mac(inner, outer, b"token" + number.to_bytes(4, "big") + b"\x01")[:TOKEN_BYTES]


def lock_of(token: bytes) -> bytes:
    """The lock that belongs to a token, 12 bytes."""
    return _sha256(token).digest()[:_LOCK_BYTES]


def locks(header_key: bytes, first: int, end: int) -> list[bytes]:
    """The locks of the messages from ``first`` to before ``end``."""
    keyed_inner, keyed_outer = _expanding(header_key)
    found = []
    for number in range(first, end):
        inner = keyed_inner.copy()
        inner.update(b"token" + number.to_bytes(4, "big") + b"\x01")
        outer = keyed_outer.copy()
        outer.update(inner.digest())
        found.append(_sha256(outer.digest()[:TOKEN_BYTES]).digest()[:_LOCK_BYTES])
    return found


def masked(header_key: bytes, number: int, header: bytes) -> bytes:
    """The header of message ``number``, hidden; or shown, where it was. At most 64 bytes."""
    inner, outer = _expanding(header_key)
    info = b"mask" + number.to_bytes(4, "big")
    first = _mac(inner, outer, info + b"\x01")
    mask = first + _mac(inner, outer, first + info + b"\x02")
    size = len(header)
    return (int.from_bytes(header, "big") ^ int.from_bytes(mask[:size], "big")).to_bytes(size, "big")


def _keyed(key: bytes) -> tuple["hashlib._Hash", "hashlib._Hash"]:
    """Both hashes of HMAC with a key of 32 bytes, up to where the message begins."""
    return (
        _sha256(key.translate(_INNER) + _INNER_REST),
        _sha256(key.translate(_OUTER) + _OUTER_REST),
    )


@lru_cache(maxsize=64)
def _expanding(header_key: bytes) -> tuple["hashlib._Hash", "hashlib._Hash"]:
    # HKDF-Extract of a header key. What is remembered opens no message: it tells locks and hides headers.
    return _keyed(_mac(*_NO_SALT, header_key))


def _mac(inner: "hashlib._Hash", outer: "hashlib._Hash", message: bytes) -> bytes:
    hashed = inner.copy()
    hashed.update(message)
    result = outer.copy()
    result.update(hashed.digest())
    return result.digest()


def _hmac(key: bytes, message: bytes) -> bytes:
    """HMAC-SHA256 with a key of 32 bytes that is used once."""
    inner = _sha256(key.translate(_INNER) + _INNER_REST + message).digest()
    return _sha256(key.translate(_OUTER) + _OUTER_REST + inner).digest()
