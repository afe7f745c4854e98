"""`time` on virtual time."""

import lab
from utime import *

_HALF = lab.PERIOD >> 1

ticks_ms = lab.ticks_ms


def ticks_us():
    lab.charge(5)
    return (lab.ms * 1000 + lab.us) & (lab.PERIOD - 1)


ticks_cpu = ticks_us


def ticks_add(ticks, delta):
    return (ticks + delta) & (lab.PERIOD - 1)


def ticks_diff(end, start):
    return ((end - start + _HALF) & (lab.PERIOD - 1)) - _HALF


def sleep_ms(duration):
    lab.sleep_us(duration * 1000)


def sleep_us(duration):
    lab.sleep_us(duration)


def sleep(duration):
    lab.sleep_us(int(duration * 1000000))


def time():
    """The RTC's seconds since 2000, where it starts when the power comes: a reset does not touch it."""
    return (lab.ms - lab.rtc_start_ms) // 1000


def time_ns():
    return (lab.ms - lab.rtc_start_ms) * 1000000 + lab.us * 1000
