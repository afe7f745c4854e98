"""A link: framing, session and exchange in one engine, for serial, TCP and BLE alike."""

from hedgerow_core import limits
from hedgerow_core.errors import HedgerowError, PeerError
from hedgerow_core.fragment import Fragmenter, Reassembler
from hedgerow_core.frame import Deframer, encode
from hedgerow_core.peer import Peer
from hedgerow_core.service import STATUS
from hedgerow_core.session import INITIATOR, PAIR, Session
from hedgerow_core.shelf import SOURCE_HOST, SOURCE_MESH, Shelf

_BAD_FRAMES = 64
_SILENT = 3


class Stream:
    """Framing for a byte stream: serial or TCP."""

    def __init__(self) -> None:
        self._deframer = Deframer()

    def receive(self, data: bytes) -> list[bytes]:
        """Frames completed by ``data``."""
        return self._deframer.receive(data)

    def send(self, frame: bytes) -> list[bytes]:
        """What to write for ``frame``."""
        return [encode(frame)]

    def pending(self) -> bytes:
        """What came of an unfinished frame."""
        return self._deframer.pending()

    @property
    def noise(self) -> int:
        """Frames that were damaged."""
        return self._deframer.noise


class Packets:
    """Framing for packets of at most ``mtu`` bytes: a GATT write or notification each."""

    def __init__(self, mtu: int) -> None:
        self._fragmenter = Fragmenter(mtu)
        self._reassembler = Reassembler()

    def receive(self, data: bytes) -> list[bytes]:
        """The frame completed by one packet, if any."""
        frame = self._reassembler.receive(data)
        return [] if frame is None else [frame]

    def send(self, frame: bytes) -> list[bytes]:
        """The packets of ``frame``."""
        return self._fragmenter.split(frame)

    def resize(self, mtu: int) -> None:
        """Packets have at most ``mtu`` bytes from now on."""
        self._fragmenter.mtu = mtu

    @property
    def noise(self) -> int:
        """Frames that were damaged."""
        return self._reassembler.lost


