"""A host in the lab: the real node on virtual time, with a cable to a virtual board."""

import random
from collections.abc import Callable
from pathlib import Path

from hedgerow import errors
from hedgerow.events import Event
from hedgerow.node import Node
from hedgerow_core import limits, service
from hedgerow_core.link import Link
from hedgerow_lab.world import Lab, SerialLine

# When a virtual world begins, in unix time, where nobody says otherwise.
EPOCH_MS = 1_767_225_600_000
_TICK_MS = 1_000
_POLL_MS = 60_000
_PROOF = 7  # of the exchange (docs/protocol.md)


class Person:
    """``on_event`` hears what the node tells; ``failure`` is why the link cannot work."""

    def __init__(self, lab: Lab, name: str, home: Path, seed: int, epoch_ms: int = EPOCH_MS) -> None:
        self.name = name
        self.failure: errors.UserError | None = None
        self.on_event: Callable[[Event, int], None] = lambda event, now: None
        self.status: tuple[int, ...] = ()  # what the board last said of itself (hedgerow_core.service)
        self._lab = lab
        self._epoch_ms = epoch_ms
        self._random = random.Random(f"host {seed} {name}").randbytes
        self._home = home
        self.node = Node.create(home, name, self._random, self.unix_ms)
        self._line: SerialLine | None = None
        self._link: Link | None = None
        self._pairing_key = b""
        self._plugged = 0
        self._pump_ms = 0  # when the link may write more

    @property
    def unix_ms(self) -> int:
        """The time in this world."""
        return self._epoch_ms + self._lab.now_ms

    def plug(self, board: str, pairing_key: bytes) -> None:
        """Connect the cable to a board."""
        self.unplug()
        self._plugged += 1
        self._pairing_key = pairing_key
        self._line = self._lab.serial(board)
        self._line.connected = True
        self._line.on_receive = self._receive
        self._attach()
        self._tick(self._plugged)
        self._poll_later(self._plugged)

    def unplug(self) -> None:
        """Pull the cable out, whatever is on its way."""
        if self._line is not None:
            self._line.connected = False
            self._line.on_receive = None
            self._line = None
        self._link = None
        self._plugged += 1

    def restart(self, board: str, pairing_key: bytes) -> None:
        """The computer starts again, from what is on its disk, and is plugged in."""
        self.unplug()
        self.node.close()
        self.node = Node.open(self._home, self._random, self.unix_ms)
        self.plug(board, pairing_key)

    def _attach(self) -> None:
        self._link = self.node.attach(self._pairing_key, self.unix_ms)

    def changed(self) -> None:
        """The node has something new to send."""
        if self._link is not None:
            self._link.push(self.unix_ms)
        self._pump()

    def lie(self, count: int) -> None:
        """Tell the board ``count`` proofs of nothing, as a member who wants others' letters gone."""
        if self._link is not None and self._link.established:
            for _ in range(count):
                self._link.session.send(bytes((_PROOF,)) + self._random(limits.PROOF_BYTES))
        self._pump()

    def poll(self) -> None:
        """Let the node open what came."""
        for event in self.node.poll(self.unix_ms):
            self.on_event(event, self._lab.now_ms)
        self.changed()

    def _receive(self, data: bytes, now_ms: int) -> None:
        if self._link is None:
            return
        happened = self._link.receive(data, self.unix_ms)
        for name, value in happened:
            if name == "service" and isinstance(value, bytes):
                self.status = service.decode_status(value)[0]
            elif name in ("acked", "held") and isinstance(value, bytes):
                self.node.acked(value, self.unix_ms)
            elif name == "declined" and isinstance(value, bytes):
                self.node.declined(value, self.unix_ms)
            elif name == "proof" and isinstance(value, bytes):
                self.node.proof(value, self.unix_ms)
        if any(name == "stored" for name, _ in happened):
            self.poll()
        self._pump()

    def _pump(self) -> None:
        if self._link is not None and self._line is not None:
            for data in self._link.outgoing(self.unix_ms):
                self._line.write(data)
            self._pump_later(self._link.deadline())

    def _pump_later(self, due: int | None) -> None:
        """The rest, where the cable has to wait for it."""
        wait = 0 if due is None else due - self.unix_ms
        now = self._lab.now_ms
        if 0 < wait < _TICK_MS and not now < self._pump_ms <= now + wait:
            self._pump_ms = now + wait
            self._lab.at(self._pump_ms, self._pump)

    def _tick(self, plugged: int) -> None:
        if plugged != self._plugged or self._link is None:
            return
        self._link.tick(self.unix_ms)
        self._pump()
        if self._link.closed:
            error = errors.of_link(self._link.reason)
            if isinstance(error, (errors.WrongPairingKey, errors.OtherVersion)):
                self.failure = error
                return
            self._attach()
        self._lab.at(self._lab.now_ms + _TICK_MS, lambda: self._tick(plugged))

    def _poll_later(self, plugged: int) -> None:
        if plugged == self._plugged:
            self.poll()
            self._lab.at(self._lab.now_ms + _POLL_MS, lambda: self._poll_later(plugged))
