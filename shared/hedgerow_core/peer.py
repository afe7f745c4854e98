"""The exchange between two carriers over an established link (docs/protocol.md, "Exchange").

OFFER ids -> WANT ids -> PUT envelope -> ACK ids, in both directions at once. New envelopes are PUT at once,
without offer and want. An ACK says that the envelope would survive a loss of power now, or that it is not
wanted again. Messages may get lost: what does not move is asked for once more.
"""

from hedgerow_core import limits
from hedgerow_core.envelope import decode
from hedgerow_core.errors import LimitError, PeerError
from hedgerow_core.reconcile import IdList, split_ids
from hedgerow_core.shelf import KEPT, Shelf

_OFFER = 1
_WANT = 2
_PUT = 3
_ACK = 4
_GONE = 5
_AGAIN = 6
SERVICE = 0x40  # and above: messages between a host and its board, not of the exchange

_PUT_BYTES = limits.SERVICE_BYTES
_PUT_LAST = 0x80


class Peer:
    """One side of an exchange. Events are tuples: ("stored", id), ("acked", id), ("service", message)."""

    def __init__(self, shelf: Shelf, now: int, credit_bytes: int = limits.IN_FLIGHT_BYTES) -> None:
        self.put_count = 0
        self.stored_count = 0
        self.refused_count = 0
        self._shelf = shelf
        self._credit_bytes = credit_bytes
        self._reconcile = IdList(shelf.offer())
        self._serial = shelf.serial
        self._wanted: list[bytes] = []  # asked for, not here yet
        self._ask: list[bytes] = []  # to be asked for
        self._queue: list[bytes] = []  # to be put
        self._in_flight: dict[bytes, tuple[int, int]] = {}  # id -> (order, bytes), put and not acknowledged
        self._ack: list[bytes] = []
        self._gone: list[bytes] = []
        self._from_peer: set[bytes] = set()
        self._again = False
        self._missed = False  # a part of their offer may be lost
        self._more = False  # they offered what we had no room to remember
        self._parts = b""
        self._part_index = 0
        self._services: list[bytes] = []
        self._progress = now
        self._retry: int | None = now + limits.RETRY_MS

    @property
    def settled(self) -> bool:
        """Whether both sides have, as far as we know, what they want."""
        return (
            self._reconcile.sent
            and self._reconcile.received
            and not (self._wanted or self._ask or self._more or self._queue)
            and not (self._in_flight or self._ack or self._gone)
        )

    def service(self, message: bytes) -> None:
        """Send a message of the host-board service; its first byte is SERVICE or above."""
        if not message or message[0] < SERVICE or len(message) > limits.SERVICE_BYTES:
            raise LimitError("a service message out of its bounds")
        self._services.append(bytes(message))

    def receive(self, message: bytes, now: int) -> list[tuple[str, bytes]]:
        """Take one message. PeerError where it is damaged."""
        if not message:
            raise PeerError("an empty message")
        kind = message[0]
        if kind >= SERVICE:
            return [("service", bytes(message))]
        body = bytes(message[1:])
        events: list[tuple[str, bytes]] = []
        if kind == _OFFER:
            self._receive_offer(body)
        elif kind == _WANT:
            for identity in split_ids(body):
                if not self._shelf.has(identity):
                    self._gone.append(identity)
                elif identity not in self._in_flight and identity not in self._queue:
                    self._queue.append(identity)
        elif kind == _PUT:
            events = self._receive_put(body, now)
        elif kind == _ACK:
            for identity in split_ids(body):
                if identity in self._in_flight:
                    del self._in_flight[identity]
                    events.append(("acked", identity))
        elif kind == _GONE:
            for identity in split_ids(body):
                self._forget(identity)
        elif kind == _AGAIN and not body:
            self._reconcile_again()
        else:
            raise PeerError("an unknown message")
        self._moved(now)
        return events

    def _moved(self, now: int) -> None:
        self._progress = now
        self._retry = now + limits.RETRY_MS

    def _receive_offer(self, body: bytes) -> None:
        for identity in self._reconcile.receive(body):
            if self._shelf.knows(identity) or identity in self._wanted or identity in self._ask:
                continue
            if len(self._ask) + len(self._wanted) < limits.ASK_IDS:
                self._ask.append(identity)
            else:
                self._more = True
        if self._missed:
            self._reconcile.received = False

    def _receive_put(self, body: bytes, now: int) -> list[tuple[str, bytes]]:
        if not body:
            raise PeerError("a damaged envelope")
        index = body[0] & 0x7F
        if index == 0:
            self._parts = b""
        elif index != self._part_index or not self._parts:
            self._parts = b""
            raise PeerError("a part of an envelope is missing")
        self._parts += body[1:]
        self._part_index = index + 1
        if len(self._parts) > limits.ENVELOPE_BYTES + 8:
            self._parts = b""
            raise PeerError("an envelope above the limit")
        if not body[0] & _PUT_LAST:
            return []
        data = self._parts
        self._parts = b""
        envelope = decode(data)
        identity = envelope.id
        status = self._shelf.put(envelope.carried(envelope.hops + 1, envelope.age), now)
        self._forget(identity)
        self._ack.append(identity)
        if status != KEPT:
            self.refused_count += 1
            return []
        self.stored_count += 1
        self._from_peer.add(identity)
        return [("stored", identity)]

    def _forget(self, identity: bytes) -> None:
        if identity in self._wanted:
            self._wanted.remove(identity)
        if identity in self._ask:
            self._ask.remove(identity)

    def _reconcile_again(self) -> None:
        received = self._reconcile.received
        self._reconcile = IdList(self._shelf.offer())
        self._reconcile.received = received

    def lost(self) -> None:
        """Messages from the other side were lost, maybe ids that it offered: ask again when it is quiet."""
        self._reconcile.received = False
        self._missed = True

    def push(self, now: int) -> None:
        """Put what is new on the shelf and did not come from this peer."""
        self._serial, fresh = self._shelf.new_since(self._serial)
        was_settled = self.settled
        for identity in fresh:
            if not (identity in self._from_peer or identity in self._in_flight or identity in self._queue):
                self._queue.append(identity)
        self._from_peer = set()
        if was_settled:
            self._moved(now)

    def outgoing(self, now: int) -> list[bytes]:
        """Messages to send, in order. Flushes the shelf once before the acknowledgements that need it."""
        out = self._services
        self._services = []
        if self._ack:
            self._shelf.flush()
            _emit(out, _ACK, self._ack)
            self._ack = []
        if self._gone:
            _emit(out, _GONE, self._gone)
            self._gone = []
        if self._again:
            out.append(bytes((_AGAIN,)))
            self._again = self._missed = False
            self._reconcile.restart()
        part = self._reconcile.next_part()
        while part is not None:
            out.append(bytes((_OFFER,)) + part)
            part = self._reconcile.next_part()
        if self._more and self._reconcile.received and not (self._ask or self._wanted):
            self._more = False
            self._reconcile.restart()
            out.append(bytes((_AGAIN,)))
        if self._ask and len(self._wanted) < limits.IN_FLIGHT:
            chunk = self._ask[: limits.OFFER_IDS]
            self._ask = self._ask[len(chunk) :]
            self._wanted.extend(chunk)
            _emit(out, _WANT, chunk)
        self._put_next(out, now)
        return out

    def _put_next(self, out: list[bytes], now: int) -> None:
        while self._queue and len(self._in_flight) < limits.IN_FLIGHT:
            envelope = self._shelf.get(self._queue[0], now)
            if envelope is None or envelope.hops >= limits.HOPS:
                self._gone.append(self._queue.pop(0))
                continue
            data = envelope.encode()
            flying = sum([size for _, size in self._in_flight.values()])
            if flying and flying + len(data) > self._credit_bytes:
                return
            self._queue.pop(0)
            self.put_count += 1
            self._in_flight[envelope.id] = (self.put_count, len(data))
            for index, at in enumerate(range(0, len(data), _PUT_BYTES)):
                last = _PUT_LAST if at + _PUT_BYTES >= len(data) else 0
                out.append(bytes((_PUT, index | last)) + data[at : at + _PUT_BYTES])

    def deadline(self) -> int | None:
        """When ``tick`` has something to do, in ms, or None."""
        return None if self.settled else self._retry

    def tick(self, now: int) -> bool:
        """Ask again for what did not come. False when nothing has moved for too long."""
        if self.settled or self._retry is None or now < self._retry:
            return True
        if now - self._progress >= limits.STALL_MS:
            return False
        self._retry = now + limits.RETRY_MS
        self._ask = self._wanted + self._ask
        self._wanted = []
        # In the order in which they went out: dicts have none on MicroPython.
        again = [(order, identity) for identity, (order, _) in self._in_flight.items()]
        again.sort()
        self._queue = [identity for _, identity in again] + self._queue
        self._in_flight = {}
        if not self._reconcile.received:
            self._again = True
        return True


def _emit(out: list[bytes], kind: int, ids: list[bytes]) -> None:
    for at in range(0, len(ids), limits.OFFER_IDS):
        out.append(bytes((kind,)) + b"".join(ids[at : at + limits.OFFER_IDS]))
