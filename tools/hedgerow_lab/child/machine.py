"""`machine` as far as the firmware uses it."""

import lab

PWRON_RESET = 1
HARD_RESET = 2
WDT_RESET = 3
DEEPSLEEP_RESET = 4
SOFT_RESET = 5

_unique = b"\0" * 6
_cause = PWRON_RESET
_freq = 160000000
_RTC_BYTES = 2048
_rtc_memory = b""


def reset():
    """Restart this board: the parent ends the process and starts it again."""
    lab.reset(HARD_RESET)


def soft_reset():
    lab.reset(SOFT_RESET)


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


def deepsleep(duration_ms=0):
    """The RTC and its memory go on, everything else is off; then the board starts. Without a time, never."""
    lab.reset(DEEPSLEEP_RESET, duration_ms or lab.NEVER)


class WDT:
    """As on an ESP32: one watchdog, which a new object sets to another time and nothing stops."""

    def __init__(self, id=0, timeout=5000):
        if id != 0 or timeout <= 0:
            raise ValueError("WDT")
        self._timeout = timeout
        lab.command(lab.WATCH, timeout.to_bytes(4, "little"))
        self.feed()

    def feed(self):
        lab.watch(self._timeout)


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


def __getattr__(name):
    # Few boards of the lab need them.
    if name == "Pin":
        from pins import Pin

        return Pin
    if name == "ADC":
        from battery import ADC

        return ADC
    if name == "Timer":
        from timer import Timer

        return Timer
    raise AttributeError(name)
