"""What is fuzzed of core; runs on CPython and on MicroPython.

A target takes the bytes that the fuzzer made and gives a digest of what came of them, equal on every
interpreter. It raises ``Broken``, or whatever the code under test lets through, where a promise fails.
"""
# MicroPython has no contextlib and no [*a, b].
# ruff: noqa: RUF005, SIM105

import hashlib

from hedgerow_core import (
    beacon,
    cbor,
    counts,
    envelope,
    frame,
    journal,
    limits,
    lms,
    manage,
    package,
    probe,
    sealed,
    service,
    session,
    slot_state,
    slots,
    survey,
)
from hedgerow_core.admission import Admission
from hedgerow_core.clock import Clock, decode_clock, encode_clock
from hedgerow_core.errors import LimitError, PeerError
from hedgerow_core.fragment import Reassembler
from hedgerow_core.link import Link, Packets, Stream
from hedgerow_core.mac import sha256
from hedgerow_core.peer import Peer
from hedgerow_core.reconcile import IdList, split_ids
from hedgerow_core.service import decode_log, decode_status, encode_log, log_piece
from hedgerow_core.session import INITIATOR, MESH, PAIR, PLAINTEXT_BYTES, RESPONDER, Session
from hedgerow_core.shelf import SOURCE_MESH, Shelf
from hedgerow_core.sketch import Sketch
from hedgerow_core.store import MemoryStore

KEY = b"k" * 32
MARK = b"mark of a meshes"
SIGNER = b"\0\0\0\6\0\0\0\3" + bytes(48)  # the kind of key that boards have
ADDRESS = b"\x01addrs"
MTU = 100
STEPS = 40  # of one input to an engine
_BYTE_BY_BYTE = 700  # a longer line is cut less often
_SHELF_COUNT = 8
_SHELF_BYTES = 4_000
_SKETCHED = limits.OFFER_IDS + 4
# One call may answer with the whole shelf in messages of one frame each, and with little else.
_ANSWER_BYTES = 2 * (_SHELF_BYTES + 4_096)


class Broken(Exception):
    """A promise that did not hold."""


def holds(promise: bool, sentence: str) -> None:
    """Broken with ``sentence`` where ``promise`` is not true."""
    if not promise:
        raise Broken(sentence)


