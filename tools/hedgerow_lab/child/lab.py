"""The child's end of the lockstep: virtual clock, costs, and the stream to the parent.

The parent wakes us with a batch of events at a virtual time; we run until nothing is left to do and answer
with our commands, each with its own time, and the time at which we want to be woken.
"""

import struct
import sys

IDLE = 0
ADVERTISE = 1
SCAN = 2
CONNECT = 3
CONNECT_CANCEL = 4
DISCONNECT = 5
PDU = 6
ADDRESS = 7
SERIAL = 8
RESET = 9
STOP = 10
NOTE = 11
RTC_MEMORY = 12
WATCH = 13
_WATCHDOG = 3  # machine.WDT_RESET

NEVER = 0xFFFFFFFF
PERIOD = 1 << 30
_YIELD_US = 1_000
_TIME_BYTES = 6
_EVENT_BYTES = 320  # the largest event

ms = 0  # the virtual time
us = 0
ticks_offset = 0
rtc_start_ms = 0  # when the power came, at which the RTC began to count
costs = {}
connections = 4  # of the radio
_ahead_us = 0
_view = memoryview(bytearray(_EVENT_BYTES))
_reader = None
_writer = None
_handlers = {}
console = None  # hedgerow_console.console, for the REPL and dupterm
_bite_ms = NEVER  # when the watchdog resets the board
_alarm_ms = NEVER  # when the timer calls ...
_alarm = None  # ... this


def charge(cost_us):
    """Let the clock go on by ``cost_us``: what the real board would have taken."""
    global ms, us, _ahead_us
    us += cost_us
    _ahead_us += cost_us
    if us >= 1000:
        ms += us // 1000
        us %= 1000
        if ms >= _bite_ms:
            # In the middle of what took so long.
            ms = _bite_ms
            reset(_WATCHDOG)
        if ms >= _alarm_ms:
            _ring()


def reset(cause, after_ms=0):
    """Let the parent end this process and start it again ``after_ms``; the next one hears ``cause``."""
    global _bite_ms
    _bite_ms = NEVER
    _handlers.clear()
    asked = False
    while True:
        try:
            if not asked:
                command(RESET, struct.pack("<BI", cause, after_ms))
                asked = True
            exchange(NEVER)
        except MemoryError:
            pass  # it may be why: on a board a reset takes no heap


def watch(timeout_ms):
    """Reset the board in ``timeout_ms``, unless this is called again before."""
    global _bite_ms
    _bite_ms = ms + timeout_ms


def alarm(at_ms, call):
    """Call ``call`` at ``at_ms``, whatever runs then."""
    global _alarm_ms, _alarm
    _alarm_ms = at_ms
    _alarm = call


def _ring():
    global _alarm_ms
    _alarm_ms = NEVER
    _alarm()


def sleep_us(duration_us):
    """Sleep without running tasks."""
    charge(duration_us)


def command(kind, payload=b""):
    """Send ``payload`` to the parent, stamped with the time now."""
    # At once: what a board hands to its radio does not lie in MicroPython's heap either.
    _writer.write(struct.pack("<BIHH", kind, ms, us, len(payload)))
    if payload:
        _writer.write(payload)


def on(kind, handler):
    """Call ``handler(payload)`` for events of ``kind``."""
    _handlers[kind] = handler


def connect(read_fd, write_fd):
    """Open the stream; then the first wake sets the clock."""
    global _reader, _writer
    _reader = open(read_fd, "rb")
    _writer = open(write_fd, "wb")


def _read(size):
    # Always into the same place: on a board this lies outside of MicroPython's heap.
    at = 0
    while at < size:
        count = _reader.readinto(_view[at:size])
        if not count:
            raise SystemExit
        at += count
    return _view[:size]


def exchange(until_ms):
    """Tell the parent that this turn is over, sleep until it wakes us, handle what happened."""
    global ms, us, _ahead_us
    _writer.write(struct.pack("<BIHHI", IDLE, ms, us, 4, min(until_ms, _bite_ms, _alarm_ms)))
    size = struct.unpack("<I", _read(4))[0] - _TIME_BYTES
    ms, us = struct.unpack("<IH", _read(_TIME_BYTES))
    _ahead_us = 0
    if ms >= _bite_ms:
        reset(_WATCHDOG)
    if ms >= _alarm_ms:
        _ring()
    while size:
        kind, length = struct.unpack("<BH", _read(3))
        payload = _read(length)
        size -= 3 + length
        handler = _handlers.get(kind)
        if handler:
            try:
                handler(payload)
            except MemoryError as error:
                # As on a board: the event is gone.
                sys.print_exception(error)


def ahead():
    """Whether we ran so far ahead that the others should have their turn."""
    return _ahead_us >= _YIELD_US


def ticks_ms():
    """Milliseconds with the wrap of a board; reading the clock takes a little time, so busy loops end."""
    charge(5)
    return (ms + ticks_offset) & (PERIOD - 1)
