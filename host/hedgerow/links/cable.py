"""The host's end of a cable: no more at once than a board keeps while it cannot read."""

from collections import deque

from hedgerow.links.board import BoardLink

_BURST_BYTES = 250  # UART0 of an ESP32 keeps 260 and drops the rest in silence
# A burst takes 22 ms at 115,200 baud, the erasure of a block of flash about 50, and often two are due.
_GAP_MS = 110


class CableLink(BoardLink):
    """Writes bursts with gaps between them; ``deadline`` tells when the next may go."""

    _waiting: "deque[bytes] | None" = None
    _written: "deque[tuple[int, int]] | None" = None  # (when, bytes) of what left within the last gap

    def next_writes(self, now: int) -> list[bytes]:
        """One item at most, and none before it is time."""
        waiting, written = self._waiting, self._written
        if waiting is None or written is None:
            waiting, written = self._waiting, self._written = deque(), deque()
        if not waiting:
            waiting.extend(super().next_writes(now))
        if not waiting:
            return []
        while written and not 0 <= now - written[0][0] < _GAP_MS:
            written.popleft()
        if written and sum(size for _, size in written) + len(waiting[0]) > _BURST_BYTES:
            return []
        written.append((now, len(waiting[0])))
        return [waiting.popleft()]

    def deadline(self) -> int | None:
        """When ``tick`` or ``outgoing`` has something to do, in ms, or None."""
        due = super().deadline()
        if not self._waiting or not self._written:
            return due
        left = sum(size for _, size in self._written)
        free = 0
        for when, size in self._written:
            left, free = left - size, when + _GAP_MS
            if left + len(self._waiting[0]) <= _BURST_BYTES:
                break
        return free if due is None else min(due, free)
