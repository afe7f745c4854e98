"""Property tests of sealed commands: an admin and a board with everything between them that can go wrong."""

from hypothesis import given, settings
from hypothesis import strategies as st

from hedgerow_core import limits, sealed
from hedgerow_core.errors import PeerError
from support import shelf

KEY = bytes(range(32))

steps = st.lists(
    st.tuples(
        st.sampled_from(
            ("send", "send", "carry", "carry", "work", "cut", "reply", "forget", "restore", "save")
        ),
        st.integers(0, 1 << 16),
    ),
    max_size=60,
)


class Admin:
    """The host's side: ``unused``, ``known`` and ``doubt`` are what it keeps."""

    def __init__(self):
        self.state = (0, 0, 0)
        self.sent = []  # everything that ever went out, for whoever replays it
        self.open = {}  # number -> message
        self.answers = {}
        self.serial = 0

    def send(self):
        unused, known, doubt = self.state
        number = sealed.choose(unused, known, doubt)
        self.serial += 1
        message = self.serial.to_bytes(4, "big")
        salt = self.serial.to_bytes(8, "big")
        self.state = (number + 1, known, doubt)
        self.open[number] = message
        envelope = sealed.seal(KEY, sealed.DOWN, number, 1_000, message, salt)
        self.sent.append(envelope)
        return envelope

    def answered(self, envelope):
        for number in list(self.open):
            if envelope.lock != sealed.lock(KEY, sealed.UP, number):
                continue
            try:
                _, reply = sealed.open_sealed(KEY, sealed.UP, number, envelope)
            except PeerError:
                continue
            message = self.open.pop(number)
            # A reply belongs to the command: after a restore another one may have had this number.
            assert reply[4:] == b"done" and (reply[:4] == message or self.restored)
            unused, known, _ = self.state
            self.state = (unused, max(known, number + 1), 0)
            self.answers[message] = reply

    def give_up(self):
        self.open.clear()
        unused, known, doubt = self.state
        if doubt:
            self.state = (unused, known, min(doubt + limits.CARE_STEP, 28))

    restored = False

    def restore(self, state):
        self.open.clear()
        self.state = (state[0], state[1], 16)
        self.restored = True


class Board:
    """The board's side: ``counter`` is what it keeps when its power goes."""

    def __init__(self):
        self.counter = 0
        self.shelf = shelf(0)
        self.ran = []
        self.replies = []

    def work(self, cut=False):
        while True:
            found = sealed.next_command(self.shelf, KEY, self.counter, 0)
            if found is None:
                return
            number, _, message = found
            assert number >= self.counter
            self.counter = number + 1
            if cut:
                return  # the power went between the two
            self.ran.append((number, message))
            salt = len(self.ran).to_bytes(8, "big")
            self.replies.append(sealed.seal(KEY, sealed.UP, number, 0, message + b"done", salt))
            self.shelf.prove(sealed.token(KEY, sealed.DOWN, number), 0)


def play(story):
    admin, board = Admin(), Board()
    saved = admin.state
    for what, dice in story:
        if what == "send":
            admin.send()
        elif what == "carry" and admin.sent:
            board.shelf.put(admin.sent[dice % len(admin.sent)], 0)
        elif what == "work":
            board.work()
        elif what == "cut":
            board.work(cut=True)
        elif what == "reply" and board.replies:
            admin.answered(board.replies[dice % len(board.replies)])
        elif what == "forget":
            admin.give_up()
        elif what == "restore":
            admin.restore(saved)
        elif what == "save":
            saved = admin.state
    return admin, board


@settings(deadline=None, max_examples=60)
@given(steps)
def test_whatever_is_lost_repeated_or_late_a_command_runs_once_at_most_and_in_order(story):
    _, board = play(story)
    assert [number for number, _ in board.ran] == sorted({number for number, _ in board.ran})
    messages = [message for _, message in board.ran]
    assert len(messages) == len(set(messages))


@settings(deadline=None, max_examples=60)
@given(steps)
def test_after_whatever_happened_a_command_gets_through_once_nothing_is_lost_any_more(story):
    admin, board = play([step for step in story if step[0] != "restore"])
    board.work()
    board.shelf.put(admin.send(), 0)
    before = len(board.ran)
    board.work()
    assert len(board.ran) == before + 1
    admin.answered(board.replies[-1])
    assert not admin.open or min(admin.open) < admin.state[1]


@settings(deadline=None, max_examples=60)
@given(steps, st.integers(1, 4))
def test_a_home_that_was_restored_however_often_gets_through_again(story, times):
    admin, board = play(story)
    first = (0, 0, 0)
    for _ in range(times):
        admin.restore(first)
        tries = 0
        before = len(board.ran)
        while len(board.ran) == before:
            tries += 1
            assert tries <= 11
            board.shelf.put(admin.send(), 0)
            board.work()
            if len(board.ran) == before:
                admin.give_up()
        # What it forgot may lie on the board yet and run first; the next one is then heard in any case.
        for reply in board.replies[before:]:
            admin.answered(reply)


@settings(deadline=None, max_examples=300)
@given(st.integers(0, 1 << 26), st.integers(0, 1 << 26), st.data())
def test_wherever_between_what_was_answered_and_what_was_sent_a_board_is_it_looks_for_the_next_number(
    known, more, data
):
    unused = known + more
    counter = data.draw(st.integers(known, unused))
    number = sealed.choose(unused, known)
    assert number >= unused
    assert number in sealed.numbers(counter)
    assert number <= max(known + limits.CARE_WINDOW, 16 * unused)  # so the numbers last
