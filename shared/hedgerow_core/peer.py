"""The exchange between two carriers over an established link (docs/protocol.md, "Exchange").

OFFER ids -> WANT ids -> PUT envelope or PROOF -> ACK or DECLINE ids, in both directions at once. What is
new is PUT at once, without offer and want. An ACK says that the element would survive a loss of power now.
Messages may get lost: what does not move is asked for once more. Before all that a CLOCK goes either way,
and who does not know the time neither offers nor takes. One state machine, and so one class: what is
wanted, under way and unacknowledged is one state of each element, and a further class would cost each board
heap for every link.
"""

from hedgerow_core import ids, index, limits
from hedgerow_core.clock import decode_clock, encode_clock
from hedgerow_core.envelope import decode, proof_id
from hedgerow_core.errors import HedgerowError, LimitError, PeerError
from hedgerow_core.reconcile import BySketch, IdList, split_ids
from hedgerow_core.shelf import KEPT, LATER, PROVED, SOURCE_HOST, SOURCE_MESH, UNMATCHED, Shelf

_OFFER = 1
_WANT = 2
_PUT = 3
_ACK = 4
_GONE = 5
_AGAIN = 6
_PROOF = 7
_DECLINE = 8
_CLOCK = 9
_SKETCH = 10
_SKETCHED = 11
_HORIZON = 12
SERVICE = 0x40  # and above: messages between a host and its board, not of the exchange

_PUT_LAST = 0x80
_LIST_BYTES = limits.OFFER_IDS * ids.SIZE


