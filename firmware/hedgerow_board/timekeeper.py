"""The board's mesh clock over restarts: the chip's RTC goes on, and keeps some bytes, while there is power.

Record in the RTC's memory: minutes to wait 1 (0: certain), M 4, seconds since M became that 1, seconds that
M may be behind 2, RTC second 4, CRC-32 of all that 4.
"""

import time
from binascii import crc32

import machine

from hedgerow_core.mesh_clock import MeshClock

_HEAD_BYTES = 12
# Somebody at the console may set the RTC, from 2000 to today; nobody's gap is that long.
_GAP_S = 30 * 24 * 3600
# After the watchdog the RTC is not in step with the clock that ran before (ESP-IDF puts them in step in
# esp_restart only): it may be some percent of the uptime off. A watchdog does not wait longer than that.
_WATCHDOG_GAP_S = 180
# In deep sleep the RTC of most boards is an RC oscillator, some percent off with the temperature.
_SLEEP_SLACK = 16
_SLACK_MOST_S = 3_600


class Timekeeper:
    """``clock`` is M of this board. ``checkpoint_minute`` is the last one on its flash, 0 for none."""

    def __init__(self, checkpoint_minute: int, now: int) -> None:
        self._rtc = machine.RTC()
        found = None
        if machine.reset_cause() != machine.PWRON_RESET:
            found = _resumed(self._rtc.memory(), checkpoint_minute, now)
        self.clock = found or MeshClock(now, checkpoint_minute)

    def save(self, now: int) -> None:
        """Write M into the RTC's memory, each minute and whenever it moved: a restart goes on from there."""
        clock = self.clock
        head = bytes((clock.wait(now),)) + clock.minute(now).to_bytes(4, "big")
        head += bytes((clock.into_minute(now) // 1000,)) + (clock.slack_ms // 1000).to_bytes(2, "big")
        head += time.time().to_bytes(4, "big")
        self._rtc.memory(head + (crc32(head) & 0xFFFFFFFF).to_bytes(4, "big"))


def _resumed(record: bytes, checkpoint_minute: int, now: int) -> "MeshClock | None":
    """The clock that goes on from ``record``; None where that is not ours, damaged, or of another time."""
    head = record[:_HEAD_BYTES]
    if len(record) != _HEAD_BYTES + 4 or crc32(head) & 0xFFFFFFFF != int.from_bytes(record[-4:], "big"):
        return None
    slack_s = int.from_bytes(head[6:8], "big")
    gap_s = time.time() - int.from_bytes(head[8:], "big")
    if machine.reset_cause() == machine.WDT_RESET:
        gap_s = min(max(gap_s, 0), _WATCHDOG_GAP_S)
    elif machine.reset_cause() == machine.DEEPSLEEP_RESET:
        # Of many sleeps in which nobody was met.
        slack_s = min(slack_s + gap_s // _SLEEP_SLACK, _SLACK_MOST_S)
    if not 0 <= gap_s <= _GAP_S:
        return None
    minute, wait = int.from_bytes(head[1:5], "big"), head[0]
    clock = MeshClock(now, minute, wait == 0, (gap_s + head[5]) * 1000, wait, slack_s * 1000)
    # M on the flash may have moved since, and then the record is of no use.
    return clock if clock.minute(now) >= checkpoint_minute else None
