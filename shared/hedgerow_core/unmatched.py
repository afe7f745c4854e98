"""Proofs that fit nothing here yet: remembered for a while, a few from each source."""

from hedgerow_core import limits
from hedgerow_core.rows import Rows

# id 8, hash 16, token 16, source 1, mark 1
_ROW_BYTES = 42
_HASH = 8
_TOKEN = 24
_SOURCE = 40


class Unmatched:
    """At most ``limits.UNMATCHED_PROOFS``, and ``UNMATCHED_PROOFS_A_SOURCE`` of one source."""

    def __init__(self) -> None:
        self._rows = Rows(_ROW_BYTES, limits.UNMATCHED_PROOFS)
        self._next = 0

    def __len__(self) -> int:
        return len(self._rows)

    def has(self, identity: bytes) -> bool:
        """Whether the proof with this id is here."""
        return self._rows.find(identity) >= 0

    def add(self, identity: bytes, digest: bytes, token: bytes, source: int) -> None:
        """Remember a proof; of the same source, or where all is full of any, another one goes."""
        rows = self._rows
        mine = [slot for slot in rows.slots() if rows.row(slot)[_SOURCE] == source]
        if len(mine) >= limits.UNMATCHED_PROOFS_A_SOURCE:
            self._free([slot for slot in mine if slot >= self._next] or mine)
        elif rows.full():
            self._free([slot for slot in rows.slots(self._next)] or [0])
        rows.add(identity + digest[: limits.PROOF_BYTES] + token + bytes((source, 0)))

    def _free(self, slots: list[int]) -> None:
        # In turn, so it is the one that came first.
        self._rows.free(slots[0])
        self._next = slots[0] + 1

    def find(self, wanted: bytes) -> bytes:
        """The token whose hash begins with ``wanted``, at least 12 bytes; empty where there is none."""
        slot = self._rows.find(wanted, _HASH) if len(wanted) >= limits.LOCK_BYTES else -1
        return self._rows.row(slot)[_TOKEN:_SOURCE] if slot >= 0 else b""

    def forget(self, identity: bytes) -> None:
        """The proof has found its envelope."""
        slot = self._rows.find(identity)
        if slot >= 0:
            self._rows.free(slot)
