"""CAR, version 1: blocks named by their CIDs, one behind the other (ipld.io, "CARv1 specification").

varint length | header: DAG-CBOR {"roots": [CID ..], "version": 1}
varint length | CID | block, and so on
"""

import hashlib
from collections.abc import Iterator
from typing import IO, Protocol

import cbor2

from hedgerow.log import bounds, cid
from hedgerow.log.errors import FileDamaged

_CID_TAG = 42  # DAG-CBOR's links
_CID_BYTES = 4 + bounds.ID_BYTES
_VARINT_BYTES = 9
SECTION_BYTES = bounds.ENTRY_BYTES * 2  # more than any block that is written here


class Reader(Protocol):
    """What bytes are read from."""

    def read(self, size: int, /) -> bytes:
        """At most so many bytes; fewer at the end alone."""


def link(entry_id: bytes) -> cbor2.CBORTag:
    """A CID as DAG-CBOR has it: behind a zero byte."""
    return cbor2.CBORTag(_CID_TAG, b"\0" + cid.to_bytes(entry_id))


def write_header(stream: IO[bytes], roots: list[bytes]) -> None:
    """The beginning of a file; ``roots`` are the ids of the heads."""
    header = {"roots": [link(root) for root in roots], "version": 1}
    _section(stream, cbor2.dumps(header, canonical=True))


def write_block(stream: IO[bytes], block: bytes) -> bytes:
    """Write a block of DAG-CBOR; its id."""
    identity = hashlib.sha256(block).digest()
    _section(stream, cid.to_bytes(identity), block)
    return identity


def _section(stream: IO[bytes], *parts: bytes) -> None:
    length = sum(map(len, parts))
    while length > 0x7F:
        stream.write(bytes((length & 0x7F | 0x80,)))
        length >>= 7
    stream.write(bytes((length,)))
    for part in parts:
        stream.write(part)


def read(stream: Reader) -> Iterator[tuple[bytes, bytes]]:
    """(id, block) of each block of DAG-CBOR; blocks that are something else are passed over.

    FileDamaged where the file ends too early, is none, or a block is not what its CID says.
    """
    header = _next(stream, 0)
    if header is None:
        raise FileDamaged(reason="it is empty", at=0)
    try:
        found = cbor2.loads(header)
    except Exception:  # whatever cbor2 makes of bytes from outside
        found = None
    if not isinstance(found, dict) or found.get("version") != 1:
        raise FileDamaged(reason="it is no CAR file of version 1", at=0)
    number = 0
    while (section := _next(stream, number := number + 1)) is not None:
        name, block = section[:_CID_BYTES], section[_CID_BYTES:]
        identity = name[-bounds.ID_BYTES :]
        if name != cid.to_bytes(identity):
            continue
        if hashlib.sha256(block).digest() != identity:
            raise FileDamaged(reason="a block is not what its name says", at=number)
        yield identity, block


def _next(stream: Reader, number: int) -> bytes | None:
    length = shift = 0
    for at in range(_VARINT_BYTES):
        byte = stream.read(1)
        if not byte:
            if at:
                raise FileDamaged(reason="it ends too early", at=number)
            return None
        length |= (byte[0] & 0x7F) << shift
        shift += 7
        if not byte[0] & 0x80:
            break
    if length > SECTION_BYTES:
        raise FileDamaged(reason="a block is too long", at=number)
    section = stream.read(length)
    if len(section) < length:
        raise FileDamaged(reason="it ends too early", at=number)
    return section
