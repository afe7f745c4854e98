"""A whole link, over a stream and over packets."""

# MicroPython has no contextlib.
# ruff: noqa: SIM105

from fuzz.core.exchange import messages, peer_bounds
from fuzz.core.radio import LINE
from fuzz.core.sessions import session_seeds, sides
from fuzz.core.things import shelf
from fuzz.promise import Told, holds, piece, pieces
from hedgerow_core import limits
from hedgerow_core.errors import PeerError
from hedgerow_core.link import Link, Packets, Stream
from hedgerow_core.session import PLAINTEXT_BYTES

MTU = 100


def _link(data: bytes, packets: bool) -> str:
    head = data[0] if data else 0
    role, after = head & 1, head & 2
    ours, other = sides(role)
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
            peer_bounds(link.peer, kept)
        result.add(link.closed, link.reason, link.settled, link.bad, link.framing.noise, link.deadline())
    if not after and not honest:
        holds(not link.established, "a link without a handshake")
    return result.digest()


def fuzz_link_stream(data: bytes) -> str:
    return _link(data, False)


def fuzz_link_packets(data: bytes) -> str:
    return _link(data, True)


def link_seeds() -> list[bytes]:
    found = []
    exchanged = b"".join([piece(10, message) for message in messages()])
    for head in (b"\0", b"\1", b"\2", b"\3"):
        found += [head + seed for seed in session_seeds()]
        found.append(head + exchanged)
        found.append(head + piece(8, LINE) + piece(5, b"") * 4 + exchanged + piece(12, b"\x20\0") * 6)
    return found


TARGETS = {
    "link_stream": (fuzz_link_stream, link_seeds),
    "link_packets": (fuzz_link_packets, link_seeds),
}
