"""A flash image as bytes, and operations on it, whole or half done (NOR flash: programming clears bits)."""

import random
from dataclasses import dataclass

BLOCK_BYTES = 4096
PROGRAM, ERASE = 0, 1
_ERASED = b"\xff" * BLOCK_BYTES


@dataclass(frozen=True)
class Operation:
    """``kind`` PROGRAM or ERASE at byte address ``at``; ``data`` is what is programmed."""

    kind: int
    at: int
    data: bytes = b""


def blank(blocks: int) -> bytearray:
    """An erased chip."""
    return bytearray(b"\xff" * (blocks * BLOCK_BYTES))


def apply(image: bytearray, operation: Operation) -> None:
    """Do the whole operation."""
    if operation.kind == ERASE:
        image[operation.at : operation.at + BLOCK_BYTES] = _ERASED
    else:
        _program(image, operation.at, operation.data)


def tear(image: bytearray, operation: Operation, dice: random.Random) -> None:
    """Do a part of the operation: as much as was done when the power went, from nothing to all of it."""
    at = operation.at
    if operation.kind == PROGRAM:
        done = dice.randint(0, len(operation.data))
        _program(image, at, operation.data[:done])
        if done < len(operation.data):
            # Of the byte that was in progress some bits are cleared.
            image[at + done] &= operation.data[done] | dice.randrange(256)
        return
    # A block on its way to 1: untouched, risen bits, or noise, behind a part that is erased already.
    done = dice.choice((0, BLOCK_BYTES, dice.randint(0, BLOCK_BYTES)))
    image[at : at + done] = _ERASED[:done]
    noise = dice.randbytes(BLOCK_BYTES - done)
    rest = slice(at + done, at + BLOCK_BYTES)
    state = dice.randrange(3)
    if state == 1:
        image[rest] = bytes(old | new for old, new in zip(image[rest], noise, strict=True))
    elif state == 2:
        image[rest] = noise


def _program(image: bytearray, at: int, data: bytes) -> None:
    end = at + len(data)
    if image[at:end] == _ERASED[: len(data)]:
        image[at:end] = data
    else:
        image[at:end] = bytes(old & new for old, new in zip(image[at:end], data, strict=True))
