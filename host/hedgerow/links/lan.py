"""Two computers of one network hand each other a bundle of sealed letters, once: for `hedgerow device`.

length 4 | bundle, in both directions; nothing in it is secret, and nothing is believed before it opens.
"""

import socket
from collections.abc import Callable

from hedgerow import errors
from hedgerow.devices import bundle

_TIMEOUT_S = 20.0
_LENGTH_BYTES = 4


def listen() -> socket.socket:
    """A socket that waits on a free port, for computers of this network."""
    waiting = socket.create_server(("", 0), backlog=1)
    waiting.settimeout(None)
    return waiting


def address_of(waiting: socket.socket) -> str:
    """What the other computer is to be told."""
    port = waiting.getsockname()[1]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Sends nothing: only asks which address would be used.
            probe.connect(("192.0.2.1", 9))
            host = probe.getsockname()[0]
        except OSError:
            host = "127.0.0.1"
    return f"{host}:{port}"


def answer(waiting: socket.socket, take: Callable[[bytes], bytes]) -> bool:
    """Wait for one computer: ``take`` gets its bundle and gives ours. False where what came was none."""
    line, _ = waiting.accept()
    with line:
        line.settimeout(_TIMEOUT_S)
        try:
            _send(line, take(_receive(line)))
        except (OSError, ValueError):
            return False
    return True


def hand_over(address: str, ours: bytes) -> bytes:
    """Give a bundle to who waits at ``address``; theirs. BadAddress, LanUnreachable."""
    host, colon, port = address.rpartition(":")
    if not (host and colon and port.isascii() and port.isdigit() and 0 < int(port) < 1 << 16):
        raise errors.BadAddress(address=address)
    try:
        with socket.create_connection((host, int(port)), _TIMEOUT_S) as line:
            _send(line, ours)
            return _receive(line)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error) or "no answer"
        raise errors.LanUnreachable(address=address, reason=reason.lower()) from None


def _send(line: socket.socket, data: bytes) -> None:
    line.sendall(len(data).to_bytes(_LENGTH_BYTES, "big") + data)


def _receive(line: socket.socket) -> bytes:
    size = int.from_bytes(_exactly(line, _LENGTH_BYTES), "big")
    if size > bundle.BYTES:
        raise ValueError("it sends too much")
    return _exactly(line, size)


def _exactly(line: socket.socket, size: int) -> bytes:
    found = bytearray()
    while len(found) < size:
        part = line.recv(min(1 << 16, size - len(found)))
        if not part:
            raise ValueError("it hung up")
        found += part
    return bytes(found)
