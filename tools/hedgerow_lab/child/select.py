"""`select` for virtual streams: the built-in one would sleep on the computer's clock."""

POLLIN = 1
POLLOUT = 4
POLLERR = 8
POLLHUP = 16


class poll:
    def __init__(self):
        self._streams = []

    def register(self, stream, events=POLLIN | POLLOUT):
        self._streams.append((stream, events))

    def poll(self, timeout_ms=-1):
        ready = [(stream, stream.ioctl(3, events)) for stream, events in self._streams]
        return [entry for entry in ready if entry[1]]
