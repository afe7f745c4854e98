"""A small file kept twice, so that a loss of power while one is written leaves the other.

Slot: CRC-32 of all that follows 4 | generation 4 | content. The valid slot of the higher generation holds.
"""

from binascii import crc32

HEAD_BYTES = 8


def seal(generation: int, content: bytes) -> bytes:
    """``content`` as a slot holds it."""
    head = generation.to_bytes(4, "big")
    # A board has room for one copy of it, not for two.
    return (crc32(content, crc32(head)) & 0xFFFFFFFF).to_bytes(4, "big") + head + content


def generation(slot: bytes) -> int:
    """The generation of a slot; -1 where the slot is damaged or empty."""
    if len(slot) < HEAD_BYTES or crc32(memoryview(slot)[4:]) & 0xFFFFFFFF != int.from_bytes(slot[:4], "big"):
        return -1
    return int.from_bytes(slot[4:HEAD_BYTES], "big")


def content(slot: bytes) -> bytes:
    """What a slot that has a generation holds."""
    return slot[HEAD_BYTES:]


def newest(slots: list[bytes]) -> int:
    """Which slot holds, the first of equal ones; -1 where none is valid."""
    best = -1
    highest = -1
    for index in range(len(slots)):
        found = generation(slots[index])
        if found > highest:
            best = index
            highest = found
    return best