class Told:
    """What an engine answered, as a digest."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self.bytes = 0

    def add(self, *parts: object) -> None:
        """Take in bytes, text and numbers, each with its length."""
        for part in parts:
            if not isinstance(part, (bytes, bytearray)):
                part = str(part).encode()
            self._hash.update(len(part).to_bytes(4, "big") + part)
            self.bytes += len(part)

    def digest(self) -> str:
        """16 digits."""
        return "".join(f"{byte:02x}" for byte in self._hash.digest()[:8])


def told(*parts: object) -> str:
    """The digest of ``parts``."""
    result = Told()
    result.add(*parts)
    return result.digest()


def refusal(error: Exception) -> str:
    """How a refusal is told."""
    return type(error).__name__


def pieces(data: bytes) -> list[tuple[int, bytes]]:
    """What the fuzzer wants done: (what, with which bytes); two bytes of length where ``what`` has bit 7."""
    found = []
    at = 0
    while at + 1 < len(data) and len(found) < STEPS:
        what = data[at]
        size = data[at + 1]
        at += 2
        if what & 0x80 and at < len(data):
            size = (size << 8 | data[at]) & 0x7FF
            at += 1
        found.append((what & 0x7F, data[at : at + size]))
        at += size
    return found


def piece(what: int, data: bytes) -> bytes:
    """The reverse of ``pieces``, for seeds."""
    if len(data) < 256:
        return bytes((what, len(data))) + data
    return bytes((what | 0x80, len(data) >> 8, len(data) & 0xFF)) + data


def letter(number: int, size: int = 77, priority: int = 0) -> envelope.Envelope:
    """An envelope that differs by ``number``."""
    return envelope.make(priority, 10, number.to_bytes(limits.LOCK_BYTES, "big"), bytes(size))


def shelf(count: int) -> Shelf:
    """A small shelf with ``count`` letters on it."""
    result = Shelf(MemoryStore(), Clock(0), 0, _SHELF_COUNT, _SHELF_BYTES, 4)
    for number in range(count):
        result.put(letter(number, 77 + number * 300), 0)
    return result


def _sketched() -> Shelf:
    """A shelf with more letters than one list holds."""
    result = Shelf(
        MemoryStore(), Clock(0), 0, 2 * _SKETCHED, _SHELF_BYTES, 4, Sketch(KEY[:16], 2 * _SKETCHED)
    )
    for number in range(_SKETCHED):
        result.put(letter(number, 13), 0)
    return result


# Codecs


def fuzz_cbor(data: bytes) -> str:
    try:
        value = cbor.decode(data)
    except PeerError as error:
        return refusal(error)
    holds(cbor.encode(value) == data, "CBOR has two encodings of one value")
    return told(data)


def fuzz_envelope(data: bytes) -> str:
    try:
        found = envelope.decode(data)
    except PeerError as error:
        return refusal(error)
    holds(found.encode() == data, "an envelope has two encodings")
    later = found.carried(found.hops + 1, found.age + 7)
    again = envelope.decode(later.encode())
    holds(again.id == found.id, "an envelope has another id after a hop")
    return told(found.id, found.priority, found.shared, found.expired(), later.encode())


def fuzz_beacon(data: bytes) -> str:
    if data[:1] == b"\x01":
        # With a MAC that fits, as a hostile member would make it.
        content = (data[1:15] + bytes(14))[:14]
        advert = beacon._HEAD + content + beacon._mac(KEY, ADDRESS, content)
    else:
        advert = data[1:]
    beacon.read(data)
    found = beacon.parse(advert, KEY, ADDRESS)
    if found is None:
        return "nothing"
    said = (found.beacon_id, found.count, found.summary, found.load)
    again = beacon.encode(KEY, ADDRESS, *said, beacon.for_all(advert))
    holds(again == advert, "a beacon has two encodings")
    return told(advert)


def fuzz_sealed(data: bytes) -> str:
    body = data[2:]
    if data[:1] == b"\1":
        # With a tag that fits, as whoever has the key would make it.
        _, mac_key = sealed._keys(KEY, sealed.DOWN, 0, body[: sealed.SALT_BYTES])
        body += sealed._tag(mac_key, letter(0).flags, 10, body[sealed.SALT_BYTES :])
    if len(body) > limits.ENVELOPE_BYTES - 20:
        return "too long"
    found = envelope.make(envelope.NORMAL, 10, sealed.lock(KEY, sealed.DOWN, 0), body)
    on = Shelf(MemoryStore(), Clock(0), 0, _SHELF_COUNT, _SHELF_BYTES, 4)
    on.put(found, 0)
    command = sealed.next_command(on, KEY, 0, 0)
    try:
        opened = sealed.open_sealed(KEY, sealed.DOWN, 0, found)
    except PeerError as error:
        holds(command is None, "a shelf gives a command that cannot be opened")
        return refusal(error)
    holds(command == (0, opened[0], body[: sealed.SALT_BYTES], opened[1]), "a shelf hides a command")
    return told(opened[0], opened[1])


def fuzz_status(data: bytes) -> str:
    try:
        numbers, name = decode_status(data)
    except PeerError as error:
        return refusal(error)
    return told(name, *numbers)


def fuzz_clock(data: bytes) -> str:
    try:
        minute, certain, asks = decode_clock(data)
    except PeerError as error:
        return refusal(error)
    holds(minute <= limits.M_MINUTES, "a clock past its bound")
    holds(encode_clock(minute, certain, asks) == data, "a clock has two encodings")
    return told(minute, certain, asks)


def fuzz_log(data: bytes) -> str:
    try:
        part, parts, log = log_piece(data)
        starts, cause, troubles, by_cause, entries = decode_log(log)
    except PeerError as error:
        return refusal(error)
    found = [part, parts, starts, cause, troubles]
    found += by_cause
    for entry in entries:
        found += entry
    # A board adds to what it finds, whatever that is.
    later = journal.added(log, starts, 5, data)
    holds(len(later) <= max(limits.JOURNAL_BYTES, len(log)), "a journal beyond its bound")
    journal.entries(later)
    return told(*found)


def fuzz_nodes(data: bytes) -> str:
    try:
        page, pages, nodes = survey.decode_nodes(data)
    except PeerError as error:
        return refusal(error)
    found = [page, pages]
    for node in nodes:
        found += node
    return told(*found)


def fuzz_counts(data: bytes) -> str:
    try:
        cause, starts, battery, counted = survey.decode_counts(data)
    except PeerError as error:
        return refusal(error)
    holds(survey.encode_counts(cause, starts, battery, counted) == data, "counts have two encodings")
    found = [cause, battery]
    return told(*(found + starts + counted))


def fuzz_pairings(data: bytes) -> str:
    """Records of pairings, then a board's list of them, then its welcome."""
    try:
        records = manage.decode_records(data)
    except PeerError as error:
        try:
            listed = manage.decode_pairings(data)
            holds(len(listed) <= limits.PAIRINGS + 1, "more pairings than a board keeps")
            return told(*[part for one in listed for part in one])
        except PeerError:
            pass
        try:
            return told(*manage.decode_welcome(data))
        except PeerError:
            return refusal(error)
    again = b"".join([manage.encode_record(*record) for record in records])
    holds(again == data and len(records) <= limits.PAIRINGS, "records have two encodings")
    listed = manage.decode_pairings(manage.encode_pairings(records))
    holds([one[3] for one in listed] == [one[3] for one in records], "a list without its labels")
    return told(*[part for one in records for part in one])


