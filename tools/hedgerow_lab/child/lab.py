"""The child's end of the lockstep: virtual clock, costs, and the stream to the parent.

The parent wakes us with a batch of events at a virtual time; we run until nothing is left to do and answer
with our commands, each with its own time, and the time at which we want to be woken.
"""

import struct

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
_FEW = 3  # commands that go out in one piece
_SMALL = 64  # unless the last is larger
_LARGE = 256  # bytes above which a batch of events comes in pieces

ms = 0  # the virtual time
us = 0
ticks_offset = 0
rtc_start_ms = 0  # when the power came, at which the RTC began to count
costs = {}
_ahead_us = 0
_reader = None
_writer = None
_commands = []
_handlers = {}
_bite_ms = NEVER  # when the watchdog resets the board


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


def reset(cause):
    """Let the parent end this process and start it again; the next one hears ``cause``."""
    global _bite_ms
    _bite_ms = NEVER
    _handlers.clear()
    asked = False
    while True:
        try:
            if not asked:
                command(RESET, bytes((cause,)))
                asked = True
            exchange(NEVER)
        except MemoryError:
            pass  # it may be why: on a board a reset takes no heap


def watch(timeout_ms):
    """Reset the board in ``timeout_ms``, unless this is called again before."""
    global _bite_ms
    _bite_ms = ms + timeout_ms


def sleep_us(duration_us):
    """Sleep without running tasks."""
    charge(duration_us)


def command(kind, payload=b""):
    """Send ``payload`` to the parent, stamped with the time now."""
    _commands.append(struct.pack("<BIHH", kind, ms, us, len(payload)) + payload)


def on(kind, handler):
    """Call ``handler(payload)`` for events of ``kind``."""
    _handlers[kind] = handler


def connect(read_fd, write_fd):
    """Open the stream; then the first wake sets the clock."""
    global _reader, _writer
    _reader = open(read_fd, "rb")
    _writer = open(write_fd, "wb")


def _read(size):
    data = _reader.read(size)
    if len(data) == size:
        return data
    parts = bytearray(data)
    while len(parts) < size:
        data = _reader.read(size - len(parts))
        if not data:
            raise SystemExit
        parts.extend(data)
    return bytes(parts)


def exchange(until_ms):
    """Give the parent our commands, sleep until it wakes us, handle what happened."""
    global _commands, ms, us, _ahead_us
    idle = struct.pack("<BIHHI", IDLE, ms, us, 4, min(until_ms, _bite_ms))
    if not _commands or (len(_commands) <= _FEW and len(_commands[-1]) <= _SMALL):
        answer = b"".join(_commands) + idle
        _writer.write(struct.pack("<I", len(answer)) + answer)
    else:
        # In pieces, for a small heap has no room for all of it in one.
        _commands.append(idle)
        _writer.write(struct.pack("<I", sum([len(part) for part in _commands])))
        for part in _commands:
            _writer.write(part)
    _commands = []
    size = struct.unpack("<I", _read(4))[0]
    if size > _LARGE:
        batch = _read(_TIME_BYTES)
        events = _read_events(size - _TIME_BYTES)
    else:
        batch = _read(size)
        events = ()
    ms, us = struct.unpack_from("<IH", batch)
    _ahead_us = 0
    if ms >= _bite_ms:
        reset(_WATCHDOG)
    for kind, payload in events:
        _handle(kind, payload)
    at = _TIME_BYTES
    while at < len(batch):
        kind, size = struct.unpack_from("<BH", batch, at)
        at += 3
        _handle(kind, batch[at : at + size])
        at += size


def _handle(kind, payload):
    handler = _handlers.get(kind)
    if handler:
        handler(payload)


def _read_events(size):
    # All of them before the first is handled: a handler may end this process.
    events = []
    while size:
        kind, length = struct.unpack("<BH", _read(3))
        events.append((kind, _read(length)))
        size -= 3 + length
    return events


def ahead():
    """Whether we ran so far ahead that the others should have their turn."""
    return _ahead_us >= _YIELD_US


def ticks_ms():
    """Milliseconds with the wrap of a board; reading the clock takes a little time, so busy loops end."""
    charge(5)
    return (ms + ticks_offset) & (PERIOD - 1)
