"""A board in the lab and a bare host on its cable: no people, only a shelf and a link."""

import random
from itertools import pairwise
from pathlib import Path

from hedgerow_core import envelope, limits
from hedgerow_core.clock import Clock
from hedgerow_core.link import Link, Stream
from hedgerow_core.session import INITIATOR, PAIR, Session
from hedgerow_core.shelf import Shelf
from hedgerow_core.store import MemoryStore
from hedgerow_lab.world import Lab, find_aioble

MESH = bytes(range(32))
PAIRING = bytes(range(32, 64))


def settings(name: str) -> dict[str, object]:
    return {"name": name, "mesh_key": MESH, "pairing_key": PAIRING}


def open_lab(tmp_path: Path, *names: str, seed: int = 1, **board: object) -> Lab:
    lab = Lab(seed, workdir=tmp_path, aioble=find_aioble())
    for name in names:
        lab.add_board(name, settings=settings(name), **board)
    for a, b in pairwise(names):
        lab.hear(a, b)
    return lab


class Cable:
    """A host that only carries; ``key`` is its pairing key."""

    def __init__(self, lab: Lab, board: str, key: bytes = PAIRING) -> None:
        self.lab = lab
        self.shelf = Shelf(MemoryStore(), Clock(0), lab.now_ms)
        self.events: list[tuple[str, object]] = []
        self.received = bytearray()
        self._key = key
        self._dice = random.Random(f"{board} {lab.now_ms}")
        self.line = lab.serial(board)
        self.line.connected = True
        self.line.on_receive = self._receive
        self._stopped = False
        self.connect()
        self._tick()

    def connect(self) -> None:
        session = Session(INITIATOR, {PAIR: self._key}, self._dice.randbytes(32), self.lab.now_ms)
        self.link = Link(Stream(), session, self.shelf, self.lab.now_ms)
        self._pump()

    def stop(self) -> None:
        """The host ends; the cable stays."""
        self._stopped = True
        self.link.close()
        self.line.on_receive = None

    def _receive(self, data: bytes, now: int) -> None:
        self.received += data
        self.events += self.link.receive(data, now)
        self._pump()

    def _pump(self) -> None:
        for data in self.link.outgoing(self.lab.now_ms):
            self.line.write(data)

    def _tick(self) -> None:
        if self._stopped:
            return
        self.events += self.link.tick(self.lab.now_ms)
        if self.link.closed and self.link.reason != "wrong key":
            self.connect()
        self._pump()
        self.lab.at(self.lab.now_ms + 250, self._tick)

    def put(self, count: int = 1) -> list[bytes]:
        """New envelopes onto the host's shelf and out to the board; their ids."""
        ids = []
        for _ in range(count):
            body = self._dice.randbytes(envelope.padded_body_size(60))
            made = envelope.make(
                envelope.NORMAL, envelope.TTL_DEFAULT, self._dice.randbytes(limits.LOCK_BYTES), body
            )
            self.shelf.put(made, self.lab.now_ms)
            ids.append(made.id)
        self.link.push(self.lab.now_ms)
        self._pump()
        return ids

    def acked(self) -> set[object]:
        return {value for name, value in self.events if name == "acked"}
