"""Whom to meet keeps a mesh in one piece: thirty real carriers on a simple air (hypothesis; CPython only)."""

import random
from itertools import combinations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from hedgerow_core import limits
from hedgerow_core.beacon import Beacon
from hedgerow_core.carrier import Carrier

BOARDS = 30
STEP_MS = 500
LOOK_MS = 2_000  # how often a board looks whom to call, besides after each beacon
MINUTES = 10
SCAN_DUTY = 0.5

seeds = st.integers(0, 1 << 32)
pairs = list(combinations(range(BOARDS), 2))


def graph(dice, extra):
    """A connected graph: a random tree and some edges more. Who hears whom, both ways."""
    order = dice.sample(range(BOARDS), BOARDS)
    edges = {tuple(sorted((order[at], order[dice.randrange(at)]))) for at in range(1, BOARDS)}
    edges |= set(dice.sample(pairs, extra))
    near = {board: set() for board in range(BOARDS)}
    for a, b in edges:
        near[a].add(b)
        near[b].add(a)
    return near


def pieces(links):
    """How many pieces the boards fall into when only these ``links`` are used."""
    left = set(range(BOARDS))
    count = 0
    while left:
        count += 1
        reached = {left.pop()}
        while reached:
            board = reached.pop()
            found = {b for pair in links if board in pair for b in pair} & left
            left -= found
            reached |= found
    return count


class Board:
    def __init__(self, number, dice, standing):
        self.number = number
        self.known = set()
        self.links = {}  # handle -> (the other board, its handle)
        self.handles = 0
        self.beacon_at = dice.randrange(8_000)
        self.look_at = 0
        self.rotate_at = dice.randrange(15 * 60_000)
        self.host = 0
        self.carrier = Carrier(dice.randbytes(6), 0, standing)
        self.address = dice.randbytes(7)

    @property
    def summary(self):
        found = 0
        for item in self.known:
            found ^= item
        return found.to_bytes(4, "big")

    @property
    def room(self):
        return len(self.links) + self.host < limits.LINKS


class Street:
    """Boards that beacon, call, exchange all they know over open links, and hang up. Without ``rotate`` they
    take what they hear first and keep it."""

    def __init__(self, dice, near, hosts=0, rotate=True):
        self.dice = dice
        self.near = near
        self.rotate = rotate
        standing = limits.STANDING_LINKS if rotate else limits.LINKS
        self.boards = [Board(number, dice, standing) for number in range(BOARDS)]
        for board in dice.sample(self.boards, hosts):
            board.host = 1
        self.met = set()
        self.calls = 0
        self.now = 0

    def write(self, board):
        board.known.add(self.dice.getrandbits(32))
        board.carrier.changed(self.now)
        board.beacon_at = min(board.beacon_at, self.now)

    def end(self, board, handle):
        other, its = board.links.pop(handle)
        other.links.pop(its)
        for one, which in ((board, handle), (other, its)):
            one.carrier.ended(which, self.now, True)

    def beacon(self, board):
        said = board.summary
        mac = said + board.address[:4]
        told = Beacon(board.carrier.beacon_id, len(board.known), said, 0, mac)
        for number in self.near[board.number]:
            other = self.boards[number]
            if self.dice.random() < SCAN_DUTY:
                if not other.carrier.again(mac, board.address, -60, self.now, board.room):
                    other.carrier.heard(told, board.address, -60, self.now, board.room)
                other.look_at = self.now
        board.beacon_at = self.now + board.carrier.beacon_interval_ms(self.now)

    def call(self, board, address):
        self.calls += 1
        for number in self.near[board.number]:
            other = self.boards[number]
            if other.address == address and other.room:
                ends = []
                for one, whom in ((board, other), (other, board)):
                    one.handles += 1
                    ends.append((one, one.handles))
                    one.carrier.opened(one.handles, whom.address, self.now)
                board.links[ends[0][1]] = ends[1]
                other.links[ends[1][1]] = ends[0]
                self.met.add(tuple(sorted((board.number, number))))
                self.name(board)
                self.name(other)
                return
        board.carrier.met(address, self.now, False)

    def name(self, board):
        """Tell all others with a link who we are."""
        for other, its in list(board.links.values()):
            if its in other.links:
                double = other.carrier.named(its, board.carrier.beacon_id, board.address)
                if double >= 0:
                    self.end(other, double)

    def step(self):
        self.now += STEP_MS
        now = self.now
        for board in self.dice.sample(self.boards, BOARDS):
            for handle, (other, its) in list(board.links.items()):
                if board.known != other.known:
                    board.known |= other.known
                    other.known |= board.known
                    for one, which in ((board, handle), (other, its)):
                        one.carrier.changed(now)
                        one.carrier.moved(which, now)
                        one.beacon_at = min(one.beacon_at, now)
                elif not board.carrier.stays(handle):
                    self.end(board, handle)
            if now >= board.rotate_at:
                board.rotate_at = now + 15 * 60_000
                board.address = self.dice.randbytes(7)
                board.carrier.rotate(self.dice.randbytes(6))
                self.name(board)
            if now >= board.look_at:
                board.look_at = now + LOOK_MS
                summary, count = board.summary, len(board.known)
                address = board.carrier.meeting(summary, count, now, board.room)
                handle = board.carrier.to_end(board.host, now)
                if handle >= 0 and self.rotate:
                    self.end(board, handle)
                if address is not None and board.room:
                    self.call(board, address)
            if now >= board.beacon_at:
                self.beacon(board)

    def run(self, minutes):
        while self.now < minutes * 60_000:
            self.step()

    def everybody_knows_all(self):
        return all(board.known == self.boards[0].known for board in self.boards)


@settings(max_examples=40, deadline=None)
@given(seeds, st.integers(0, 90), st.sampled_from([0, 0, 8, BOARDS]))
@example(1043, 0, BOARDS)
@example(413813, 0, 8)  # two boards without a place waited for each other
def test_every_letter_reaches_every_board_of_every_connected_mesh(seed, extra, hosts):
    dice = random.Random(seed)
    street = Street(dice, graph(dice, extra), hosts)
    for board in street.boards:
        street.write(board)
    street.run(MINUTES / 2)
    for board in dice.sample(street.boards, 5):
        street.write(board)
    street.run(MINUTES)
    assert pieces(street.met) == 1
    # Ten minutes after the last was written; a tree whose boards all have hosts needs half of them.
    street.run(MINUTES * 3 / 2)
    assert len(street.boards[0].known) == BOARDS + 5 and street.everybody_knows_all()


@settings(max_examples=8, deadline=None)
@given(seeds, st.integers(0, 90))
def test_boards_that_know_the_same_stop_calling_each_other(seed, extra):
    dice = random.Random(seed)
    street = Street(dice, graph(dice, extra))
    for board in street.boards:
        street.write(board)
    street.run(MINUTES)
    calls = street.calls
    street.run(MINUTES + 10)
    assert street.everybody_knows_all() and street.calls == calls


def test_without_rotation_most_meshes_would_fall_into_pieces():
    meshes = 40
    broken = 0
    for seed in range(meshes):
        dice = random.Random(seed)
        street = Street(dice, graph(dice, dice.randrange(90)), rotate=False)
        for board in street.boards:
            street.write(board)
        street.run(MINUTES)
        broken += not street.everybody_knows_all()
    assert broken * 2 > meshes
