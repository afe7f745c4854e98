"""How two shelves become equal: lists of ids, offers, and the whole exchange."""
# MicroPython has no [*a, b].
# ruff: noqa: RUF005

from fuzz.core.things import KEY, SHELF_BYTES, letter, shelf
from fuzz.promise import STEPS, Told, holds, piece, pieces, refusal, told
from hedgerow_core import envelope, limits
from hedgerow_core.admission import Admission
from hedgerow_core.clock import Clock, encode_clock
from hedgerow_core.errors import PeerError
from hedgerow_core.peer import Peer
from hedgerow_core.reconcile import IdList, split_ids
from hedgerow_core.session import PLAINTEXT_BYTES
from hedgerow_core.shelf import SOURCE_MESH, Shelf
from hedgerow_core.sketch import Sketch
from hedgerow_core.store import MemoryStore

_SKETCHED = limits.OFFER_IDS + 4
# One call may answer with the whole shelf in messages of one frame each, and with little else.
_ANSWER_BYTES = 2 * (SHELF_BYTES + 4_096)


def fuzz_ids(data: bytes) -> str:
    try:
        ids = split_ids(data)
    except PeerError as error:
        return refusal(error)
    holds(b"".join(ids) == data, "a list of ids has two encodings")
    return told(*ids)


def ids_seeds() -> list[bytes]:
    return [b"", bytes(8), bytes(range(64)), bytes(448), bytes(520), bytes(7)]


def fuzz_offers(data: bytes) -> str:
    ours = IdList()
    result = Told()
    for what, part in pieces(data):
        for _ in range(1 + what):
            try:
                result.add(*ours.receive(part))
            except PeerError as error:
                result.add(refusal(error))
        result.add(ours.received)
        holds(ours._received <= limits.EXCHANGE_IDS, "an offer passes its bound")
    return result.digest()


def offers_seeds() -> list[bytes]:
    return [
        piece(0, b"\0" + bytes(64)) + piece(0, b"\1"),
        piece(100, b"\0" + bytes(448)),
        piece(0, b"\2"),
    ]


def _sketched() -> Shelf:
    """A shelf with more letters than one list holds."""
    result = Shelf(MemoryStore(), Clock(0), 0, 2 * _SKETCHED, SHELF_BYTES, 4, Sketch(KEY[:16], 2 * _SKETCHED))
    for number in range(_SKETCHED):
        result.put(letter(number, 13), 0)
    return result


def peer_bounds(peer: Peer, kept: Shelf) -> None:
    holds(
        len(peer._ask) + len(peer._wanted) <= limits.ASK_IDS * limits.ID_BYTES, "wanted ids pass their bound"
    )
    holds(len(peer._in_flight) <= limits.IN_FLIGHT * limits.ID_BYTES, "envelopes in flight pass their bound")
    holds(len(peer._parts) <= limits.ENVELOPE_BYTES + 8, "parts of an envelope pass their bound")
    holds(len(peer._queue) <= limits.QUEUE_IDS * limits.ID_BYTES, "the queue passes its bound")
    holds(kept.count() <= kept.max_count and kept.held_bytes() <= SHELF_BYTES, "the shelf passes its bounds")
    holds(len(kept._tombstones) <= 4, "tombstones pass their bound")


def fuzz_peer(data: bytes) -> str:
    """A hostile member's messages; FE comes first where its share is counted, FD where it gives us a sketch,
    FC where we give it ours."""
    sketches = data[:1] in (b"\xfc", b"\xfd")
    kept = _sketched() if sketches else shelf(3)
    if data[:1] == b"\xfe":
        kept.admission = Admission(SHELF_BYTES // 8)
    gives = data[:1] == b"\xfc" if sketches else None
    peer = Peer(kept, 0, limits.STREAM_IN_FLIGHT_BYTES, SOURCE_MESH, gives_sketch=gives)
    if data[:1] != b"\xff":
        peer.receive(b"\x09" + encode_clock(0, True), 0)
    result = Told()
    now = 0
    fresh = 100
    for what, part in pieces(data):
        if what & 3 == 3:
            now += int.from_bytes(part[:2], "big")
            if what & 8:
                kept.put(letter(fresh), now)
                fresh += 1
            if what & 16:
                peer.push(now)
            if what & 32:
                peer.lost()
            if what & 64:
                kept.expire(now * 600)
            result.add(peer.tick(now))
        else:
            try:
                for name, value in peer.receive(part, now):
                    result.add(name, value)
            except PeerError as error:
                result.add(refusal(error))
        if what & 4:
            size = 0
            for message in peer.outgoing(now):
                holds(len(message) <= PLAINTEXT_BYTES, "a message above the limit")
                size += len(message)
                result.add(message)
            holds(size <= _ANSWER_BYTES + STEPS * 512, "an answer passes its bound")
        peer_bounds(peer, kept)
        result.add(peer.settled, peer.deadline())
    result.add(*kept.ids())
    return result.digest()


def _puts(one: envelope.Envelope) -> list[bytes]:
    data = one.encode()
    parts = [data[at : at + limits.SERVICE_BYTES] for at in range(0, len(data), limits.SERVICE_BYTES)]
    last = len(parts) - 1
    return [bytes((3, index | (0x80 if index == last else 0))) + part for index, part in enumerate(parts)]


def messages() -> list[bytes]:
    """One of each kind that an exchange has."""
    ours = [letter(number, 77 + number * 300).id for number in range(3)]
    theirs = [letter(number).id for number in range(50, 60)]
    found = [
        b"\1\1" + b"".join(ours),
        b"\1\0" + b"".join(theirs),
        b"\1\1" + theirs[0],
        b"\2" + b"".join(ours),
        b"\2" + theirs[0] + ours[1],
        b"\4" + b"".join(ours),
        b"\5" + theirs[0],
        b"\6",
        b"\x40",
    ]
    return found + _puts(letter(50)) + _puts(letter(51, 900)) + _puts(letter(52, 77, 1))


def peer_seeds() -> list[bytes]:
    found = [piece(4, message) for message in messages()]
    ticks = piece(0x7F, b"\x20\0") + piece(0x1F, b"\0\1") + piece(0x27, b"\x10\0")
    shares = b"\xfe\0\0" + b"".join(
        [piece(4, part) for number in range(60, 75) for part in _puts(letter(number, 200))]
    )
    cells = Sketch(KEY[:16], 18)
    for number in range(5, _SKETCHED + 3):
        cells.change(letter(number, 13).id)
    given = b"\x0a" + bytes(3) + bytes((_SKETCHED,)) + cells.part(0, 18)
    for head in (b"\xfd\0\0", b"\xfc\0\0"):
        answers = [piece(4, b"\x0b" + answer) for answer in (b"\1\0\x12\0\x24", b"\2\0\0\0\0", bytes(5))]
        found.append(head + ticks + piece(4, given) + b"".join(found[:4]) + b"".join(answers) + ticks * 3)
    return found + [b"".join(found), ticks + found[0] + ticks + found[3] + ticks * 3, shares + ticks * 3]


TARGETS = {
    "ids": (fuzz_ids, ids_seeds),
    "offers": (fuzz_offers, offers_seeds),
    "peer": (fuzz_peer, peer_seeds),
}
