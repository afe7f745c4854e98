"""What a board knows beyond a restart. It lies in non-volatile storage, apart from the file system.

Non-volatile storage writes whole values or nothing, and levels its wear; a start costs it four numbers.
"""

import gc
import os
import sys
import time
from io import StringIO

import machine
from esp32 import NVS

from hedgerow_core import journal, limits
from hedgerow_core.mac import hmac_sha256
from hedgerow_core.service import CAUSES

_SEED_BYTES = 32
_TRIES = 3  # starts in a row that end badly before the board starts in safe mode
_TRACE_LINES = 4


class Journal:
    """Counts this start. ``seed`` is the board's secret, ``starts`` how often it started, ``safe`` whether
    the last starts ended so badly that this one had better do little."""

    def __init__(self) -> None:
        store = self._store = NVS("hedgerow")
        seed = bytearray(_SEED_BYTES)
        try:
            store.get_blob("seed", seed)
        except OSError:
            seed = hmac_sha256(machine.unique_id(), os.urandom(32) + str(time.ticks_us()).encode())
            store.set_blob("seed", seed)
        self.seed = bytes(seed)
        self._ticks = time.ticks_ms()
        self._now = self._ticks
        cause = machine.reset_cause()
        self._cause = cause if cause < CAUSES else 0
        self.starts = self._count("boots")
        self._count("reset" + str(self._cause))
        self._troubles = self._number("troubles")
        if self._cause == machine.WDT_RESET:
            self._troubles += 1
        elif self._cause == machine.PWRON_RESET and self._troubles >= _TRIES:
            # Whoever takes the power away wants to see it start.
            self._troubles = _TRIES - 1
        self.safe = self._troubles >= _TRIES
        self._remember()
        if self._cause == machine.WDT_RESET:
            self.note("the watchdog reset the board")

    def now(self) -> int:
        """Milliseconds that never wrap, as core wants them."""
        ticks = time.ticks_ms()
        self._now += time.ticks_diff(ticks, self._ticks)
        self._ticks = ticks
        return self._now

    def _number(self, name: str) -> int:
        try:
            return self._store.get_i32(name)
        except OSError:
            return 0

    def _count(self, name: str) -> int:
        number = self._number(name) + 1
        self._store.set_i32(name, number)
        return number

    def _remember(self) -> None:
        if self._troubles != self._number("troubles"):
            self._store.set_i32("troubles", self._troubles)
        self._store.commit()

    def _blob(self, name: str, size: int) -> bytes:
        buffer = bytearray(size)
        try:
            return bytes(buffer[: self._store.get_blob(name, buffer)])
        except OSError:
            return b""

    def _keep(self, name: str, size: int, value: bytes) -> None:
        # Each write costs a part of a block of flash.
        if value != self._blob(name, size):
            self._store.set_blob(name, value)
            self._store.commit()

    def settings(self) -> bytes:
        """The copy of the settings."""
        return self._blob("settings", limits.SETTINGS_BYTES)

    def keep_settings(self, slot: bytes) -> None:
        """Copy the settings: they are needed to talk with the host about a file system that is damaged."""
        self._keep("settings", limits.SETTINGS_BYTES, slot)

    def note(self, text: str) -> None:
        """Write ``text`` down."""
        kept = self._blob("journal", limits.JOURNAL_BYTES)
        size = limits.JOURNAL_BYTES
        self._keep("journal", size, journal.added(kept, self.starts, self.now() // 1000, text.encode()))

    def trouble(self, error: object) -> None:
        """Write down why this start ends. Raises nothing: the reset that follows is worth more."""
        try:
            self._troubles += 1
            self._remember()
            gc.collect()
            out = StringIO()
            sys.print_exception(error, out)
            lines = out.getvalue().strip().split("\n")
            self.note("\n".join([line.strip() for line in lines[-_TRACE_LINES:]]))
        except Exception:
            pass

    def well(self) -> None:
        """All goes well for a while now, or is to be tried once more."""
        troubles = _TRIES - 1 if self.safe else 0
        if self._troubles > troubles:
            self._troubles = troubles
            self._remember()

    def known(self) -> tuple:
        """What ``hedgerow_core.service.encode_log`` wants behind the part."""
        counts = [self._number("reset" + str(cause)) for cause in range(CAUSES)]
        kept = self._blob("journal", limits.JOURNAL_BYTES)
        return self.starts, self._cause, self._troubles, counts, kept
