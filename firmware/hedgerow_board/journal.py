"""What a board writes down of its troubles. It lies in non-volatile storage, apart from the file system."""

import gc
import sys
import time
from io import StringIO

from hedgerow_core import limits
from hedgerow_core.journal import added

TRIES = 3  # starts in a row that end badly before the board starts in safe mode
_TRACE_LINES = 4


class Journal:
    """``store`` is the NVS. ``safe``: the last starts ended so badly that this one had better do little."""

    def __init__(self, store: object, starts: int, cause: int, troubles: int) -> None:
        self.store = store
        self.starts = starts
        self.cause = cause
        self.troubles = troubles
        self.safe = troubles >= TRIES
        self.quiet = b""  # the update that this start is for (hedgerow_board.trial)
        self.rested = False  # there was one not long ago
        self._ticks = time.ticks_ms()
        self._now = self._started = self._ticks

    def now(self) -> int:
        """Milliseconds that never wrap, as core wants them."""
        ticks = time.ticks_ms()
        self._now += time.ticks_diff(ticks, self._ticks)
        self._ticks = ticks
        return self._now

    def uptime_s(self) -> int:
        """Seconds since the start."""
        return (self.now() - self._started) // 1000

    def kept(self) -> bytes:
        """All entries; nothing where the storage does not give them."""
        buffer = bytearray(limits.JOURNAL_BYTES)
        try:
            return bytes(buffer[: self.store.get_blob("journal", buffer)])
        except OSError:
            return b""

    def note(self, text: str) -> None:
        """Write ``text`` down, where the storage takes it."""
        kept = self.kept()
        journal = added(kept, self.starts, self.uptime_s(), text.encode())
        if journal != kept:
            # Each write costs a part of a block of flash.
            try:
                self.store.set_blob("journal", journal)
                self.store.commit()
            except OSError:
                pass  # what goes on is worth more

    def trouble(self, error: object) -> None:
        """Write down why this start ends. Raises nothing: the reset that follows is worth more."""
        try:
            self.count(self.troubles + 1)
            gc.collect()
            out = StringIO()
            sys.print_exception(error, out)
            lines = out.getvalue().strip().split("\n")
            self.note("\n".join([line.strip() for line in lines[-_TRACE_LINES:]]))
        except Exception:
            pass

    def count(self, troubles: int) -> None:
        """Remember how many starts in a row ended badly."""
        if self.troubles != troubles:
            self.troubles = troubles
            self.store.set_i32("troubles", troubles)
            self.store.commit()

    def well(self) -> None:
        """All goes well for a while now; after safe mode everything is to be tried once more."""
        self.count(TRIES - 1 if self.safe else 0)
