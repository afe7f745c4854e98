"""The encrypted session, from both sides, before and after its handshake."""

# MicroPython has no contextlib.
# ruff: noqa: SIM105

from fuzz.core.things import KEY
from fuzz.promise import STEPS, Told, holds, piece, pieces, refusal
from hedgerow_core import limits, session
from hedgerow_core.errors import PeerError
from hedgerow_core.mac import sha256
from hedgerow_core.session import INITIATOR, MESH, PLAINTEXT_BYTES, RESPONDER, Session


def _hidden_equal(a: bytes, b: bytes) -> bool:
    """As ``mac.equal``; but who watches comparisons, as atheris does, does not learn the right bytes from it.

    With the real one it forges a proof within minutes, for it sees both sides of the comparison.
    """
    return sha256(b"hidden" + bytes(a)) == sha256(b"hidden" + bytes(b))


session.equal = _hidden_equal


def sides(role: int, data: bytes = b"") -> "tuple[Session, Session]":
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
    ours, other = sides(role, data)
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


def session_seeds() -> list[bytes]:
    """Steps that lead a session through its states."""
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


TARGETS = {
    "session_initiator": (fuzz_session_initiator, session_seeds),
    "session_responder": (fuzz_session_responder, session_seeds),
    "session_initiator_up": (fuzz_session_initiator_up, session_seeds),
    "session_responder_up": (fuzz_session_responder_up, session_seeds),
}
