"""HMAC-SHA256 (RFC 2104), HKDF (RFC 5869) and AES-CTR (SP 800-38A, section 6.5).

MicroPython has SHA-256 and AES-ECB, nothing else. Here one ECB call over a buffer of counters and one
XOR of two big integers serve a whole frame.
"""

import hashlib

from hedgerow_core.compat import aes_ecb_encrypt
from hedgerow_core.errors import LimitError

_INNER = int.from_bytes(b"\x36" * 64, "big")
_OUTER = int.from_bytes(b"\x5c" * 64, "big")


def sha256(data: bytes) -> bytes:
    """SHA-256 of ``data``, 32 bytes."""
    return hashlib.sha256(data).digest()


def hmac_sha256(key: bytes, data: bytes) -> bytes:
    """HMAC-SHA256 of ``data`` under ``key`` (any length), 32 bytes."""
    if len(key) > 64:
        key = sha256(key)
    number = int.from_bytes(bytes(key) + bytes(64 - len(key)), "big")
    hash_inner = hashlib.sha256((number ^ _INNER).to_bytes(64, "big"))
    hash_inner.update(data)
    hash_outer = hashlib.sha256((number ^ _OUTER).to_bytes(64, "big"))
    hash_outer.update(hash_inner.digest())
    return hash_outer.digest()


def hkdf(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    """HKDF-SHA256: extract with ``salt``, expand with ``info`` to ``length`` bytes (at most 8160)."""
    if length > 255 * 32:
        raise LimitError("HKDF gives at most 8160 bytes")
    key = hmac_sha256(salt, secret)
    result = b""
    block = b""
    index = 1
    while len(result) < length:
        block = hmac_sha256(key, block + info + bytes((index,)))
        result += block
        index += 1
    return result[:length]


def xor(a: bytes, b: bytes | bytearray) -> bytes:
    """XOR of two byte strings of one length."""
    if not a:
        return b""
    return (int.from_bytes(a, "big") ^ int.from_bytes(b, "big")).to_bytes(len(a), "big")


def equal(a: bytes, b: bytes) -> bool:
    """Whether two byte strings are equal, in a time that tells nothing about where they differ."""
    if len(a) != len(b):
        return False
    difference = 0
    for x, y in zip(a, b):
        difference |= x ^ y
    return difference == 0


def aes_ctr(key: bytes, counter: bytes, data: bytes) -> bytes:
    """Encrypt or decrypt ``data`` with AES-CTR; ``counter`` is the first 16-byte block."""
    if not data:
        return b""
    low = counter[14] << 8 | counter[15]
    blocks = (len(data) + 15) >> 4
    if low + blocks > 0x10000:
        stream = _counters(counter, blocks)
    else:
        stream = bytearray(counter * blocks)
        at = 14
        for number in range(low, low + blocks):
            stream[at] = number >> 8
            stream[at + 1] = number & 0xFF
            at += 16
    # In place: a board finds room for few more pieces of this size.
    aes_ecb_encrypt(key, stream)
    stream[len(data) :] = b""
    return xor(data, stream)


def _counters(counter: bytes, blocks: int) -> bytearray:
    """Where the counter carries past its last 16 bits: rare, so the numbers are large ones."""
    number = int.from_bytes(counter, "big")
    stream = bytearray()
    for _ in range(blocks):
        stream.extend(number.to_bytes(16, "big"))
        number = (number + 1) % (1 << 128)
    return stream
