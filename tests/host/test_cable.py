"""The host's end of a cable: a board that erases a block of flash must not miss what we say meanwhile."""

from hypothesis import example, given
from hypothesis import strategies as st

from hedgerow.links.cable import CableLink
from hedgerow_core.clock import Clock
from hedgerow_core.frame import Deframer
from hedgerow_core.link import Link, Stream
from hedgerow_core.session import INITIATOR, PAIR, RESPONDER, Session
from hedgerow_core.shelf import Shelf
from hedgerow_core.store import MemoryStore

KEY = b"k" * 32
UART_BYTES = 260  # that UART0 keeps
DEAF_MS = 50  # while a block is erased
LARGEST = 242  # a frame on the line


def ends():
    def shelf():
        return Shelf(MemoryStore(), Clock(30_000_000), 0, 100, 100_000)

    host = CableLink(Stream(), Session(INITIATOR, {PAIR: KEY}, b"a" * 32, 0), shelf(), 0, ask_ms=4_000)
    board = Link(Stream(), Session(RESPONDER, {PAIR: KEY}, b"b" * 32, 0), shelf(), 0)
    return host, board


def linked():
    host, board = ends()
    now = 0
    while not (host.established and board.established):
        now += 200
        for data in host.outgoing(now):
            board.receive(data, now)
        for data in board.outgoing(now):
            host.receive(data, now)
        assert now < 5_000
    return host, now


@example([(61, 3), (49, 200)])  # the end of one burst and the beginning of the next
@given(st.lists(st.tuples(st.integers(0, 400), st.integers(1, 200)), max_size=40))
def test_a_board_that_is_deaf_for_a_moment_keeps_all_that_comes_in_it(steps):
    host, now = linked()
    start = now
    said = 0
    written = []
    for wait, size in steps:
        now += wait
        host.service(bytes((0x7F,)) + bytes(size))
        said += 1
        written += [(now, data) for data in host.outgoing(now)]
    while (due := host.deadline()) is not None and due < start + 60_000 and len(written) < said:
        now = max(now, due)
        host.tick(now)
        written += [(now, data) for data in host.outgoing(now)]
    assert len(written) >= said  # all of it came out, and maybe a question about the status
    for at, (begin, _) in enumerate(written):
        moment = [data for when, data in written[at:] if when - begin < DEAF_MS]
        assert sum(map(len, moment)) <= UART_BYTES


def test_what_is_said_stays_in_order_and_whole():
    host, now = linked()
    for number in range(20):
        host.service(bytes((0x7F, number)) + bytes(150))
    reader = Deframer()
    frames = []
    for later in range(0, 20_000, 10):
        for data in host.outgoing(now + later):
            assert len(data) <= LARGEST
            frames += reader.receive(data)
    assert len(frames) >= 20 and reader.noise == 0
