"""The board's serial console: a stream between the firmware and the parent, in place of the firmware's."""

import io

import lab

SERIAL_IN = 7
_BUFFER = 260  # the ring of UART0 on an ESP32


class Console(io.IOBase):
    """Bytes from the host wait here; what does not fit is dropped, as a board without flow control does."""

    def __init__(self):
        self._buffer = bytearray()
        lab.on(SERIAL_IN, self.put)

    def put(self, data):
        room = _BUFFER - len(self._buffer)
        self._buffer.extend(data[:room])

    def ioctl(self, request, flags):
        if request == 3:
            ready = 4 if flags & 4 else 0
            return ready | (1 if self._buffer and flags & 1 else 0)
        return 0

    def read(self, size):
        data = bytes(self._buffer[:size])
        self._buffer[:size] = b""
        return data or None

    def write(self, data):
        data = bytes(data)
        for at in range(0, len(data), 256):
            lab.command(lab.SERIAL, data[at : at + 256])
        return len(data)


_console = None


def console():
    """The one console of this board."""
    global _console
    if _console is None:
        _console = Console()
    return _console


def streams():
    return console(), console()


lab.console = console