def fuzz_hello(data: bytes) -> str:
    """What a board with several pairings answers to the first frame of a link."""
    board = Session(RESPONDER, {MESH: KEY, PAIR: [b"p" * 32, b"q" * 32]}, b"seed of b" + sha256(data), 0)
    try:
        holds(board.receive(data, 0) == [], "a message before the handshake")
        found = "answered"
    except PeerError as error:
        found = refusal(error)
    holds(not board.established and not board.closed, "one frame opened or ended a link")
    return told(found, *[frame[:1] for frame in board.outgoing()])


def fuzz_probe(data: bytes) -> str:
    """What neighbours and the host say to one board of probes, one after the other."""
    memory: list[probe.Probe] = []
    said = []
    now = 0
    for what, message in pieces(data):
        now += what >> 2 & 0x1F
        source = "abc?"[what & 3]
        probe.forget(memory, now)
        if message and message[0] in (service.TRACE, service.PROBE):
            reply, onward = probe.take(memory, message, source, "mill", now)
            holds(not (reply and onward), "an answer and a question at once")
            said += [reply, onward]
        else:
            to, echo = probe.back(memory, message, source, "mill", now)
            holds(to is None or to != source, "an echo went back to where it came from")
            holds(not echo or len(probe.hops_of(echo)[1]) <= limits.TRACE_HOPS + 1, "too many hops")
            said.append(echo)
        holds(len(memory) <= limits.PROBES, "a memory beyond its bound")
        holds(all([len(one) <= limits.ANSWER_BYTES for one in said]), "an answer beyond its bound")
    return told(*said)


def fuzz_update_head(data: bytes) -> str:
    try:
        found = package.decode_head(data, MARK)
    except PeerError as error:
        return refusal(error)
    holds(data.startswith(found.encode(MARK)), "the head of an update has two encodings")
    holds(found.count() <= limits.UPDATE_PIECES, "a head with too many pieces")
    return told(found.number, found.leaf, found.flags, found.target, found.ids)


def fuzz_manifest(data: bytes) -> str:
    try:
        found = package.decode_manifest(data, SIGNER)
    except PeerError as error:
        return refusal(error)
    holds(found.encode() == data, "a manifest has two encodings")
    for path, _, _ in found.files:
        holds(path[0] not in "./" and ".." not in path, "a path out of its folder")
    whole = found.start + sum([size for _, size, _ in found.files])
    holds(whole <= limits.UPDATE_PIECES * package.PIECE_BYTES, "an update beyond its bound")
    return told(found.number, found.flags, found.target, *[path for path, _, _ in found.files])


def fuzz_update(data: bytes) -> str:
    """A key, and what is signed under it or not."""
    ids = b"".join([number.to_bytes(8, "big") for number in range(4)])
    cut = package.pieces_of(data[lms.KEY_BYTES :])
    get = {number.to_bytes(8, "big"): piece for number, piece in enumerate(cut)}.get
    try:
        leaf, manifest = package.open_manifest(data[: lms.KEY_BYTES], package.Pieces(ids, get))
    except PeerError as error:
        return refusal(error)
    return told(leaf, manifest)


def fuzz_update_state(data: bytes) -> str:
    try:
        numbers, board, key = slot_state.decode_state(data)
    except PeerError as error:
        return refusal(error)
    holds(slot_state.encode_state(numbers, board, key) == data, "the state of an update has two encodings")
    return told(board, key, *numbers)


