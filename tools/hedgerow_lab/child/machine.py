"""`machine` as far as the firmware uses it."""

import lab

PWRON_RESET = 1
HARD_RESET = 2
WDT_RESET = 3
SOFT_RESET = 5

_unique = b"\0" * 6
_cause = PWRON_RESET
_freq = 160000000
_RTC_BYTES = 2048
_rtc_memory = b""


def reset():
    """Restart this board: the parent ends the process and starts it again."""
    lab.command(lab.RESET)
    while True:
        lab.exchange(lab.NEVER)


def soft_reset():
    reset()


def reset_cause():
    return _cause


def unique_id():
    return _unique


def freq(value=None):
    global _freq
    if value is None:
        return _freq
    _freq = value


def idle():
    lab.exchange(lab.ms + 1)


def lightsleep(duration_ms=0):
    lab.sleep_us(duration_ms * 1000)


class WDT:
    def __init__(self, id=0, timeout=5000):
        self.timeout = timeout

    def feed(self):
        pass


class RTC:
    """Its memory lives on in the parent over a reset, and ends with the power; so does its time (time.py)."""

    def memory(self, data=None):
        global _rtc_memory
        if data is None:
            return _rtc_memory
        if len(data) > _RTC_BYTES:
            raise ValueError("buffer too long")
        _rtc_memory = bytes(data)
        lab.command(lab.RTC_MEMORY, _rtc_memory)
