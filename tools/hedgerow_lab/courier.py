"""A host that only carries: for trials of boards that need no people."""

import hashlib
import random

from hedgerow_core import envelope, limits, service
from hedgerow_core.clock import EPOCH_MINUTES, Clock
from hedgerow_core.link import Link, Stream
from hedgerow_core.session import INITIATOR, PAIR, Session
from hedgerow_core.shelf import Shelf
from hedgerow_core.store import MemoryStore
from hedgerow_lab.person import EPOCH_MS
from hedgerow_lab.world import Lab

_LETTER_BYTES = 165  # of body: an envelope of some 200 bytes
_TICK_MS = 250


def key(kind: str, name: str) -> bytes:
    """A 32-byte key of the lab's provisioning: mesh or pairing."""
    return hashlib.sha256(f"hedgerow lab {kind} {name}".encode()).digest()


class Courier:
    """A host without an account: it brings sealed letters to a board, takes what is there, asks how it is.

    ``taken`` are the envelopes that it got, with the virtual time; ``answers`` the last one of each kind.
    """

    def __init__(self, lab: Lab, board: str, seed: int) -> None:
        self.statuses: list[tuple[int, ...]] = []
        self.acked: list[bytes] = []
        self.answers: dict[int, bytes] = {}
        self.taken: list[tuple[int, envelope.Envelope]] = []
        self._lab = lab
        self._dice = random.Random(f"host {board} {seed}")
        self._key = key("pairing", board)
        clock = Clock(EPOCH_MINUTES - EPOCH_MS // 60_000)
        self._shelf = Shelf(MemoryStore(), clock, lab.now_ms, 4_000, 4_000_000)
        self._line = lab.serial(board)
        self._line.connected = True
        self._line.on_receive = self._receive
        self._connect()
        self._gone = False
        self._tick()

    def leave(self) -> None:
        """Pull the cable out."""
        self._gone = True
        self._line.connected = False
        self._line.on_receive = None

    def _connect(self) -> None:
        session = Session(INITIATOR, {PAIR: self._key}, self._dice.randbytes(32), self._lab.now_ms)
        self._link = Link(Stream(), session, self._shelf, self._lab.now_ms)
        self._pump()

    def _receive(self, data: bytes, now: int) -> None:
        self._take(self._link.receive(data, now))
        self._pump()

    def _take(self, events: list[tuple[str, object]]) -> None:
        for name, value in events:
            if name == "acked" and isinstance(value, bytes):
                self.acked.append(value)
            if name == "stored" and isinstance(value, bytes):
                found = self._shelf.get(value, self._lab.now_ms)
                if found is not None:
                    self.taken.append((self._lab.now_ms, found))
            if name == "service" and isinstance(value, bytes):
                self.answers[value[0]] = value
                if value[0] == service.STATUS_IS:
                    self.statuses.append(service.decode_status(value)[0])

    def _pump(self) -> None:
        for data in self._link.outgoing(self._lab.now_ms):
            self._line.write(data)

    def _tick(self) -> None:
        if self._gone:
            return
        self._take(self._link.tick(self._lab.now_ms))
        if self._link.closed:
            self._connect()
        self._pump()
        self._lab.at(self._lab.now_ms + _TICK_MS, self._tick)

    @property
    def connected(self) -> bool:
        """Whether there is a link now."""
        return self._link.established

    def ask(self, question: bytes = bytes((service.STATUS,))) -> None:
        """How is the board? Or another question."""
        if self._link.established:
            self._link.service(question)
            self._pump()

    def bring(self, letters: list[envelope.Envelope]) -> None:
        """Give the board envelopes that somebody else made."""
        for letter in letters:
            self._shelf.put(letter, self._lab.now_ms)
        self._link.push(self._lab.now_ms)
        self._pump()

    def write(self, ttl: int = 15) -> bytes:
        """Bring one letter of a lifetime class; its id."""
        body = self._dice.randbytes(envelope.padded_body_size(_LETTER_BYTES))
        lock = self._dice.randbytes(limits.LOCK_BYTES)
        letter = envelope.make(envelope.NORMAL, ttl, lock, body)
        self._shelf.put(letter, self._lab.now_ms)
        self._link.push(self._lab.now_ms)
        self._pump()
        return letter.id