class Link:
    """One end of a link. ``member`` tells one board of the mesh from another: its address.

    With ``ask_ms`` it is a host's: who has been silent for so long is asked for its status, and given up
    after three times; and it hears ("held", id) of what the board offers and it has, too.
    Events: ("up", kind), ("stored", id), ("acked", id), ("declined", id), ("proof", token),
    ("service", message), ("down", reason).
    """

    def __init__(
        self,
        framing: "Stream | Packets",
        session: Session,
        shelf: Shelf,
        now: int,
        credit_bytes: int = limits.STREAM_IN_FLIGHT_BYTES,
        ask_ms: int = 0,
        member: bytes = b"?",
    ) -> None:
        self.framing = framing
        self.session = session
        self.peer: Peer | None = None
        self.closed = False
        self.answered = False  # whether the other end said anything, once it knew who we are
        self.reason = ""
        self.bad = 0
        self._shelf = shelf
        self._credit_bytes = credit_bytes
        self._member = member
        self._generation = 0
        self._gaps = 0
        self._ask_ms = ask_ms
        self._heard = self._asked = now

    @property
    def established(self) -> bool:
        """Whether both ends know that the other holds the key."""
        return self.peer is not None and not self.closed

    @property
    def kind(self) -> int:
        """session.MESH or session.PAIR, 0 before the handshake."""
        return self.session.kind

    @property
    def settled(self) -> bool:
        """Whether there is nothing left to exchange."""
        return self.peer is not None and self.peer.settled

    def receive(self, data: bytes, now: int) -> "list[tuple[str, object]]":
        """Take bytes of the line; the events they caused. Never raises for what the other side sent."""
        events: list[tuple[str, object]] = []
        if self.closed:
            return events
        for frame in self.framing.receive(data):
            self._heard = now
            try:
                for message in self.session.receive(frame, now):
                    self.answered = True
                    self._renew(now, events)
                    if self.peer is not None:
                        if self.session.gaps != self._gaps:
                            self.peer.lost()
                        self._gaps = self.session.gaps
                        events.extend(self.peer.receive(message, now))
            except PeerError:
                self.bad += 1
                if self.bad > _BAD_FRAMES:
                    self.session.close("too many bad frames")
            except HedgerowError as error:
                # The shelf cannot be written: what is not kept must not be acknowledged.
                self.session.close(str(error))
            self._renew(now, events)
        self._check(events)
        return events

    def _renew(self, now: int, events: "list[tuple[str, object]]") -> None:
        if self.session.generation != self._generation:
            self._generation = self.session.generation
            session = self.session
            paired = session.kind == PAIR
            # A guest is no host of the board's: it has a share as members have, and does not set the clock.
            trusted = paired and not session.guest
            if self.peer is not None:
                self.peer.leave()
            self.peer = Peer(
                self._shelf,
                now,
                self._credit_bytes,
                SOURCE_HOST if trusted else SOURCE_MESH,
                b"" if trusted else session.pairing or self._member,
                bool(self._ask_ms),
                None if paired else session.role == INITIATOR,
            )
            events.append(("up", self.session.kind))

    def _check(self, events: "list[tuple[str, object]]") -> None:
        if self.session.closed and not self.closed:
            self.closed = True
            self.reason = self.session.reason
            events.append(("down", self.reason))

    def outgoing(self, now: int) -> list[bytes]:
        """What to write to the line, in order: one item a write."""
        writes: list[bytes] = []
        some = self.next_writes(now)
        while some:
            writes.extend(some)
            some = self.next_writes(now)
        return writes

    def next_writes(self, now: int) -> list[bytes]:
        """The first of what ``outgoing`` gives, for who has no room for all of it; empty at the end."""
        if self.peer is not None and not self.closed:
            try:
                for message in self.peer.outgoing(now):
                    self.session.send(message)
            except HedgerowError as error:
                self.session.close(str(error))
        writes: list[bytes] = []
        for frame in self.session.outgoing():
            writes.extend(self.framing.send(frame))
        return writes

    def service(self, message: bytes) -> None:
        """Send a host-board service message. HedgerowError where the link is not up."""
        if self.peer is None or self.closed:
            raise HedgerowError("the link is not up")
        self.peer.service(message)

    def push(self, now: int) -> None:
        """Tell the link that the shelf has something new."""
        if self.peer is not None:
            self.peer.push(now)

    def tick(self, now: int) -> "list[tuple[str, object]]":
        """Do what is due; events as in ``receive``."""
        events: list[tuple[str, object]] = []
        self.session.tick(now)
        if self._ask_ms and self.established:
            self._ask(now)
        if self.peer is not None and not self.closed and not self.peer.tick(now):
            self.session.close("stalled")
        self._check(events)
        return events

    def _ask(self, now: int) -> None:
        """Ask after a board that says nothing: one that restarted does not know us any more."""
        if now - self._heard >= _SILENT * self._ask_ms:
            self.session.close("silent")
        elif now - max(self._heard, self._asked) >= self._ask_ms and self.peer is not None:
            self._asked = now
            self.peer.service(bytes((STATUS,)))

    def deadline(self) -> int | None:
        """When ``tick`` has something to do, in ms, or None."""
        if self.closed:
            return None
        due = self.session.deadline()
        if self._ask_ms and self.established:
            ask = max(self._heard, self._asked) + self._ask_ms
            due = ask if due is None else min(due, ask)
        if self.peer is not None:
            other = self.peer.deadline()
            if due is None or (other is not None and other < due):
                due = other
        return due

    def close(self, reason: str = "closed") -> None:
        """End the link from this side, or be done with one that ended."""
        self.session.close(reason)
        self.closed = True
        self.reason = self.session.reason
        if self.peer is not None:
            self.peer.leave()
