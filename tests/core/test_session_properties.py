"""A board and several hosts on one line, with everything between them that can go wrong."""

from hypothesis import given
from hypothesis import strategies as st

from hedgerow_core.errors import PeerError
from hedgerow_core.session import INITIATOR, MESH, PAIR, RESPONDER, Session

KEYS = [bytes([number + 1]) * 32 for number in range(4)]
REFUSALS = 3  # after so many false answers a host says that its key is wrong

steps = st.lists(
    st.tuples(
        st.sampled_from(("call", "carry", "carry", "back", "back", "lose", "forge", "replay", "add", "take")),
        st.integers(0, len(KEYS) - 1),
        st.integers(0, 1 << 16),
    ),
    min_size=10,
    max_size=60,
)


class Line:
    def __init__(self):
        self.keys = [KEYS[0]]  # that the board takes
        self.board = Session(RESPONDER, {MESH: b"m" * 32, PAIR: self.keys}, b"board", 0)
        self.hosts = {}  # by their key
        self.sent = []  # whatever was on the line towards the board
        self.serial = 0

    def call(self, key):
        """The host begins anew, as after a restart."""
        self.serial += 1
        self.hosts[key] = Session(INITIATOR, {PAIR: key}, self.serial.to_bytes(4, "big"), 0)

    def to_board(self, frame):
        before = (self.board.generation, self.board.pairing)
        try:
            assert self.board.receive(frame, 0) == []
        except PeerError:
            assert (self.board.generation, self.board.pairing) == before
        if self.board.generation != before[0]:
            host = self.hosts.get(self.board.pairing)
            assert host is not None and host.established, "somebody was taken for a host who had not called"

    def carry(self, key):
        if key in self.hosts:
            for frame in self.hosts[key].outgoing():
                self.sent.append(frame)
                self.to_board(frame)

    def back(self, key):
        """All hosts are on one line: what the board says goes to whoever is there now."""
        if key in self.hosts:
            for frame in self.board.outgoing():
                try:
                    assert self.hosts[key].receive(frame, 0) == []
                except PeerError:
                    pass


@given(steps)
def test_a_session_is_always_with_the_host_whose_key_it_names(steps):
    line = Line()
    for what, who, number in steps:
        key = KEYS[who]
        if what == "call":
            line.call(key)
        elif what == "carry":
            line.carry(key)
        elif what == "back":
            line.back(key)
        elif what == "lose" and key in line.hosts:
            line.hosts[key].outgoing()
        elif what == "forge" and line.sent:
            frame = bytearray(line.sent[number % len(line.sent)])
            frame[number % len(frame)] ^= 1 + number % 255
            line.to_board(bytes(frame))
        elif what == "replay" and line.sent:
            line.to_board(line.sent[number % len(line.sent)])
        elif what == "add" and key not in line.keys:
            line.keys.append(key)
        elif what == "take" and key in line.keys:
            line.keys.remove(key)
        if line.board.established:
            assert line.board.pairing in KEYS and line.board.kind == PAIR
    # Whatever was: who is among the pairings comes in, and nobody else does.
    for key in KEYS:
        line.board.outgoing()  # a port that is opened anew starts empty
        line.call(key)
        line.carry(key)
        for _ in range(REFUSALS):
            line.back(key)
            line.carry(key)
        host = line.hosts[key]
        if key in line.keys:
            assert host.established and line.board.pairing == key
            line.board.send(b"for you")
            assert host.receive(line.board.outgoing()[-1], 0) == [b"for you"]
        else:
            assert host.closed and host.reason == "wrong key"
