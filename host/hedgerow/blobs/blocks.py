"""A file as blocks: where it is cut depends on its content, so what two files have in common is one.

The root is a block, too: CBOR [version, size, [[id, length] ..]]. Ids are the SHA-256 of blocks.
"""

import hashlib
from dataclasses import dataclass

from hedgerow_core import cbor
from hedgerow_core.errors import PeerError

VERSION = 1
FILE_BYTES = 4 << 20  # the largest file
ID_BYTES = 32
BLOCK_BYTES = 32 << 10
_LEAST_BYTES = 4 << 10
_MASK = (1 << 14) - 1  # 16 KiB, on the average, behind the least
_WORD = (1 << 32) - 1
_GEAR = [
    int.from_bytes(hashlib.sha256(b"hedgerow gear" + bytes((byte,))).digest()[:4], "big")
    for byte in range(256)
]


@dataclass(frozen=True)
class Root:
    """What a file consists of: (id, length) of each block."""

    size: int
    parts: tuple[tuple[bytes, int], ...]

    def encode(self) -> bytes:
        """The root block."""
        return cbor.encode([VERSION, self.size, [[*part] for part in self.parts]])


def cut(data: bytes) -> list[bytes]:
    """Blocks of 4 to 32 KiB, the last may be shorter. A gear hash finds the places, as in FastCDC."""
    found, begin, value = [], 0, 0
    at = _LEAST_BYTES
    while at < len(data):
        value = ((value << 1) + _GEAR[data[at]]) & _WORD
        at += 1
        if not value & _MASK or at - begin >= BLOCK_BYTES:
            found.append(data[begin:at])
            begin, value = at, 0
            at = begin + _LEAST_BYTES
    return [*found, data[begin:]] if begin < len(data) or not data else found


def identity(block: bytes) -> bytes:
    """What a block is named by."""
    return hashlib.sha256(block).digest()


def root_of(parts: list[bytes]) -> Root:
    """The root of a file's blocks."""
    return Root(sum(map(len, parts)), tuple((identity(part), len(part)) for part in parts))


def read_root(data: bytes) -> Root:
    """Read a root block. PeerError where it is none, or promises what cannot be."""
    found = cbor.decode(data)
    if not isinstance(found, list) or len(found) != 3 or found[0] != VERSION or type(found[1]) is not int:
        raise PeerError("not the root of a file")
    _, size, parts = found
    if (
        not isinstance(parts, list)
        or not 0 <= size <= FILE_BYTES
        or len(parts) > FILE_BYTES // _LEAST_BYTES + 1
    ):
        raise PeerError("not the root of a file")
    read = []
    for part in parts:
        if not isinstance(part, list) or len(part) != 2:
            raise PeerError("not the root of a file")
        name, length = part
        if not isinstance(name, bytes) or len(name) != ID_BYTES or type(length) is not int:
            raise PeerError("not the root of a file")
        if not 0 <= length <= BLOCK_BYTES:
            raise PeerError("not the root of a file")
        read.append((name, length))
    if sum(length for _, length in read) != size:
        raise PeerError("not the root of a file")
    return Root(size, tuple(read))
