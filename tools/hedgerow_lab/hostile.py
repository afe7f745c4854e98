"""A member that means harm: it holds the mesh key, speaks GATT and shakes hands as a board does, and then
says what it likes. What it says is a ``Behaviour`` (hedgerow_lab.behaviours)."""

import random
import struct
from collections.abc import Callable
from typing import Protocol

from hedgerow_core import beacon
from hedgerow_core.errors import PeerError
from hedgerow_core.fragment import Fragmenter, Reassembler
from hedgerow_core.session import INITIATOR, MESH, RESPONDER, Session
from hedgerow_lab.air import ADV_IND, CENTRAL, Radio
from hedgerow_lab.world import Lab

_BEACON_US = 1_000_000
_FOLLOW_MS = 5_000
_TICK_MS = 250
_SCAN_US = (100_000, 50_000)
_CALL_MS = 2_500
_REST_MS = 1_000
_MTU = 247
_PACKETS = 6  # on their way at once
_ATT_HEAD = 3

# GATT as child/bluetooth.py speaks it, and the handles that a board's firmware gives its service.
_MTU_REQ, _MTU_RSP, _NOTIFY, _WRITE_CMD = 0x02, 0x03, 0x1B, 0x52
_WRITE, _VALUE = 18, 20


class Behaviour(Protocol):
    """What is said on one link; plaintexts of the exchange (docs/protocol.md), none to say nothing."""

    def begin(self, now: int) -> list[bytes]:
        """The handshake is over."""

    def receive(self, message: bytes, now: int) -> list[bytes]:
        """The board said ``message``."""

    def tick(self, now: int) -> list[bytes]:
        """A quarter of a second later."""


class Talk:
    """One connection: its packets, its session and what is said in it."""

    def __init__(
        self, role: int, session: Session, behaviour: Behaviour, send: Callable[[bytes], None]
    ) -> None:
        self.role = role
        self.session = session
        self.flying = 0
        self.ready = False  # whether frames may go
        self._behaviour = behaviour
        self._send = send
        self._packets: list[bytes] = []
        self._reassembler = Reassembler()
        self._fragmenter = Fragmenter(_MTU - _ATT_HEAD)

    @property
    def idle(self) -> bool:
        """Whether all that was said is on its way."""
        return not self._packets

    def start(self) -> None:
        """Frames may go."""
        self.ready = True
        self.pump()

    def packet(self, data: bytes, now: int) -> None:
        """A packet of the link came."""
        frame = self._reassembler.receive(data)
        if frame is None:
            return
        before = self.session.generation
        try:
            messages = self.session.receive(frame, now)
        except PeerError:
            return
        if self.session.generation != before:
            self.say(self._behaviour.begin(now))
        for message in messages:
            self.say(self._behaviour.receive(message, now))
        self.pump()

    def say(self, messages: list[bytes]) -> None:
        """Encrypt and queue ``messages``."""
        for message in messages:
            self.session.send(message)

    def tick(self, now: int) -> None:
        """Time has passed."""
        self.session.tick(now)
        if self.session.established and self.idle:
            self.say(self._behaviour.tick(now))
        self.pump()

    def pump(self) -> None:
        """Send what may go: a few packets at a time."""
        if not self.ready:
            return
        for frame in self.session.outgoing():
            self._packets += self._fragmenter.split(frame)
        while self._packets and self.flying < _PACKETS:
            packet = self._packets.pop(0)
            self.flying += 1
            where = (_WRITE_CMD, _WRITE) if self.role == CENTRAL else (_NOTIFY, _VALUE)
            self._send(struct.pack("<BH", *where) + packet)


