"""Reconciling two sets of ids: here the plain list, behind the interface that the sketch takes over.

A reconciler gives parts to send and reads the other side's parts.
"""

from hedgerow_core import limits
from hedgerow_core.errors import PeerError

_LAST = 1


class IdList:
    """Both sides send all their ids, 8 bytes each, in parts of one frame; ``cursor`` is where ours go on."""

    def __init__(self) -> None:
        self.cursor = 0
        self._received = 0
        self.sent = False
        self.received = False

    def part(self, chunk: bytes, cursor: int) -> bytes:
        """A part of our set: the ids from our cursor on, and the next cursor, negative after the last."""
        self.cursor = cursor
        self.sent = cursor < 0
        return bytes((_LAST if self.sent else 0,)) + chunk

    def receive(self, part: bytes) -> list[bytes]:
        """The ids in one part of theirs. PeerError where it is damaged or past the bound."""
        if not part or part[0] > _LAST:
            raise PeerError("a damaged offer")
        ids = split_ids(part[1:])
        received = self._received + len(ids)
        if received > limits.EXCHANGE_IDS:
            raise PeerError("an offer above the limit")
        self._received = received
        if part[0] & _LAST:
            self.received = True
            self._received = 0
        return ids

    def restart(self) -> None:
        """We ask for theirs anew: what came of the round before does not count."""
        self.received = False
        self._received = 0


def split_ids(data: bytes) -> list[bytes]:
    """The 8-byte ids in ``data``. PeerError where the length does not fit."""
    size = limits.ID_BYTES
    if len(data) % size or len(data) > limits.FRAME_BYTES:
        raise PeerError("a damaged list of ids")
    return [bytes(data[at : at + size]) for at in range(0, len(data), size)]