def fuzz_slots(data: bytes) -> str:
    half = len(data) // 2
    found = [data[:half], data[half:], slots.seal(3, data)]
    at = slots.newest(found)
    holds(slots.generation(found[2]) == 3 and slots.content(found[2]) == data, "a slot is not what it holds")
    holds(at >= 0 and slots.generation(found[at]) >= 3, "an older slot holds")
    return told(at, slots.generation(found[0]), slots.generation(found[1]))


def fuzz_ids(data: bytes) -> str:
    try:
        ids = split_ids(data)
    except PeerError as error:
        return refusal(error)
    holds(b"".join(ids) == data, "a list of ids has two encodings")
    return told(*ids)


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


def fuzz_frames(data: bytes) -> str:
    """The first byte says where the line is cut; however it is, the frames are the same."""
    line = data[1:]
    cut = data[0] if data else 0
    whole = frame.Deframer()
    found = whole.receive(line)
    for step in (1, cut + 1) if len(line) <= _BYTE_BY_BYTE else (cut + 1,):
        parts = frame.Deframer()
        other = []
        for at in range(0, len(line), step):
            other.extend(parts.receive(line[at : at + step]))
            holds(len(parts.pending()) <= frame._ENCODED_BYTES, "a frame's buffer passes its bound")
        holds(other == found, "frames depend on how the line is cut")
        holds(parts.noise == whole.noise, "noise depends on how the line is cut")
        holds(parts.pending() == whole.pending(), "what is pending depends on how the line is cut")
    for payload in found:
        holds(len(payload) <= limits.FRAME_BYTES, "a frame above the limit")
        holds(frame.encode(payload)[1:-1] in line, "a frame has two encodings")
    holds(whole.receive(b"\0" + frame.encode(b"after"))[-1:] == [b"after"], "no frame after noise")
    return told(whole.noise, *found)


def fuzz_packets(data: bytes) -> str:
    back = Reassembler()
    result = Told()
    for what, packet in pieces(data):
        for _ in range(1 + what):
            found = back.receive(packet)
            if found is not None:
                holds(len(found) <= limits.FRAME_BYTES, "a frame above the limit")
                result.add(found)
        holds(sum([len(part) for part in back._parts]) <= limits.FRAME_BYTES, "parts pass their bound")
        holds(len(back._parts) <= limits.FRAME_BYTES, "parts pass their bound")
    result.add(back.lost)
    holds(back.receive(b"\xc5after") == b"after", "no frame after noise")
    return result.digest()


# Engines


def _hidden_equal(a: bytes, b: bytes) -> bool:
    """As ``mac.equal``; but who watches comparisons, as atheris does, does not learn the right bytes from it.

    With the real one it forges a proof within minutes, for it sees both sides of the comparison.
    """
    return sha256(b"hidden" + bytes(a)) == sha256(b"hidden" + bytes(b))


session.equal = _hidden_equal


def _sessions(role: int, data: bytes = b"") -> "tuple[Session, Session]":
    """(the one under test, the other side) before the handshake.

    Nonces depend on the input, so that frames of another run, which are among the seeds, are worth nothing.
    """
    a = Session(INITIATOR, {MESH: KEY}, b"seed of a" + sha256(data), 0)
    b = Session(RESPONDER, {MESH: KEY}, b"seed of b" + sha256(data), 0)
    return (a, b) if role == INITIATOR else (b, a)


def _carry(giver: Session, taker: Session, now: int) -> list[bytes]:
    """Everything one way; the frames."""
    frames = giver.outgoing()
    for item in frames:
        try:
            taker.receive(item, now)
        except PeerError:
            pass
    return frames


def _flipped(data: bytes, where: bytes) -> bytes:
    """``data`` with one bit turned."""
    at = int.from_bytes(where[:3], "big") % (8 * len(data))
    return data[: at >> 3] + bytes((data[at >> 3] ^ 1 << (at & 7),)) + data[(at >> 3) + 1 :]


