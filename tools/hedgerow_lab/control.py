"""Steering a running lab: one line of JSON each way over a Unix socket in the run folder.

Asked is {"do": "cut" | "hear", "boards": [A, B]}, {"do": "move", "boards": [BOARD, NEIGHBOUR...]},
{"do": "power_off" | "power_on", "boards": [BOARD]} or {"do": "status"}; the answer is an object, with "error"
and a sentence where it was refused.
"""

import json
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from hedgerow_lab import folder
from hedgerow_lab.clock import RealClock
from hedgerow_lab.folder import LiveError

_LINE_BYTES = 65_536
_WAITING = 16  # programs that have said nothing yet
_PATIENCE_S = 10.0

Answer = Callable[[dict[str, Any]], dict[str, Any]]


def _at(path: Path, use: Callable[[str], None]) -> None:
    """Use a socket's path; by way of its folder, because such paths have 108 bytes at most."""
    fd = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        use(f"/proc/self/fd/{fd}/{path.name}")
    finally:
        os.close(fd)


class Control:
    """The lab's end. ``answer`` may raise LiveError: its sentence goes back."""

    def __init__(self, clock: RealClock, path: Path, answer: Answer) -> None:
        self.path = path
        self._clock = clock
        self._answer = answer
        self._asking: dict[socket.socket, bytearray] = {}
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.setblocking(False)
        path.unlink(missing_ok=True)
        _at(path, self._listener.bind)
        path.chmod(0o600)
        self._listener.listen(_WAITING)
        clock.watch(self._listener.fileno(), self._accept)

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError:
            return
        if len(self._asking) >= _WAITING:
            self._end(next(iter(self._asking)))
        sock.setblocking(False)
        self._asking[sock] = bytearray()
        self._clock.watch(sock.fileno(), lambda: self._read(sock))

    def _end(self, sock: socket.socket) -> None:
        self._clock.unwatch(sock.fileno())
        self._asking.pop(sock, None)
        sock.close()

    def _read(self, sock: socket.socket) -> None:
        line = self._asking[sock]
        try:
            data = sock.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        line += data
        if b"\n" in line:
            reply = json.dumps(self._reply(bytes(line))) + "\n"
            with suppress(OSError):
                # It fits into the socket's buffer, or else the program does not read.
                sock.settimeout(1)
                sock.sendall(reply.encode())
        elif data and len(line) <= _LINE_BYTES:
            return
        self._end(sock)

    def _reply(self, line: bytes) -> dict[str, Any]:
        try:
            asked = json.loads(line)
        except (ValueError, RecursionError):
            return {"error": "That is no request."}
        if not isinstance(asked, dict):
            return {"error": "That is no request."}
        try:
            return self._answer(asked)
        except LiveError as error:
            return {"error": str(error)}

    def close(self) -> None:
        """Hang up on everybody."""
        for sock in list(self._asking):
            self._end(sock)
        self._clock.unwatch(self._listener.fileno())
        self._listener.close()
        self.path.unlink(missing_ok=True)


def ask(wanted: Path | None, request: dict[str, Any]) -> dict[str, Any]:
    """Ask the lab in ``wanted``, or the only one that runs. LiveError where there is none, or it refuses."""
    run = folder.find(wanted)
    died = LiveError(f"The lab in {run} has died: start one with `hedgerow-lab up FILE`.")
    received = bytearray()
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(_PATIENCE_S)
        try:
            _at(run / "control", sock.connect)
            sock.sendall(json.dumps(request).encode() + b"\n")
            while not received.endswith(b"\n"):
                data = sock.recv(65_536)
                if not data:
                    raise died
                received += data
        except TimeoutError:
            raise LiveError(f"The lab in {run} does not answer: is it stopped?") from None
        except FileNotFoundError:
            raise LiveError(f"The lab in {run} is just starting: try again.") from None
        except OSError:
            raise died from None
    answer: dict[str, Any] = json.loads(received)
    if "error" in answer:
        raise LiveError(str(answer["error"]))
    return answer
