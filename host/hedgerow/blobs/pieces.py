"""What travels: questions for pieces of blocks, and the pieces.

    piece:  block 8 | index | count | bytes          index and count as LEB128
    want:   CBOR [ttl, block 8, [first, last, ..], block 8, ..]

A block is named by the first bytes of its id: who asks knows the rest, and looks.
"""

from dataclasses import dataclass

from hedgerow.blobs.blocks import BLOCK_BYTES
from hedgerow.log.entry import decode_number, encode_number
from hedgerow_core import cbor
from hedgerow_core.envelope import TTL_DEFAULT
from hedgerow_core.errors import PeerError

NAME_BYTES = 8
PIECE_BYTES = 840
COUNT_MAX = -(-BLOCK_BYTES // PIECE_BYTES)
ASKED_MOST = 128  # pieces of one question


@dataclass(frozen=True)
class Piece:
    """A part of a block: ``index`` of ``count``."""

    block: bytes
    index: int
    count: int
    data: bytes


def count_of(length: int) -> int:
    """How many pieces a block of this length has."""
    return max(1, -(-length // PIECE_BYTES))


def piece_of(name: bytes, block: bytes, index: int) -> bytes | None:
    """A piece of a block as it travels; None where it has none with this index."""
    count = count_of(len(block))
    if index >= count:
        return None
    data = block[index * PIECE_BYTES : (index + 1) * PIECE_BYTES]
    return name + encode_number(index) + encode_number(count) + data


def read_piece(data: bytes) -> Piece:
    """Read a piece. PeerError where it is damaged."""
    index, at = decode_number(data, NAME_BYTES)
    count, at = decode_number(data, at)
    size = len(data) - at
    # All but the last are full.
    if not 1 <= count <= COUNT_MAX or index >= count or size > PIECE_BYTES:
        raise PeerError("a damaged piece of a file")
    if index < count - 1 and size != PIECE_BYTES:
        raise PeerError("a damaged piece of a file")
    return Piece(data[:NAME_BYTES], index, count, data[at:])


def ask(ttl: int, wanted: dict[bytes, list[int]]) -> bytes:
    """A question for pieces, by the name of their block; they shall live as the ttl class says."""
    fields: list[object] = [ttl]
    for name, indexes in wanted.items():
        ranges: list[int] = []
        for index in sorted(indexes):
            if ranges and ranges[-1] == index - 1:
                ranges[-1] = index
            else:
                ranges += [index, index]
        fields += [name, ranges]
    return cbor.encode(fields)


def read_question(data: bytes) -> tuple[int, list[tuple[bytes, int]]]:
    """(ttl class, (name of the block, index) of each piece). PeerError where it is damaged, or too much."""
    found = cbor.decode(data)
    if not isinstance(found, list) or len(found) % 2 != 1 or type(found[0]) is not int:
        raise PeerError("a damaged question")
    if not 0 <= found[0] <= TTL_DEFAULT:
        raise PeerError("a damaged question")
    asked: list[tuple[bytes, int]] = []
    for name, ranges in zip(found[1::2], found[2::2], strict=True):
        if (
            not isinstance(name, bytes)
            or len(name) != NAME_BYTES
            or not isinstance(ranges, list)
            or len(ranges) % 2
        ):
            raise PeerError("a damaged question")
        for first, last in zip(ranges[::2], ranges[1::2], strict=True):
            if type(first) is not int or type(last) is not int or not 0 <= first <= last < COUNT_MAX:
                raise PeerError("a damaged question")
            asked += [(name, index) for index in range(first, last + 1)]
            if len(asked) > ASKED_MOST:
                raise PeerError("a question for too much")
    return found[0], asked
