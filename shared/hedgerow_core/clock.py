"""Minutes as shelves count them, by a clock that is right, as a host's is taken to be."""

from hedgerow_core import limits
from hedgerow_core.errors import PeerError

EPOCH_MINUTES = 28_401_120  # of unix time: 2024-01-01

_CERTAIN = 1
_ASKS = 2
_BYTES = 5

_MINUTE_MS = 60_000


def encode_clock(minute: int, certain: bool, asks: bool = False) -> bytes:
    """What one side of a link tells the other: minute 4, flags 1: it is certain, and wants to hear ours."""
    flags = (_CERTAIN if certain else 0) | (_ASKS if asks else 0)
    return min(minute, limits.M_MINUTES).to_bytes(4, "big") + bytes((flags,))


def decode_clock(data: bytes) -> "tuple[int, bool, bool]":
    """(minute, whether it is certain, whether it asks). PeerError where the bytes are damaged."""
    if len(data) != _BYTES or data[4] > _CERTAIN | _ASKS:
        raise PeerError("a damaged clock")
    minute = int.from_bytes(data[:4], "big")
    if minute > limits.M_MINUTES:
        raise PeerError("a clock past its bound")
    return minute, bool(data[4] & _CERTAIN), bool(data[4] & _ASKS)


class Clock:
    """``now`` is unix time in ms, or any other with ``epoch_minutes`` of its own."""

    certain = True

    def __init__(self, epoch_minutes: int = EPOCH_MINUTES) -> None:
        self._epoch_minutes = epoch_minutes

    def minute(self, now: int) -> int:
        """The minute now; never negative."""
        return max(now // _MINUTE_MS - self._epoch_minutes, 0)

    def told(self, now: int) -> int:
        """The minute as others should hear it."""
        return self.minute(now)

    def learn(self, member: bytes, minute: int, certain: bool, now: int) -> None:
        """Somebody says what time it is: a ``member`` of the mesh, or the host (empty). We know better."""
