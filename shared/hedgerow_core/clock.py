"""Minutes as shelves count them, by a clock that is right, as a host's is taken to be."""

EPOCH_MINUTES = 28_401_120  # of unix time: 2024-01-01

_MINUTE_MS = 60_000


class Clock:
    """``now`` is unix time in ms, or any other with ``epoch_minutes`` of its own."""

    certain = True

    def __init__(self, epoch_minutes: int = EPOCH_MINUTES) -> None:
        self._epoch_minutes = epoch_minutes

    def minute(self, now: int) -> int:
        """The minute now; never negative."""
        return max(now // _MINUTE_MS - self._epoch_minutes, 0)
