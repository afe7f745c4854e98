"""A computer's radio in the lab's air: it scans, connects, and speaks GATT as a client.

Packets are those of ``child/bluetooth.py``: one byte of opcode as in the Attribute Protocol (Core
Specification, volume 3, part F), then its fields; discovery is one packet each way.
"""

import struct
from collections.abc import Callable

from hedgerow_lab.air import Radio
from hedgerow_lab.world import Lab

MTU_REQ, MTU_RSP = 0x02, 0x03
DESC_REQ, DESC_RSP = 0x04, 0x05
CHAR_REQ, CHAR_RSP = 0x08, 0x09
SERVICE_REQ, SERVICE_RSP = 0x10, 0x11
WRITE_REQ, WRITE_RSP = 0x12, 0x13
NOTIFY = 0x1B
WRITE_CMD = 0x52
MTU_LEAST = 23
_FOR_EVER_MS = 0xFFFFFFFF
_INTERVAL_US, _WINDOW_US = 60_000, 30_000  # BlueZ's own

Address = tuple[int, bytes]


class Central:
    """``near`` are the boards in its range. The ``on_`` functions hear what happens to it."""

    def __init__(self, lab: Lab, name: str, near: list[str], most: int = 7) -> None:
        self.name = name
        self.lab = lab
        self.radio = Radio(self, most)
        self.radio.address = (0, name.encode()[:6].ljust(6, b"\0"))
        lab.air.radios[name] = self.radio
        for board in near:
            lab.hear(name, board)
        self.on_advert: Callable[[Address, int, int, bytes], None] = lambda *told: None
        self.on_connected: Callable[[int, Address], None] = lambda *told: None
        self.on_failed: Callable[[Address], None] = lambda *told: None
        self.on_lost: Callable[[int], None] = lambda *told: None
        self.on_packet: Callable[[int, int, bytes], None] = lambda *told: None
        self.on_sent: Callable[[int, int], None] = lambda *told: None

    def scan(self, on: bool) -> None:
        """Listen half of the time, or not at all."""
        self.lab.air.scan(self.radio, _FOR_EVER_MS if on else 0, _INTERVAL_US, _WINDOW_US, False)

    def connect(self, address: Address, timeout_ms: int) -> None:
        """Wait for a beacon of ``address`` and answer it."""
        self.lab.air.connect(self.radio, address, timeout_ms)

    def cancel(self) -> None:
        """Wait no longer."""
        self.lab.air.cancel(self.radio)

    def disconnect(self, handle: int) -> None:
        """Hang up."""
        self.lab.air.disconnect(self.radio, handle)

    def send(self, handle: int, op: int, data: bytes) -> None:
        """Send one packet; it waits as long as the radio needs, as in BlueZ."""
        self.lab.air.send(self.radio, handle, bytes((op,)) + data)

    def write(self, handle: int, attribute: int, data: bytes, response: bool = False) -> None:
        """Write an attribute."""
        self.send(handle, WRITE_REQ if response else WRITE_CMD, struct.pack("<H", attribute) + data)

    # The air's Listener

    def scan_result(self, address: Address, kind: int, rssi: int, data: bytes) -> None:
        self.on_advert(address, kind, rssi, data)

    def scan_done(self) -> None:
        """It scans until it is told to stop."""

    def connected(self, handle: int, role: int, address: Address) -> None:
        self.on_connected(handle, address)

    def disconnected(self, handle: int, role: int, address: Address) -> None:
        self.on_lost(handle)

    def connect_failed(self, address: Address) -> None:
        self.on_failed(address)

    def packet(self, handle: int, data: bytes) -> None:
        self.on_packet(handle, data[0], data[1:])

    def sent(self, handle: int, count: int) -> None:
        self.on_sent(handle, count)


def rows(data: bytes) -> list[bytes]:
    """The rows of a discovery's answer: one byte of length before each."""
    found = []
    at = 0
    while at < len(data):
        found.append(data[at + 1 : at + 1 + data[at]])
        at += 1 + data[at]
    return found
