"""A port with DTR and RTS: pyserial's server side of RFC 2217 over one TCP connection.

These lines go to the board's EN and BOOT, so esptool's own reset puts it into the loader and out of it.
"""

import socket
from contextlib import suppress
from typing import Protocol

from serial.rfc2217 import PortManager

from hedgerow_lab.clock import RealClock
from hedgerow_lab.ports import Line

_READ_BYTES = 4096


class LineWithPins(Line, Protocol):
    """A board whose DTR and RTS can be set."""

    def lines(self, dtr: bool, rts: bool) -> None:
        """What the host sets them to."""


class _Settings:
    """The serial port that pyserial's PortManager believes to have; of its settings only two lines matter."""

    def __init__(self, board: LineWithPins) -> None:
        self.baudrate, self.bytesize, self.parity, self.stopbits = 115_200, 8, "N", 1
        self.xonxoff = self.rtscts = self.break_condition = False
        self.cts = self.dsr = self.cd = True
        self.ri = False
        self._board = board
        self._dtr = self._rts = False

    @property
    def dtr(self) -> bool:
        return self._dtr

    @dtr.setter
    def dtr(self, value: bool) -> None:
        self._dtr = value
        self._board.lines(self._dtr, self._rts)

    @property
    def rts(self) -> bool:
        return self._rts

    @rts.setter
    def rts(self, value: bool) -> None:
        self._rts = value
        self._board.lines(self._dtr, self._rts)

    def reset_input_buffer(self) -> None:
        """There is none."""

    def reset_output_buffer(self) -> None:
        """There is none."""


class Rfc2217Port:
    """``url`` is for pyserial's ``serial_for_url``. One program at a time has the board."""

    def __init__(self, clock: RealClock, board: LineWithPins) -> None:
        self._clock = clock
        self._board = board
        self._socket: socket.socket | None = None
        self._manager: PortManager | None = None
        self._out = bytearray()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self.url = f"rfc2217://127.0.0.1:{self._listener.getsockname()[1]}"
        board.connected = False
        board.on_receive = self._from_board
        clock.watch(self._listener.fileno(), self._accept)

    def _accept(self) -> None:
        try:
            client, _ = self._listener.accept()
        except OSError:
            return
        if self._socket is not None:
            client.close()
            return
        client.setblocking(False)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = client
        self._manager = PortManager(_Settings(self._board), self)  # type: ignore[arg-type]
        self._board.connected = True
        self._listen()

    def write(self, data: bytes) -> None:
        """Send to the program; PortManager calls this."""
        self._out += data
        self._send()

    def _from_board(self, data: bytes, _now_ms: int) -> None:
        if self._manager is not None:
            self.write(b"".join(self._manager.escape(data)))

    def _listen(self) -> None:
        if self._socket is not None:
            self._clock.watch(self._socket.fileno(), self._from_host, self._send if self._out else None)

    def _send(self) -> None:
        if self._socket is None:
            return
        try:
            del self._out[: self._socket.send(self._out)]
        except BlockingIOError:
            pass
        except OSError:
            self._leave()
            return
        self._listen()

    def _from_host(self) -> None:
        assert self._socket is not None and self._manager is not None
        try:
            data = self._socket.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._leave()
            return
        found = b"".join(self._manager.filter(data))
        if found:
            self._board.write(found)

    def _leave(self) -> None:
        if self._socket is not None:
            self._clock.unwatch(self._socket.fileno())
            self._socket.close()
        self._socket = self._manager = None
        self._out.clear()
        self._board.connected = False

    def close(self) -> None:
        """Close it, for whoever uses it too."""
        with suppress(OSError):
            self._leave()
        self._board.on_receive = None
        self._clock.unwatch(self._listener.fileno())
        self._listener.close()