def _session(data: bytes, role: int, after: bool) -> str:
    ours, other = _sessions(role, data)
    if after:
        for _ in range(2):
            _carry(ours, other, 0)
            _carry(other, ours, 0)
        holds(ours.established and other.established, "no handshake")
    result = Told()
    now = 0
    honest = False  # whether frames of the other side's own making arrived
    last = b""
    for what, part in pieces(data):
        what &= 7
        got = []
        if what == 2 and other.established:
            other.send(part[:PLAINTEXT_BYTES])
            got = other.outgoing()[-1:]
        elif what == 3 and other.established:
            other.send(part[:PLAINTEXT_BYTES])
            got = [_flipped(other.outgoing()[-1], part)]
        elif what == 4:
            now += int.from_bytes(part[:2], "big")
            ours.tick(now)
        elif what == 5:
            honest = True
            for item in _carry(ours, other, now):
                result.add(item)
            got = other.outgoing()
        elif what == 6:
            got = [last]
        elif what == 7 and ours.established:
            ours.send(part[:PLAINTEXT_BYTES])
        else:
            got = [part]
        for item in got:
            last = item
            before = ours.generation
            try:
                for message in ours.receive(item, now):
                    result.add("message", message)
                    holds(len(message) <= PLAINTEXT_BYTES, "a message above the limit")
            except PeerError as error:
                result.add(refusal(error))
                holds(ours.generation == before, "a refused frame changed the keys")
        for item in ours._out:
            holds(len(item) <= limits.FRAME_BYTES, "a frame above the limit")
        holds(len(ours._out) <= 3 * STEPS, "answers pass their bound")
        result.add(ours.closed, ours.reason, ours.generation, ours.gaps, ours.deadline())
    result.add(*ours.outgoing())
    if not honest:
        holds(ours.generation == int(after), "keys came of forged bytes")
        if after and not ours.closed and other.established:
            other.send(b"after")
            holds(ours.receive(other.outgoing()[-1], now) == [b"after"], "forged bytes broke a session")
        holds(not (after and ours.closed), "forged bytes ended a session")
    return result.digest()


def fuzz_session_initiator(data: bytes) -> str:
    return _session(data, INITIATOR, False)


def fuzz_session_responder(data: bytes) -> str:
    return _session(data, RESPONDER, False)


def fuzz_session_initiator_up(data: bytes) -> str:
    return _session(data, INITIATOR, True)


def fuzz_session_responder_up(data: bytes) -> str:
    return _session(data, RESPONDER, True)


def _peer_bounds(peer: Peer, kept: Shelf) -> None:
    holds(
        len(peer._ask) + len(peer._wanted) <= limits.ASK_IDS * limits.ID_BYTES, "wanted ids pass their bound"
    )
    holds(len(peer._in_flight) <= limits.IN_FLIGHT * limits.ID_BYTES, "envelopes in flight pass their bound")
    holds(len(peer._parts) <= limits.ENVELOPE_BYTES + 8, "parts of an envelope pass their bound")
    holds(len(peer._queue) <= limits.QUEUE_IDS * limits.ID_BYTES, "the queue passes its bound")
    holds(kept.count() <= kept.max_count and kept.held_bytes() <= _SHELF_BYTES, "the shelf passes its bounds")
    holds(len(kept._tombstones) <= 4, "tombstones pass their bound")


