"""A board's serial port for programs outside of the lab: a pseudo-terminal and a TCP port, one cable behind.

The first program that plugs in has the board until it leaves. A second TCP client is refused: its connection
is closed at once. Nobody can be kept from opening the pseudo-terminal: what comes from there meanwhile is
thrown away; two programs on one pseudo-terminal share it, as they would share a real port, and take each
other's bytes. What the board says when nobody listens is lost, as it is on USB.
"""

import os
import select
import socket
import termios
import tty
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from hedgerow_lab.clock import RealClock

_LOOK_US = 50_000  # between two looks whether somebody has opened the pseudo-terminal
_READ_BYTES = 1024
_BACKLOG_US = 200_000  # what may be on its way to the board
_OUT_BYTES = 65_536  # what waits for a program that does not read


class Line(Protocol):
    """What a port has on its other side."""

    connected: bool
    on_receive: Callable[[bytes, int], None] | None

    @property
    def backlog_us(self) -> int:
        """How long the cable needs for what is on its way to the board."""

    def write(self, data: bytes) -> None:
        """Send towards the board."""


@dataclass(eq=False)
class _Plug:
    """A program that has the port open; it is ``held`` while the cable is full."""

    fd: int
    kind: str
    sock: socket.socket | None = None
    out: bytearray = field(default_factory=bytearray)
    held: bool = False


class Port:
    """``link`` becomes a link to the pseudo-terminal; ``tcp_port`` is on 127.0.0.1."""

    def __init__(self, clock: RealClock, line: Line, link: Path) -> None:
        self.link = link
        self._clock = clock
        self._line = line
        self._client: _Plug | None = None
        self._open = True
        self._master, slave = os.openpty()
        self._slave_path = os.ttyname(slave)
        tty.setraw(slave)
        os.close(slave)  # or nobody could tell whether a program has it open
        os.set_blocking(self._master, False)
        self._terminal: _Plug | None = None
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self.tcp_port: int = self._listener.getsockname()[1]
        if link.is_symlink():
            link.unlink()
        link.symlink_to(self._slave_path)  # what is no link of ours is in the way, and stays
        line.connected = False
        line.on_receive = self._from_board
        clock.watch(self._listener.fileno(), self._accept)
        self._look()

    @property
    def tcp_url(self) -> str:
        """As ``hedgerow --board`` takes it."""
        return f"tcp:127.0.0.1:{self.tcp_port}"

    @property
    def client(self) -> str | None:
        """Through what somebody has the board: "pty", "tcp" or None."""
        return self._client.kind if self._client is not None else None

    # Coming and going

    def _look(self) -> None:
        """See whether somebody opened the pseudo-terminal: the system tells of the end, not of the start."""
        if not self._open or self._terminal is not None:
            return
        poll = select.poll()
        poll.register(self._master, select.POLLIN)
        state = poll.poll(0)
        if not state or not state[0][1] & select.POLLHUP:
            self._terminal = _Plug(self._master, "pty")
            self._plug_in(self._terminal)
        elif state[0][1] & select.POLLIN:
            # Written and closed between two looks: half a conversation, nobody waits for an answer.
            with suppress(OSError):
                os.read(self._master, _READ_BYTES)
        if self._terminal is None:
            self._clock.at(self._clock.now_us + _LOOK_US, self._look)

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError:
            return
        if self._client is not None:
            sock.close()
            return
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._plug_in(_Plug(sock.fileno(), "tcp", sock))

    def _plug_in(self, plug: _Plug) -> None:
        if self._client is None:
            self._client = plug
            self._line.connected = True
        self._listen(plug)

    def _leave(self, plug: _Plug) -> None:
        self._clock.unwatch(plug.fd)
        if plug is self._terminal:
            self._terminal = None
            self._freshen()
        elif plug.sock is not None:
            plug.sock.close()
        if plug is self._client:
            self._client = self._terminal
            if self._client is None:
                # What is on the cable is lost with it.
                self._line.connected = False
        if self._open and self._terminal is None and plug.kind == "pty":
            self._clock.at(self._clock.now_us + _LOOK_US, self._look)

    def _freshen(self) -> None:
        """What the last program left unread is not for the next one, nor are its settings."""
        with suppress(OSError, termios.error):
            fd = os.open(self._slave_path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
            try:
                tty.setraw(fd)
                termios.tcflush(fd, termios.TCIFLUSH)
            finally:
                os.close(fd)

    # Bytes

    def _listen(self, plug: _Plug) -> None:
        readable = None if plug.held else lambda: self._from_host(plug)
        self._clock.watch(plug.fd, readable, (lambda: self._write(plug)) if plug.out else None)

    def _from_host(self, plug: _Plug) -> None:
        try:
            data = os.read(plug.fd, _READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._leave(plug)
        elif plug is self._client:
            self._line.write(data)
            backlog = self._line.backlog_us
            if backlog > _BACKLOG_US:
                # The cable is slower than a pipe: the program waits, nothing is lost.
                plug.held = True
                self._listen(plug)
                self._clock.at(self._clock.now_us + backlog - _BACKLOG_US // 2, lambda: self._resume(plug))

    def _resume(self, plug: _Plug) -> None:
        plug.held = False
        if self._open and plug in (self._client, self._terminal):
            self._listen(plug)

    def _from_board(self, data: bytes, _now_ms: int) -> None:
        plug = self._client
        if plug is not None and len(plug.out) + len(data) <= _OUT_BYTES:
            plug.out += data
            if len(plug.out) == len(data):
                self._write(plug)

    def _write(self, plug: _Plug) -> None:
        try:
            while plug.out:
                del plug.out[: os.write(plug.fd, plug.out)]
        except BlockingIOError:
            pass
        except OSError:
            self._leave(plug)
            return
        self._listen(plug)

    def close(self) -> None:
        """Close both."""
        self._open = False
        self._line.connected = False
        self._line.on_receive = None
        if self._client is not None and self._client.sock is not None:
            self._leave(self._client)
        for fd in (self._listener.fileno(), self._master):
            self._clock.unwatch(fd)
        self._listener.close()
        os.close(self._master)
        if self.link.is_symlink():
            self.link.unlink()