class Hostile:
    """It beacons with a summary that nobody shares, so everybody calls it, and calls whom it hears.

    ``behaviour`` makes one for each link. It is active from ``at_ms`` to ``until_ms``; ``talks`` counts links
    that came up.
    """

    def __init__(
        self,
        lab: Lab,
        name: str,
        mesh_key: bytes,
        seed: int,
        behaviour: Callable[[], Behaviour],
        at_ms: int = 0,
        until_ms: int | None = None,
    ) -> None:
        self.name = name
        self.talks = 0
        self._lab = lab
        self._mesh_key = mesh_key
        self._make = behaviour
        self._until_ms = until_ms
        self._dice = random.Random(f"hostile {name} {seed}")
        self._links: dict[int, Talk] = {}
        self._calling = False
        self.radio = Radio(self)
        self.radio.address = (1, bytes((self._dice.randrange(64),)) + self._dice.randbytes(5))
        self._id = self._dice.randbytes(6)
        lab.air.radios[name] = self.radio
        lab.at(at_ms, self._follow)
        lab.at(at_ms, self._tick)
        lab.at(at_ms + _REST_MS, self._listen)

    @property
    def active(self) -> bool:
        """Whether it goes on."""
        return self._until_ms is None or self._lab.now_ms < self._until_ms

    def _follow(self) -> None:
        """Say something new, so that nobody thinks it has been met already."""
        self._advertise()
        if self.active:
            self._lab.at(self._lab.now_ms + _FOLLOW_MS, self._follow)

    def _advertise(self) -> None:
        told = self._dice.randbytes(4)
        data = beacon.encode(
            self._mesh_key, self.radio.address[1], self._id, self._dice.randrange(9, 99), told, 0
        )
        self._lab.air.advertise(self.radio, _BEACON_US if self.active else 0, len(self._links) < 2, data, b"")

    def _listen(self) -> None:
        if self.active and not self._links and not self._calling:
            self._lab.air.scan(self.radio, 0xFFFFFFFF, *_SCAN_US, False)

    def _tick(self) -> None:
        now = self._lab.now_ms
        for handle, talk in list(self._links.items()):
            talk.tick(now)
            if talk.session.closed or not self.active:
                self._lab.air.disconnect(self.radio, handle)
        if self.active or self._links:
            self._lab.at(now + _TICK_MS, self._tick)

    # The air's Listener

    def scan_result(self, address: tuple[int, bytes], kind: int, rssi: int, data: bytes) -> None:
        """Call whoever may be called."""
        if kind == ADV_IND and beacon.is_ours(data) and self.radio.scan is not None:
            self._lab.air.scan(self.radio, 0, 0, 0, False)
            self._calling = True
            self._lab.air.connect(self.radio, address, _CALL_MS)

    def scan_done(self) -> None:
        """It scans until it calls."""

    def connect_failed(self, address: tuple[int, bytes]) -> None:
        """Listen for the next."""
        self._calling = False
        self._lab.at(self._lab.now_ms + _REST_MS, self._listen)

    def connected(self, handle: int, role: int, address: tuple[int, bytes]) -> None:
        """A link is there: the central first settles the size of packets."""
        self._calling = False
        now = self._lab.now_ms
        side = INITIATOR if role == CENTRAL else RESPONDER
        session = Session(side, {MESH: self._mesh_key}, self._dice.randbytes(32), now)

        def send(data: bytes) -> None:
            self._lab.air.send(self.radio, handle, data)

        self.talks += 1
        self._links[handle] = Talk(role, session, self._make(), send)
        if role == CENTRAL:
            send(struct.pack("<BH", _MTU_REQ, _MTU))
        else:
            self.radio.advertising = None
            self._advertise()

    def disconnected(self, handle: int, role: int, address: tuple[int, bytes]) -> None:
        """And again."""
        self._links.pop(handle, None)
        self._lab.at(self._lab.now_ms + _REST_MS, self._listen)

    def sent(self, handle: int, count: int) -> None:
        """Room for more."""
        talk = self._links.get(handle)
        if talk is not None:
            talk.flying = max(0, talk.flying - count)
            talk.pump()

    def packet(self, handle: int, data: bytes) -> None:
        """Something of GATT."""
        talk = self._links.get(handle)
        if talk is None:
            return
        kind = data[0]
        if kind == _MTU_REQ:
            self._lab.air.send(self.radio, handle, struct.pack("<BH", _MTU_RSP, _MTU))
        elif kind == _MTU_RSP:
            talk.start()
        elif kind in (_WRITE_CMD, _NOTIFY):
            talk.ready = True
            talk.packet(data[3:], self._lab.now_ms)