def fuzz_peer(data: bytes) -> str:
    """A hostile member's messages; FE comes first where its share is counted, FD where it gives us a sketch,
    FC where we give it ours."""
    sketches = data[:1] in (b"\xfc", b"\xfd")
    kept = _sketched() if sketches else shelf(3)
    if data[:1] == b"\xfe":
        kept.admission = Admission(_SHELF_BYTES // 8)
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
        _peer_bounds(peer, kept)
        result.add(peer.settled, peer.deadline())
    result.add(*kept.ids())
    return result.digest()


def _link(data: bytes, packets: bool) -> str:
    head = data[0] if data else 0
    role, after = head & 1, head & 2
    ours, other = _sessions(role)
    kept = shelf(3)
    link = Link(Packets(MTU) if packets else Stream(), ours, kept, 0)
    theirs = Packets(MTU) if packets else Stream()
    result = Told()

    def carry(now: int) -> None:
        for item in link.outgoing(now):
            for found in theirs.receive(item):
                try:
                    result.add(*other.receive(found, now))
                except PeerError:
                    pass

    def give(item: bytes, now: int) -> None:
        for name, value in link.receive(item, now):
            result.add(name, value)

    if after:
        for _ in range(2):
            carry(0)
            for found in other.outgoing():
                for item in theirs.send(found):
                    give(item, 0)
        holds(link.established, "no handshake")
    now = 0
    honest = False  # whether frames of the other side's own making arrived
    for what, part in pieces(data[1:]):
        frames = []
        honest = honest or what & 7 == 5
        if what & 7 == 1:
            frames = [part[: limits.FRAME_BYTES]]
        elif what & 7 in (2, 3) and other.established:
            other.send(part[:PLAINTEXT_BYTES])
            frames = other.outgoing()[-1:]
        elif what & 7 == 4:
            now += int.from_bytes(part[:2], "big")
            for name, value in link.tick(now):
                result.add(name, value)
        elif what & 7 == 5:
            carry(now)
            frames = other.outgoing()
        elif what & 7 == 6:
            link.push(now)
        else:
            give(part, now)
        for found in frames:
            for item in theirs.send(found):
                give(item, now)
        if what & 8:
            for item in link.outgoing(now):
                holds(not packets or len(item) <= MTU, "a packet above the limit")
                result.add(item)
        if link.peer is not None:
            _peer_bounds(link.peer, kept)
        result.add(link.closed, link.reason, link.settled, link.bad, link.framing.noise, link.deadline())
    if not after and not honest:
        holds(not link.established, "a link without a handshake")
    return result.digest()


def fuzz_link_stream(data: bytes) -> str:
    return _link(data, False)


def fuzz_link_packets(data: bytes) -> str:
    return _link(data, True)


TARGETS = {
    "cbor": fuzz_cbor,
    "envelope": fuzz_envelope,
    "beacon": fuzz_beacon,
    "sealed": fuzz_sealed,
    "status": fuzz_status,
    "clock": fuzz_clock,
    "log": fuzz_log,
    "nodes": fuzz_nodes,
    "counts": fuzz_counts,
    "probe": fuzz_probe,
    "pairings": fuzz_pairings,
    "hello": fuzz_hello,
    "update_head": fuzz_update_head,
    "manifest": fuzz_manifest,
    "update": fuzz_update,
    "update_state": fuzz_update_state,
    "slots": fuzz_slots,
    "ids": fuzz_ids,
    "offers": fuzz_offers,
    "frames": fuzz_frames,
    "packets": fuzz_packets,
    "session_initiator": fuzz_session_initiator,
    "session_responder": fuzz_session_responder,
    "session_initiator_up": fuzz_session_initiator_up,
    "session_responder_up": fuzz_session_responder_up,
    "peer": fuzz_peer,
    "link_stream": fuzz_link_stream,
    "link_packets": fuzz_link_packets,
}


# Seeds: valid messages, and steps that lead an engine through its states.


def _cbor_seeds() -> list[bytes]:
    values = [
        None,
        True,
        -1,
        1 << 40,
        -(1 << 63),
        b"x" * 300,
        "grüße, 你好, 😀",
        [1, [2, [b"", ""]]],
        {1: "a", "k": [True, None], b"b": {2: 3}},
        {"name": "board", "mesh_key": KEY, "pairing_key": KEY},
    ]
    found = [cbor.encode(value) for value in values]
    # To be refused: overlong and surrogate text, long forms, keys that are one to Python, floats, tags.
    for text in ("62c080", "63eda080", "64f4908080", "1817", "a2f50001f4", "f93c00", "c100", "9fff", "ff"):
        found.append(unhex(text))
    return found


def unhex(text: str) -> bytes:
    """Bytes of hexadecimal digits (MicroPython 1.24 has no ``bytes.fromhex`` everywhere)."""
    return bytes([int(text[at : at + 2], 16) for at in range(0, len(text), 2)])


def _manifest_seeds() -> list[bytes]:
    files = [("hedgerow_board/app.mpy", 38_848, b"h" * 32), ("number", 4, b"n" * 32)]
    whole = package.Manifest(70_000, 1, package.EVERYBODY, files).encode()
    found = [whole, whole[:-1], whole + b"\0", package.Manifest(1, 0, b"board id", files * 2).encode()]
    for path in ("../x", "a/b/c", "/x", "a/", "X"):
        found.append(package.Manifest(1, 0, b"board id", [(path, 1, b"h" * 32)]).encode())
    for rest in (
        [1, 2, 3, b"board id", []],
        [2, 2, 3, b"board id", [["a", 1, b"h" * 32]]],
        [1, True, 0, b"", 5],
    ):
        found.append(cbor.encode(rest))
    return found


def _puts(one: envelope.Envelope) -> list[bytes]:
    data = one.encode()
    parts = [data[at : at + limits.SERVICE_BYTES] for at in range(0, len(data), limits.SERVICE_BYTES)]
    last = len(parts) - 1
    return [bytes((3, index | (0x80 if index == last else 0))) + part for index, part in enumerate(parts)]


def _messages() -> list[bytes]:
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


def _engine_seeds() -> list[bytes]:
    # Of another pair than the one under test: what is recorded elsewhere must not open a link.
    first = Session(INITIATOR, {MESH: KEY}, b"seed of c", 0)
    second = Session(RESPONDER, {MESH: KEY}, b"seed of d", 0)
    hello = first.outgoing()[0]
    second.receive(hello, 0)
    reply = second.outgoing()[0]
    return [
        piece(0, hello) + piece(0, reply) + piece(0, b"\3" + bytes(16)),
        piece(5, b"") * 3 + piece(2, b"hello") + piece(3, b"\0\1\2hello") + piece(6, b""),
        piece(2, b"\1\1") + piece(7, b"hello") + piece(4, b"\x10\0") + piece(2, b"x" * 400),
        piece(1, b"\5\3") + piece(0, b"\5\1") + piece(4, b"\4\0") + piece(5, b"") * 3 + piece(2, b"x"),
        piece(1, b"\1\2\1" + bytes(16)) + piece(1, b"\1\1\2" + bytes(16)) + piece(4, b"\x0c\0"),
    ]


def seeds(name: str) -> list[bytes]:
    """Inputs to begin with."""
    line = frame.encode(b"hello") + b"noise" + frame.encode(bytes(300)) + frame.encode(b"\1" * 260)
    if name == "cbor":
        return _cbor_seeds()
    if name == "envelope":
        ours = [letter(1), letter(2, 0), letter(3, 900, 1), letter(4, 30, 2)]
        data = [one.encode() for one in ours] + [one.carried(20, 5_000).encode() for one in ours]
        return data + [data[0][:-1], data[0] + b"\0", b"\x10" + data[0][1:], b"\x0b" + data[0][1:]]
    if name == "beacon":
        advert = beacon.encode(KEY, ADDRESS, b"beacon", 300, b"sums", 7)
        hosts = beacon.encode(KEY, ADDRESS, b"beacon", 300, b"sums", 7, False)
        return [
            b"\0" + advert,
            b"\0" + hosts,
            b"\0" + advert[:-1],
            b"\0" + advert + b"\0",
            b"\1" + advert[7:21],
            b"\1\2",
        ]
    if name == "log":
        kept = journal.added(journal.added(b"", 1, 2, b"one"), 3, 4, b"two")
        whole = encode_log(0, 9, 3, 2, [1] * 6, kept)
        return [whole, whole[:-1], whole + b"\0", whole[:19], encode_log(1, 9, 3, 2, [1] * 6, kept)]
    if name == "nodes":
        row = bytes(range(survey.NODE_BYTES))
        return [b"\x53\0\1", b"\x53\0\1" + row * 15, b"\x53\1\2" + row, b"\x53\0\1" + row[:-1], b"\x53\0\0"]
    if name == "counts":
        whole = survey.encode_counts(3, [1, 2, 3, 4, 5, 6], 101, list(range(counts.COUNTERS)))
        return [whole, whole[:-1], whole + b"\0", whole[:1] + b"\6" + whole[2:]]
    if name == "probe":
        ask = probe.question(b"12345678", "school")
        echo = bytes((service.ECHO,)) + b"12345678" + b"\0\5\6school"
        one = bytes((service.PROBE,)) + ask[1:]
        return [
            piece(0, ask) + piece(5, echo),
            piece(0, one) + piece(1, one) + piece(0, echo) + piece(1, echo) + piece(1, echo),
            piece(0, probe.question(b"12345678", "mill")) + piece(0, one[:-1]) + piece(2, echo[:-1]),
            piece(0, one) + piece(9, echo[:9] + b"\0\1\0" * 8) + piece(9, echo[:9] + b"\0\1\0" * 9),
        ]
    if name == "update_head":
        ids = bytes(range(8)) * 5
        whole = package.Head(70_000, 3, 1, b"board id", ids).encode(MARK)
        return [whole, whole + bytes(9), whole[:-1], whole[:34] + b"\0", b"?" + whole[1:]]
    if name == "manifest":
        return _manifest_seeds()
    if name == "update":
        return [
            SIGNER,
            SIGNER + bytes(2_508) + b"\0\1\x80",
            SIGNER + bytes(3_000),
            b"\0\0\0\5\0\0\0\4" + bytes(1_350),
        ]
    if name == "update_state":
        whole = slot_state.encode_state([70_000, 1, 1, 3, 70_001, 4, 49, 2, 69_999], b"board id", b"key's id")
        return [whole, whole[:-1], whole + b"\0", whole[:5] + b"\3" + whole[6:]]
    if name == "pairings":
        kept = [(manage.OWNER, 0, KEY, ""), (manage.GUEST, 900, b"g" * 32, "Bob"), (2, 5, KEY, "\u00fc" * 8)]
        whole = b"".join([manage.encode_record(*record) for record in kept])
        listed = manage.encode_pairings(kept)
        welcome = manage.encode_welcome("mill", b"f" * 16, b"c" * 32)
        return [
            whole,
            whole[:-1],
            whole[:38] * 7,
            listed,
            listed[:-1],
            listed[:10] * 8,
            welcome,
            welcome[:47],
        ]
    if name == "hello":
        hellos = []
        for kind, key in ((MESH, KEY), (PAIR, b"p" * 32), (PAIR, b"q" * 32), (PAIR, KEY)):
            hellos += Session(INITIATOR, {kind: key}, b"seed of a", 0).outgoing()
        hellos += [hellos[1][:19], hellos[0] + bytes(8), b"\1\2" + hellos[1][2:], hellos[1][:2]]
        return hellos
    if name == "slots":
        return [slots.seal(1, b"12345678") + slots.seal(9, b"abcdefgh"), b"", bytes(30), slots.seal(5, b"")]
    if name == "sealed":
        made = sealed.seal(KEY, sealed.DOWN, 0, 1_000, b"\x02" + bytes(range(40)), b"saltsalt").body
        return [b"\0\0" + made, b"\1\0" + made[:-16], b"\1\0" + bytes(61), b"\0\0", b"\1\0" + bytes(12)]
    if name == "status":
        return [b"\x41" + bytes(21) + text for text in (b"board", b"", "grün".encode(), b"\xff", b"\xc0\x80")]
    if name == "clock":
        return [encode_clock(1 << 20, True), encode_clock(limits.M_MINUTES, False), bytes(4), b"\x7f" * 5]
    if name == "ids":
        return [b"", bytes(8), bytes(range(64)), bytes(448), bytes(520), bytes(7)]
    if name == "offers":
        return [
            piece(0, b"\0" + bytes(64)) + piece(0, b"\1"),
            piece(100, b"\0" + bytes(448)),
            piece(0, b"\2"),
        ]
    if name == "frames":
        return [b"\x10" + line, b"\0" + line[3:], b"\x50" + bytes(600), b"\x07" + b"x" * 1200, b"\2\0\1\0\0"]
    if name == "packets":
        return [
            piece(0, b"\xc0hello") + piece(0, b"\x81he") + piece(0, b"\2l") + piece(0, b"\x43lo"),
            piece(0, b"\x80") + piece(90, b"\1"),
            piece(0, b"\x80" + bytes(400)) + piece(0, b"\1" + bytes(400)),
            piece(0, b"") + piece(0, b"\x41") + piece(0, b"\xff") + piece(0, b"\0"),
        ]
    if name == "peer":
        found = [piece(4, message) for message in _messages()]
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
    if name in ("link_stream", "link_packets"):
        found = []
        messages = b"".join([piece(10, message) for message in _messages()])
        for head in (b"\0", b"\1", b"\2", b"\3"):
            found += [head + seed for seed in _engine_seeds()]
            found.append(head + messages)
            found.append(head + piece(8, line) + piece(5, b"") * 4 + messages + piece(12, b"\x20\0") * 6)
        return found
    return _engine_seeds()


def outcome(name: str, data: bytes) -> str:
    """What comes of ``data``: a digest, or the name of what went wrong, with its sentence."""
    try:
        return TARGETS[name](data)
    except Broken as error:
        return "Broken: " + str(error)
    except LimitError:
        return "Broken: LimitError"
    except Exception as error:
        return "Broken: " + type(error).__name__
