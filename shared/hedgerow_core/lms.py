"""Verifies LMS signatures (RFC 8554) with SHA-256, of 32 bytes: no other arithmetic than hashing.

A signature is read in parts, from wherever it lies, so that it takes a board little heap. Hosts sign.
"""

import hashlib

from hedgerow_core.errors import PeerError

KEY_BYTES = 56  # type 4 | one-time type 4 | identifier I 16 | root of the tree 32

_HASH = 32
_HEAD = 40  # of a signature: leaf 4 | one-time type 4 | randomizer C 32
_HEIGHTS = {5: 5, 6: 10}  # LMS_SHA256_M32_H5 and H10 (table 2)
_WIDTHS = {3: 4, 4: 8}  # LMOTS_SHA256_N32_W4 and W8 (table 1)
_PUBLIC, _MESSAGE, _LEAF, _NODE = b"\x80\x80", b"\x81\x81", b"\x82\x82", b"\x83\x83"


def parameters(key: bytes) -> "tuple[int, int, int]":
    """(height of the tree, bits of a digit, number of digits) of a public key. PeerError where it is none
    that we know."""
    if len(key) != KEY_BYTES:
        raise PeerError("a damaged public key")
    height = _HEIGHTS.get(int.from_bytes(key[:4], "big"))
    width = _WIDTHS.get(int.from_bytes(key[4:8], "big"))
    if height is None or width is None:
        raise PeerError("a public key of another kind")
    return height, width, 67 if width == 4 else 34


def signature_bytes(key: bytes) -> int:
    """The size of every signature under ``key``. PeerError as in ``parameters``."""
    height, _, digits = parameters(key)
    return _HEAD + digits * _HASH + 4 + height * _HASH


def verify(key: bytes, message: object, read: object) -> int:
    """The number of the one-time key that signed the parts that ``message`` yields, under the public ``key``.

    ``read(at, size)`` gives that part of the signature. PeerError where it does not hold.
    """
    height, width, digits = parameters(key)
    head = _read(read, 0, _HEAD)
    leaf = int.from_bytes(head[:4], "big")
    path = _HEAD + digits * _HASH
    if head[4:8] != key[4:8] or leaf >> height or _read(read, path, 4) != key[:4]:
        raise PeerError("a signature of another kind")
    start = key[8:24] + head[:4]
    whole = hashlib.sha256(start + _MESSAGE + head[8:])
    for part in message:  # type: ignore[attr-defined]
        whole.update(part)
    node = _leaf(start, whole.digest(), width, digits, read)
    number = leaf | 1 << height
    node = hashlib.sha256(key[8:24] + number.to_bytes(4, "big") + _LEAF + node).digest()
    for at in range(path + 4, path + 4 + height * _HASH, _HASH):
        other = _read(read, at, _HASH)
        pair = other + node if number & 1 else node + other
        number >>= 1
        node = hashlib.sha256(key[8:24] + number.to_bytes(4, "big") + _NODE + pair).digest()
    if node != key[24:]:
        raise PeerError("a wrong signature")
    return leaf


def _leaf(start: bytes, digest: bytes, width: int, digits: int, read: object) -> bytes:
    """The one-time public key that fits (algorithm 4b); ``start`` is I | leaf."""
    most = (1 << width) - 1
    # Two digits in a byte, or one; behind them the sum of what each lacks (4.4).
    lacks = sum([most - _digit(digest, i, width) for i in range(digits - (3 if width == 4 else 2))])
    coded = digest + (lacks << (4 if width == 4 else 0)).to_bytes(2, "big")
    public = hashlib.sha256(start + _PUBLIC)
    block = bytearray(start + bytes(3 + _HASH))
    for i in range(digits):
        block[20] = i >> 8
        block[21] = i & 0xFF
        block[23:] = _read(read, _HEAD + i * _HASH, _HASH)
        for j in range(_digit(coded, i, width), most):
            block[22] = j
            block[23:] = hashlib.sha256(block).digest()
        public.update(block[23:])
    return public.digest()


def _digit(data: bytes, i: int, width: int) -> int:
    """Digit ``i`` of ``data`` (3.1.3)."""
    if width == 8:
        return data[i]
    return data[i >> 1] >> (0 if i & 1 else 4) & 0x0F


def _read(read: object, at: int, size: int) -> bytes:
    part: bytes = read(at, size)  # type: ignore[operator]
    if len(part) != size:
        raise PeerError("a signature that is too short")
    return part
