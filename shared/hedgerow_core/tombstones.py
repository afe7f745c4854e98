"""Ids of what was here and is not wanted again, until its lifetime is over everywhere."""

from hedgerow_core import limits
from hedgerow_core.rows import Rows

_TERM_MINUTES = 240  # one byte tells when a row ends
_TERMS = 255


class Tombstones:
    """At most ``bound`` ids; the oldest makes room for a new one. A row: id 8, term of its end 1."""

    def __init__(self, bound: int) -> None:
        self._rows = Rows(limits.ID_BYTES + 1, bound)
        self._bound = bound
        self._next = 0

    def __len__(self) -> int:
        return len(self._rows)

    def has(self, identity: bytes) -> bool:
        """Whether ``identity`` is here."""
        return self._rows.find(identity) >= 0

    def add(self, identity: bytes, end: int) -> bytes:
        """Remember ``identity`` until minute ``end``, or up to 4 hours longer; which id had to go."""
        if self._bound == 0:
            return identity
        gone = b""
        if self._rows.full():
            gone = self._rows.row(self._next)[: limits.ID_BYTES]
            self._rows.free(self._next)
            self._next = (self._next + 1) % self._bound
        self._rows.add(identity + bytes(((end // _TERM_MINUTES + 1) % _TERMS,)))
        return gone

    def forget(self, identity: bytes) -> bool:
        """Take ``identity`` out; whether it was here."""
        slot = self._rows.find(identity)
        if slot >= 0:
            self._rows.free(slot)
        return slot >= 0

    def expire(self, minute: int, everything: bool) -> list[bytes]:
        """Forget what is over, or ``everything``; those ids."""
        term = minute // _TERM_MINUTES
        gone = []
        for slot in self._rows.slots():
            row = self._rows.row(slot)
            left = (row[limits.ID_BYTES] - term) % _TERMS
            if everything or left == 0 or left > _TERMS // 2:
                gone.append(row[: limits.ID_BYTES])
                self._rows.free(slot)
        return gone
