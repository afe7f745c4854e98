"""Ids of what was here and is not wanted again, until its lifetime is over everywhere."""

from hedgerow_core import limits
from hedgerow_core.rows import Rows

_ROW_BYTES = limits.ID_BYTES + 2
_ROUND = 0xFF00  # minutes are counted modulo this, so the last byte is never 0xFF


class Tombstones:
    """At most ``bound`` ids; the oldest makes room for a new one. A row: id 8, end 2, little-endian."""

    def __init__(self, bound: int) -> None:
        self._rows = Rows(_ROW_BYTES, bound)
        self._bound = bound
        self._next = 0

    def __len__(self) -> int:
        return len(self._rows)

    def has(self, identity: bytes) -> bool:
        """Whether ``identity`` is here."""
        return self._rows.find(identity) >= 0

    def add(self, identity: bytes, end: int) -> bytes:
        """Remember ``identity`` until minute ``end``; which id had to go."""
        if self._bound == 0:
            return identity
        gone = b""
        if self._rows.full():
            gone = self._rows.row(self._next)[: limits.ID_BYTES]
            self._rows.free(self._next)
            self._next = (self._next + 1) % self._bound
        self._rows.add(identity + (end % _ROUND).to_bytes(2, "little"))
        return gone

    def expire(self, minute: int, everything: bool) -> list[bytes]:
        """Forget what is over, or ``everything``; those ids."""
        gone = []
        for slot in self._rows.slots():
            row = self._rows.row(slot)
            left = (int.from_bytes(row[limits.ID_BYTES :], "little") - minute) % _ROUND
            if everything or left == 0 or left > _ROUND // 2:
                gone.append(row[: limits.ID_BYTES])
                self._rows.free(slot)
        return gone
