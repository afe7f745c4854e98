"""A bare host that comes over the air: no people, only a shelf and a link, and packets as it likes them."""

import random
import struct

from support_firmware import PAIRING

from hedgerow_core.clock import Clock
from hedgerow_core.link import Link, Packets
from hedgerow_core.session import INITIATOR, PAIR, Session
from hedgerow_core.shelf import Shelf
from hedgerow_core.store import MemoryStore
from hedgerow_lab import central as gatt
from hedgerow_lab.central import Central

WRITE, NOTIFY = 18, 20  # handles: the service is 16, a declaration stands before each value
_TICK_MS = 250


class AirHost:
    """Calls ``board`` and stays; ``mtu`` is what its system asks for, None if it never does, after the
    handshake with ``late``. With ``kind`` MESH and the mesh key it is a member."""

    def __init__(self, lab, board, name="laptop", mtu=247, key=PAIRING, kind=PAIR, late=False, ask_ms=3_000):
        self.lab = lab
        self.shelf = Shelf(MemoryStore(), Clock(0), lab.now_ms)
        self.events = []
        self.sizes = []  # of notifications
        self.ends = 0
        self.handle = None
        self.link = None
        self.mute = False
        self.central = Central(lab, name, [board])
        self._board = board
        self._mtu = mtu
        self._late = late
        self._own = (key, kind, ask_ms)
        self._dice = random.Random(name)
        self.central.on_connected = self._connected
        self.central.on_failed = lambda address: None
        self.central.on_lost = self._lost
        self.central.on_packet = self._packet
        self._call()
        self._tick()

    def _call(self):
        if self.handle is None and self.central.radio.target is None and not self.mute:
            self.central.connect(self.lab.boards[self._board].radio.address, 2_000)

    def _connected(self, handle, address):
        self.handle = handle
        key, kind, ask_ms = self._own
        session = Session(INITIATOR, {kind: key}, self._dice.randbytes(32), self.lab.now_ms)
        self.link = Link(Packets(20), session, self.shelf, self.lab.now_ms, 800, ask_ms)
        if self._mtu and not self._late:
            self._ask_mtu()
        self._pump()

    def _ask_mtu(self):
        self.central.send(self.handle, gatt.MTU_REQ, struct.pack("<H", self._mtu))

    def _lost(self, handle):
        self.handle = self.link = None
        self.ends += 1

    def hang_up(self):
        self.mute = True
        self.central.disconnect(self.handle)

    def _packet(self, handle, op, data):
        if op == gatt.MTU_RSP:
            size = min(self._mtu, struct.unpack("<H", data)[0])
            self.link.framing.resize(size - 3)
        elif op == gatt.NOTIFY and self.link is not None:
            assert struct.unpack("<H", data[:2])[0] == NOTIFY
            self.sizes.append(len(data) - 2)
            found = self.link.receive(data[2:], self.lab.now_ms)
            self.events += found
            if self._late and any(name == "up" for name, _ in found):
                self._ask_mtu()
        self._pump()

    def _pump(self):
        if self.link is not None and not self.mute:
            for packet in self.link.outgoing(self.lab.now_ms):
                self.central.write(self.handle, WRITE, packet)

    def _tick(self):
        self._call()
        if self.link is not None and not self.mute:
            self.events += self.link.tick(self.lab.now_ms)
            if self.link.closed:
                self.central.disconnect(self.handle)
            self._pump()
        self.lab.at(self.lab.now_ms + _TICK_MS, self._tick)

    def put(self, envelope):
        """Onto the host's shelf and out to the board."""
        self.shelf.put(envelope, self.lab.now_ms)
        if self.link is not None:
            self.link.push(self.lab.now_ms)
            self._pump()

    @property
    def up(self):
        return self.link is not None and self.link.established
