"""Neighbours that do not behave: they speak as a board does up to some point, outside of MicroPython."""

import random
import struct

from hedgerow_core import beacon
from hedgerow_core.clock import Clock
from hedgerow_core.link import Link, Packets
from hedgerow_core.session import MESH, RESPONDER, Session
from hedgerow_core.shelf import Shelf
from hedgerow_core.store import MemoryStore
from hedgerow_lab.air import Radio

_MTU_REQ, _MTU_RSP, _NOTIFY, _WRITE_CMD = 0x02, 0x03, 0x1B, 0x52
_BEACON_US = 200_000
_MTU = 247


class Stranger:
    """Says in its beacon that it knows other things, takes calls, and then

    - "mute": answers nothing at all;
    - "deaf": settles the size of packets and says no more;
    - "moved": as deaf, and its handles are others than a board's;
    - "slow": holds the mesh key and answers everything, one packet every ``pause_ms``, for ever;
    - "gone": as slow, and is out of earshot after its first answer.
    """

    def __init__(self, lab, name, key, manner, near, address=None, pause_ms=15_000, known=9):
        self.name = name
        self.calls = 0
        self._lab = lab
        self._manner = manner
        self._near = near
        self._pause_ms = pause_ms
        self._key = key
        self._dice = random.Random(name)
        self._links = {}  # handle -> [link, packets that wait, handle of its write characteristic]
        self.radio = Radio(self)
        lab.air.radios[name] = self.radio
        self.radio.address = address or (1, bytes((self._dice.randrange(64),)) + self._dice.randbytes(5))
        self._data = beacon.encode(
            key, self.radio.address[1], self._dice.randbytes(6), known, self._dice.randbytes(4), 0
        )
        for other in near:
            lab.hear(name, other)
        self._advertise()

    def _advertise(self):
        if self.radio.advertising is None and len(self.radio.connections) < 3:
            self._lab.air.advertise(self.radio, _BEACON_US, True, self._data, b"")
        self._lab.at(self._lab.now_ms + 500, self._advertise)

    # The air's Listener

    def connected(self, handle, role, address):
        self.calls += 1
        now = self._lab.now_ms
        session = Session(RESPONDER, {MESH: self._key}, self._dice.randbytes(32), now)
        link = Link(Packets(_MTU - 3), session, Shelf(MemoryStore(), Clock(0), now), now)
        self._links[handle] = [link, [], 0]

    def disconnected(self, handle, role, address):
        self._links.pop(handle, None)

    def packet(self, handle, data):
        op, body = data[0], data[1:]
        if self._manner == "mute":
            return
        if op == _MTU_REQ:
            self._send(handle, bytes((_MTU_RSP,)) + struct.pack("<H", _MTU))
        elif op == _WRITE_CMD and self._manner in ("slow", "gone") and handle in self._links:
            entry = self._links[handle]
            entry[2] = struct.unpack("<H", body[:2])[0]
            entry[0].receive(body[2:], self._lab.now_ms)
            entry[1] += entry[0].outgoing(self._lab.now_ms)
            if len(entry[1]) == 1:
                self._next(handle)

    def _next(self, handle):
        entry = self._links.get(handle)
        if entry is None or not entry[1]:
            return
        # What notifies stands two handles behind what is written to.
        self._send(handle, bytes((_NOTIFY,)) + struct.pack("<H", entry[2] + 2) + entry[1].pop(0))
        if self._manner == "gone":
            for other in self._near:
                self._lab.deafen(self.name, other)
        established = entry[0].established
        self._lab.at(self._lab.now_ms + (self._pause_ms if established else 10), lambda: self._next(handle))

    def _send(self, handle, data):
        self._lab.air.send(self.radio, handle, data)

    def scan_result(self, address, kind, rssi, data):
        pass

    def scan_done(self):
        pass

    def connect_failed(self, address):
        pass

    def sent(self, handle, count):
        pass
