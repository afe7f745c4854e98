"""What the tests of core share; runs on both interpreters."""

import json

from hedgerow_core import limits
from hedgerow_core.clock import Clock
from hedgerow_core.envelope import NORMAL, TTL_DEFAULT, Envelope, make
from hedgerow_core.errors import PeerError
from hedgerow_core.link import Link, Stream
from hedgerow_core.session import INITIATOR, MESH, RESPONDER, Session
from hedgerow_core.shelf import Shelf
from hedgerow_core.store import MemoryStore

KEY = b"k" * 32


def vectors(name: str) -> dict:
    """The vectors of one file in tests/vectors (the tests run from the top of the repository)."""
    with open("tests/vectors/" + name + ".json") as file:
        return json.load(file)


def unhex(text: str) -> bytes:
    return bytes(int(text[i : i + 2], 16) for i in range(0, len(text), 2))


def refuses(call, *arguments) -> bool:
    """Whether ``call`` ends in a PeerError."""
    try:
        call(*arguments)
    except PeerError:
        return True
    return False


def letter(number: int, size: int = 77, priority: int = NORMAL, ttl: int = TTL_DEFAULT) -> Envelope:
    """An envelope that differs by ``number``."""
    return make(priority, ttl, number.to_bytes(limits.LOCK_BYTES, "big"), bytes(size))


def shelf(count: int = 0, start: int = 0, **bounds) -> Shelf:
    """A shelf in memory with ``count`` letters on it."""
    result = Shelf(MemoryStore(), Clock(0), 0, **bounds)
    for number in range(start, start + count):
        result.put(letter(number), 0)
    return result


def sessions(key_a: bytes = KEY, key_b: bytes = KEY) -> "tuple[Session, Session]":
    """An initiator and a responder of a mesh link, before the handshake."""
    return Session(INITIATOR, {MESH: key_a}, b"seed of a", 0), Session(
        RESPONDER, {MESH: key_b}, b"seed of b", 0
    )


def links(shelf_a: Shelf, shelf_b: Shelf, framing=Stream) -> "tuple[Link, Link]":
    """Two ends of one link, before the handshake."""
    a, b = sessions()
    return Link(framing(), a, shelf_a, 0), Link(framing(), b, shelf_b, 0)


def run(a: Link, b: Link, now: int = 0, rounds: int = 400, line=None) -> int:
    """Carry bytes between two links until both are settled; the time then, in ms.

    ``line(data)`` stands for the line: it gives back what arrives.
    """
    for _ in range(rounds):
        quiet = True
        for giver, taker in ((a, b), (b, a)):
            for data in giver.outgoing(now):
                quiet = False
                if line is not None:
                    data = line(data)
                if data:
                    taker.receive(data, now)
        if quiet:
            if a.settled and b.settled:
                break
            now += 500
            a.tick(now)
            b.tick(now)
        now += 10
    return now
