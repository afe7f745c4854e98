"""Reconciling two sets of ids: here the plain list, behind the interface that the sketch takes over.

A reconciler gives parts to send and reads the other side's parts.
"""

from hedgerow_core import limits
from hedgerow_core.errors import PeerError

_LAST = 1


class IdList:
    """Both sides send all their ids, 8 bytes each, in parts of one frame; ``ids`` are ours, joined."""

    def __init__(self, ids: bytes) -> None:
        self._ids = ids
        self._at = 0
        self._received = 0
        self.sent = False
        self.received = False

    def next_part(self) -> bytes | None:
        """The next part of our set, or None when all was sent."""
        if self.sent:
            return None
        chunk = self._ids[self._at : self._at + limits.OFFER_IDS * limits.ID_BYTES]
        self._at += len(chunk)
        self.sent = self._at >= len(self._ids)
        if self.sent:
            self._ids = b""
            self._at = 0
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