class Peer:
    """One side of an exchange. ``source`` is whose share counts what comes; ``member`` is who it is to the
    clock, empty for a host.

    Events: ("stored", id), ("acked", id), ("declined", id), ("proof", token), ("service", message), and with
    ``tell_held`` ("held", id): the other side offers what we have, too, so an ACK may have been lost.
    """

    def __init__(
        self,
        shelf: Shelf,
        now: int,
        credit_bytes: int = limits.IN_FLIGHT_BYTES,
        source: int = SOURCE_HOST,
        member: bytes = b"",
        tell_held: bool = False,
        gives_sketch: bool | None = None,
    ) -> None:
        self.put_count = 0
        self.stored_count = 0
        self.refused_count = 0
        self._shelf = shelf
        self._credit_bytes = credit_bytes
        self._source = source  # the number of our bucket, where the shelf counts what links bring
        if source != SOURCE_HOST and shelf.admission is not None:
            self._source = shelf.admission.open(member, now)
        self._short = 0  # so many letters came above its share: we ask for the rest later
        self._member = member
        self._tell_held = tell_held
        self._times = limits.HOST_TIMES if tell_held else 1
        self._told: bool | None = None  # whether our clock was certain when we told them
        self._theirs: bool | None = None  # whether theirs is
        self._gives = gives_sketch
        self._reconcile: IdList | BySketch = self._compare()
        self._serial = shelf.serial
        self._wanted: bytes | bytearray = b""  # asked for, not here yet
        self._ask: bytes | bytearray = b""  # to be asked for
        self._queue: bytes | bytearray = b""  # to be put
        self._behind = False  # there was no room in the queue: offer it instead
        self._in_flight: bytes | bytearray = b""  # put and not acknowledged
        self._sizes: bytes | bytearray = b""  # of those in flight, 2 bytes each
        self._ack: bytes | bytearray = b""
        self._decline: bytes | bytearray = b""
        self._gone: bytes | bytearray = b""
        self._from_peer: bytes | bytearray = b""
        self._again = False
        self._missed = False  # a part of their offer may be lost
        self._horizon = 0  # what is before this in the order they would not keep
        self._more = False  # they offered what we had no room to remember
        self._stored = -1  # what was stored when we asked for that
        self._parts = b""
        self._part_index = 0
        self._services: list[bytes] = []
        self._progress = now
        self._retry: int | None = now + limits.RETRY_MS

    @property
    def settled(self) -> bool:
        """Whether both sides have, as far as we know, what they want."""
        if not self._open:
            return self._theirs is not None and self._told is not None
        return (
            self._reconcile.sent
            and self._reconcile.received
            and not (self._wanted or self._ask or self._more or self._queue or self._behind)
            and not (self._in_flight or self._ack or self._decline or self._gone)
        )

    @property
    def _open(self) -> bool:
        """Whether both sides know what time it is, so that ages mean something."""
        return self._shelf.clock.certain and self._theirs is True

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
        if kind == _CLOCK:
            self._receive_clock(body, now)
        elif not self._open and _OFFER <= kind <= _SKETCHED:
            self._missed = True  # it is asked for again when both know the time
        elif kind == _OFFER:
            events = self._receive_offer(body)
        elif kind == _SKETCH:
            self._receive_sketch(body)
        elif kind == _SKETCHED:
            # One that comes when lists are in use already is late.
            if isinstance(self._reconcile, BySketch):
                self._reconcile.answered(body)
                self._use_lists()
        elif kind == _WANT:
            if not self._receive_want(body):
                return events  # what we wait for did not move by that
        elif kind == _PUT:
            events = self._receive_put(body, now)
        elif kind == _PROOF:
            events = self._receive_proofs(body, now)
        elif kind in (_ACK, _DECLINE):
            for identity in split_ids(body):
                at = ids.where(self._in_flight, identity)
                if at >= 0:
                    self._in_flight = ids.cut(self._in_flight, at, ids.SIZE)
                    self._sizes = ids.cut(self._sizes, at // 4, 2)
                elif not self._unqueue(identity):
                    continue
                events.append(("acked" if kind == _ACK else "declined", identity))
        elif kind == _GONE:
            for identity in split_ids(body):
                self._forget(identity)
        elif kind == _HORIZON and len(body) == 3:
            self._horizon = int.from_bytes(body, "big")
        elif kind == _AGAIN and not body:
            self._reconcile_again()
        else:
            raise PeerError("an unknown message")
        self._moved(now)
        return events

    def _moved(self, now: int) -> None:
        self._progress = now
        self._retry = now + limits.RETRY_MS

    def _receive_clock(self, body: bytes, now: int) -> None:
        minute, certain, asks = decode_clock(body)
        self._shelf.clock.learn(self._member, minute, certain, now)
        self._theirs = certain
        if asks:
            self._told = None

    def _receive_want(self, body: bytes) -> bool:
        """Whether anything was new to us."""
        fresh = False
        for identity in split_ids(body):
            if not self._shelf.has(identity):
                self._gone = ids.add(self._gone, identity)
                fresh = True
            elif ids.where(self._queue, identity) < 0 and ids.where(self._in_flight, identity) < 0:
                self._queue_once(identity)
                fresh = True
        return fresh

    def _receive_offer(self, body: bytes) -> list[tuple[str, bytes]]:
        events = []
        if not isinstance(self._reconcile, IdList):
            self._reconcile = IdList()
        for identity in self._reconcile.receive(body):
            if self._tell_held and self._reconcile.lasts(body) and self._shelf.has(identity):
                events.append(("held", identity))
            self._unqueue(identity)
            self._ask_once(identity)
        if self._missed:
            self._reconcile.received = False
        return events

    def _ask_once(self, identity: bytes) -> None:
        if not self._shelf.knows(identity) and not self._asked(identity):
            if len(self._ask) + len(self._wanted) < limits.ASK_IDS * self._times * ids.SIZE:
                self._ask = ids.add(self._ask, identity)
            else:
                self._more = True

    def _receive_sketch(self, body: bytes) -> None:
        if not isinstance(self._reconcile, BySketch):
            return  # lists are in use already
        found = self._reconcile.take(body, self._shelf.count())
        letters: bytes | bytearray = b""
        for at in range(0, len(found), ids.SIZE):
            identity = found[at : at + ids.SIZE]
            if not self._shelf.has(identity):
                self._ask_once(identity)
            elif self._shelf.proof(identity) is None:
                letters = ids.add(letters, identity)
            else:
                self._queue_once(identity)
        # Behind the proofs: what is proved need not be put.
        for at in range(0, len(letters), ids.SIZE):
            self._queue_once(bytes(letters[at : at + ids.SIZE]))

    def _compare(self) -> "IdList | BySketch":
        """How to learn the difference: a few ids fit into one frame."""
        sketch = self._shelf.sketch
        if self._gives is None or sketch is None or (self._gives and self._shelf.count() <= limits.OFFER_IDS):
            return IdList()
        return BySketch(sketch, self._gives)

    def _use_lists(self) -> None:
        if isinstance(self._reconcile, BySketch) and self._reconcile.failed:
            self._reconcile = IdList()

    def _receive_put(self, body: bytes, now: int) -> list[tuple[str, bytes]]:
        if not body:
            raise PeerError("a damaged envelope")
        part = body[0] & 0x7F
        if part == 0:
            self._parts = b""
        elif part != self._part_index or not self._parts:
            self._parts = b""
            raise PeerError("a part of an envelope is missing")
        self._parts += body[1:]
        self._part_index = part + 1
        if len(self._parts) > limits.ENVELOPE_BYTES + 8:
            self._parts = b""
            raise PeerError("an envelope above the limit")
        if not body[0] & _PUT_LAST:
            return []
        data = self._parts
        self._parts = b""
        envelope = decode(data)
        identity = envelope.id
        carried = envelope.carried(envelope.hops + 1, envelope.age)
        status = self._shelf.put(carried, now, self._source)
        self._forget(identity)
        self._unqueue(identity)
        if status == LATER:
            self._later()
        if self._shelf.has(identity):
            self._answer(identity)
        else:
            self._decline = ids.add(self._decline, identity)
            # They have it still, so they do not know that it is over.
            self._queue_once(self._shelf.proof_of(envelope))
        if self._short > limits.LATER:
            raise PeerError("more than its share")
        if status != KEPT:
            self.refused_count += 1
            return []
        self.stored_count += 1
        self._from_peer = ids.add(self._from_peer, identity)
        return [("stored", identity)]

    def _receive_proofs(self, body: bytes, now: int) -> list[tuple[str, bytes]]:
        size = limits.PROOF_BYTES
        if not body or len(body) % size or len(body) > limits.SERVICE_BYTES:
            raise PeerError("a damaged list of proofs")
        events = []
        for at in range(0, len(body), size):
            token = body[at : at + size]
            identity = proof_id(token)
            status = self._shelf.prove(token, now, self._source)
            self._forget(identity)
            if status in (PROVED, UNMATCHED):
                events.append(("proof", token))
            if status == PROVED:
                self.stored_count += 1
                self._from_peer = ids.add(self._from_peer, identity)
                events.append(("stored", identity))
            if self._shelf.has(identity):
                self._answer(identity)
            else:
                self._decline = ids.add(self._decline, identity)
        return events

    def _answer(self, identity: bytes) -> None:
        if self._shelf.durable:
            self._ack = ids.add(self._ack, identity)
        else:
            self._decline = ids.add(self._decline, identity)

    def _queue_once(self, identity: bytes) -> None:
        if identity and ids.where(self._queue, identity) < 0 and ids.where(self._in_flight, identity) < 0:
            queue = self._queue
            if len(queue) < limits.QUEUE_IDS * self._times * ids.SIZE:
                # Urgent before normal before bulk.
                rank = self._shelf.rank(identity)
                at = len(queue)
                while at and self._shelf.rank(bytes(queue[at - ids.SIZE : at])) < rank:
                    at -= ids.SIZE
                self._queue = (
                    ids.add(queue, identity) if at == len(queue) else queue[:at] + identity + queue[at:]
                )
            else:
                self._behind = True

    def _unqueue(self, identity: bytes) -> bool:
        """They have it already; whether it was to be put."""
        before = len(self._queue)
        self._queue = ids.remove(self._queue, identity)
        return len(self._queue) < before

    def _forget(self, identity: bytes) -> None:
        self._wanted = ids.remove(self._wanted, identity)
        self._ask = ids.remove(self._ask, identity)

    def _asked(self, identity: bytes) -> bool:
        return ids.where(self._wanted, identity) >= 0 or ids.where(self._ask, identity) >= 0

    def _later(self) -> None:
        self._short += 1
        self._ask = b""
        self._more = False  # until there is room again

    def leave(self) -> None:
        """The link is over."""
        if isinstance(self._reconcile, BySketch):
            self._reconcile.stop()
        if self._source != SOURCE_HOST and self._shelf.admission is not None:
            self._shelf.admission.close(self._source)
            self._source = SOURCE_MESH

    def _reconcile_again(self) -> None:
        if self._gives:
            self._reconcile = self._compare()
        elif isinstance(self._reconcile, BySketch):
            self._again = True
        else:
            received = self._reconcile.received
            self._reconcile = IdList()
            self._reconcile.received = received

    def lost(self) -> None:
        """Messages from the other side were lost, maybe ids that it offered: ask again when it is quiet."""
        self._reconcile.received = False
        self._missed = True

    def push(self, now: int) -> None:
        """Put what is new on the shelf and did not come from this peer."""
        self._serial, fresh = self._shelf.new_since(self._serial)
        was_settled = self.settled
        if fresh is None:
            # Too much came at once to name it.
            self._reconcile_again()
            fresh = []
        for identity in fresh:
            if ids.where(self._from_peer, identity) < 0:
                self._queue_once(identity)
        self._from_peer = b""
        if was_settled:
            self._moved(now)

    def outgoing(self, now: int) -> list[bytes]:
        """Some messages to send, in order; none where there is nothing left. An offer comes in many pieces: a
        board has no room for all of them. Flushes the shelf before the acknowledgements that need it."""
        out = self._services
        self._services = []
        clock = self._shelf.clock
        if self._told is not clock.certain:
            self._told = clock.certain
            self._tell_horizon(out, now)
            out.append(bytes((_CLOCK,)) + encode_clock(clock.told(now), clock.certain, self._theirs is None))
        if not self._open:
            return out
        if self._ack:
            self._flush(now)
            for at in range(len(self._ack) - ids.SIZE, -1, -ids.SIZE):
                identity = bytes(self._ack[at : at + ids.SIZE])
                # What was proved meanwhile is here no more, and the other side need not put it again.
                if not self._shelf.has(identity):
                    self._ack = ids.cut(self._ack, at, ids.SIZE)
                    self._decline = ids.add(self._decline, identity)
        for kind, flat in ((_ACK, self._ack), (_DECLINE, self._decline), (_GONE, self._gone)):
            for at in range(0, len(flat), _LIST_BYTES):
                out.append(bytes((kind,)) + flat[at : at + _LIST_BYTES])
        self._ack = self._decline = self._gone = b""
        if self._behind and not self._queue:
            self._behind = False
            self._reconcile_again()
        if self._more and self._reconcile.received and not (self._ask or self._wanted):
            self._more = False
            # Where all that they had is gone or refused, it would be so again.
            self._again = self._again or self.stored_count > self._stored
            self._stored = self.stored_count
        if self._again:
            self._tell_horizon(out, now)
            out.append(bytes((_AGAIN,)))
            self._again = self._missed = False
            if self._gives is False:
                self._reconcile = self._compare()
            self._reconcile.restart()
        if isinstance(self._reconcile, BySketch):
            self._sketch_next(out)
            if not self._reconcile.received:
                return out  # what is put or taken meanwhile would change what is compared
        elif not self._reconcile.sent:
            if not self._reconcile.cursor:
                self._flush(now)  # a host takes what is offered for acknowledged
            offered, cursor = self._shelf.offer(self._reconcile.cursor, limits.OFFER_IDS, now, self._horizon)
            out.append(bytes((_OFFER,)) + self._reconcile.part(offered, cursor, self._shelf.durable))
        # Proofs first: what is proved need not be asked for.
        self._put_next(out, now)
        if self._ask and len(self._wanted) < limits.IN_FLIGHT * ids.SIZE:
            size = self._shelf.appetite(self._source, now) * ids.SIZE - len(self._wanted)
            if size > 0:
                size = min(size, _LIST_BYTES)
                chunk = bytes(self._ask[:size])
                self._ask = ids.cut(self._ask, 0, size)
                self._wanted = ids.add(self._wanted, chunk)
                out.append(bytes((_WANT,)) + chunk)
            elif not self._wanted:
                self._later()
        return out

    def _flush(self, now: int) -> None:
        try:
            self._shelf.flush(now)
        except HedgerowError:
            # What was not written is not here any more, and is declined. All else goes on.
            self._stored = self.stored_count

    def _tell_horizon(self, out: list[bytes], now: int) -> None:
        """Spare them what a full shelf would not keep."""
        horizon = self._shelf.horizon(now) if self._shelf.clock.certain else 0
        if horizon:
            out.append(bytes((_HORIZON,)) + horizon.to_bytes(3, "big"))

    def _sketch_next(self, out: list[bytes]) -> None:
        if isinstance(self._reconcile, BySketch):
            part = self._reconcile.part(self._shelf.count())
            if part:
                out.append(bytes((_SKETCH,)) + part)
            answer = self._reconcile.answer()
            if answer:
                out.append(bytes((_SKETCHED,)) + answer)
            self._use_lists()

    def _put_next(self, out: list[bytes], now: int) -> None:
        flying = sum([self._sizes[at] << 8 | self._sizes[at + 1] for at in range(0, len(self._sizes), 2)])
        proofs = bytearray()
        while self._queue and len(self._in_flight) < limits.IN_FLIGHT * ids.SIZE:
            identity = bytes(self._queue[: ids.SIZE])
            if self._in_flight and self._shelf.rank(identity) == 0:
                break  # bulk goes alone, so what is more urgent waits for one of it at most
            data: bytes | None = self._shelf.proof(identity)
            is_proof = data is not None
            if data is None:
                envelope = self._shelf.get(identity, now)
                if envelope is not None and envelope.hops < limits.HOPS:
                    place = index.order(self._shelf.rank(identity), envelope.age)
                    data = envelope.encode() if place >= self._horizon else None
            if data is None:
                self._queue = ids.cut(self._queue, 0, ids.SIZE)
                self._gone = ids.add(self._gone, identity)
                continue
            if flying and flying + len(data) > self._credit_bytes:
                break
            flying += len(data)
            self._queue = ids.cut(self._queue, 0, ids.SIZE)
            self.put_count += 1
            self._in_flight = ids.add(self._in_flight, identity)
            self._sizes = ids.add(self._sizes, len(data).to_bytes(2, "big"))
            if is_proof:
                proofs += data
                continue
            for part, at in enumerate(range(0, len(data), limits.PUT_BYTES)):
                last = _PUT_LAST if at + limits.PUT_BYTES >= len(data) else 0
                out.append(bytes((_PUT, part | last)) + data[at : at + limits.PUT_BYTES])
            break  # the next one when this is sent: a board has no room for all of them at once
        if proofs:
            out.append(bytes((_PROOF,)) + proofs)

    def deadline(self) -> int | None:
        """When ``tick`` has something to do, in ms, or None."""
        return self._retry if self._short or not self.settled else None

    def tick(self, now: int) -> bool:
        """Ask again for what did not come. False when nothing has moved for too long."""
        if self._retry is None or now < self._retry:
            return True
        if self._short:
            self._retry = now + limits.RETRY_MS
            if self._shelf.appetite(self._source, now) > 0:
                self._short = 0
                self._more = True
                self._stored = -1
                self._progress = now
        if self.settled:
            return True
        if now - self._progress >= limits.STALL_MS:
            return False
        self._retry = now + limits.RETRY_MS
        if self._theirs is None:
            self._told = None
        self._ask = ids.add(self._wanted, self._ask)
        self._wanted = b""
        self._queue = ids.add(self._in_flight, self._queue)
        self._in_flight = b""
        self._sizes = b""
        if not self._reconcile.received:
            sketch = self._reconcile if isinstance(self._reconcile, BySketch) else None
            if sketch is not None and self._gives and sketch.sent:
                self._reconcile = self._compare()
            elif sketch is None or not sketch.repeat():
                self._again = True
        return True
