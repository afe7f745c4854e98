"""Lists of ids in one piece: as objects of their own, ids take a board four times the room.

A list has them one behind the other, in the order in which they came. Empty it is ``b""`` and takes no
room, so who changes it keeps what these functions give back.
"""

from hedgerow_core import limits

SIZE = limits.ID_BYTES


def where(flat: "bytes | bytearray", identity: bytes) -> int:
    """Where ``identity`` lies, in bytes, or -1."""
    at = flat.find(identity)
    # Elsewhere it is a part of two ids that happens to look like it.
    while at >= 0 and at % SIZE:
        at = flat.find(identity, at + 1)
    return at


def add(flat: "bytes | bytearray", ids: "bytes | bytearray") -> "bytes | bytearray":
    """``flat`` and the ids in ``ids`` behind it."""
    if not isinstance(flat, bytearray):
        return bytearray(flat + ids)
    flat.extend(ids)
    return flat


def remove(flat: "bytes | bytearray", identity: bytes) -> "bytes | bytearray":
    """``flat`` without ``identity``, where that is there."""
    at = where(flat, identity)
    return flat if at < 0 else cut(flat, at, SIZE)


def cut(flat: "bytes | bytearray", at: int, size: int) -> "bytes | bytearray":
    """``flat`` without ``size`` bytes at ``at``."""
    if len(flat) <= size:
        return b""
    if not isinstance(flat, bytearray):
        flat = bytearray(flat)
    flat[at : at + size] = b""
    return flat
