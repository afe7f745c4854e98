"""Property tests of sealed commands: an admin and a board with everything between them that can go wrong."""

from hypothesis import given, settings
from hypothesis import strategies as st

from hedgerow_core import limits, sealed
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

    def __init__(self, who=0):
        self.who = who
        self.state = (0, 0, 1)
        self.sent = []  # everything that ever went out, for whoever replays it
        self.open = {}  # salt -> number
        self.answers = {}
        self.serial = 0

    def send(self, board):
        unused, known, doubt = self.state
        number = sealed.choose(unused, known, doubt)
        self.serial += 1
        salt = self.salt()
        if not doubt and number == unused:
            self.state = (number + 1, known, 0)
        self.open[salt] = number
        envelope = sealed.seal(KEY, sealed.DOWN, number, 1_000, salt, salt)
        self.sent.append(envelope)
        board.shelf.put(envelope, 0)

    def salt(self):
        return bytes((self.who,)) + self.serial.to_bytes(7, "big")

    def heard(self, number, envelope):
        """A reply with this number, maybe to somebody else."""
        _, reply = sealed.open_sealed(KEY, sealed.UP, number, envelope)
        unused, known, doubt = self.state
        salt, said = reply[:8], reply[8:]
        if self.open.pop(salt, None) is not None:
            # The salt of the command is its text, too: the reply to another one would show.
            assert said == salt + b"done"
            self.answers[salt] = said
            doubt = 0
        self.state = (max(unused, number + 1), max(known, number + 1), doubt)

    def give_up(self):
        self.open.clear()
        unused, known, doubt = self.state
        self.state = (unused, known, doubt + 1 if doubt or unused >= known + limits.CARE_WINDOW else 0)

    def restore(self, state):
        self.open.clear()
        self.state = (state[0], state[1], 1)


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
            number, _, salt, message = found
            assert number >= self.counter
            self.counter = number + 1
            if cut:
                return  # the power went between the two
            self.ran.append((number, message))
            reply = sealed.seal(KEY, sealed.UP, number, 0, salt + message + b"done", salt)
            self.replies.append((number, reply))
            self.shelf.prove(sealed.token(KEY, sealed.DOWN, number), 0)


def play(story, admins=1):
    people, board = [Admin(who) for who in range(admins)], Board()
    saved = people[0].state
    for what, dice in story:
        admin = people[dice % admins]
        if what == "send":
            admin.send(board if dice & 64 else Board())
        elif what == "carry" and admin.sent:
            board.shelf.put(admin.sent[dice % len(admin.sent)], 0)
        elif what == "work":
            board.work()
        elif what == "cut":
            board.work(cut=True)
        elif what == "reply" and board.replies:
            admin.heard(*board.replies[dice % len(board.replies)])
        elif what == "forget":
            admin.give_up()
        elif what == "restore":
            admin.restore(saved)
        elif what == "save":
            saved = admin.state
    return people, board


def gets_through(admin, board):
    """Send until the board ran one that it had not heard before; how many that took."""
    tries = 0
    while True:
        tries += 1
        admin.send(board)
        mine = admin.salt()
        board.work()
        for reply in board.replies:
            admin.heard(*reply)
        if mine in admin.answers:
            return tries
        admin.give_up()


@settings(deadline=None, max_examples=60)
@given(steps, st.integers(1, 2))
def test_whatever_is_lost_repeated_or_late_a_command_runs_once_at_most_and_in_order(story, admins):
    _, board = play(story, admins)
    assert [number for number, _ in board.ran] == sorted({number for number, _ in board.ran})
    messages = [message for _, message in board.ran]
    assert len(messages) == len(set(messages))


@settings(deadline=None, max_examples=60)
@given(steps, st.integers(1, 2))
def test_after_whatever_happened_a_command_gets_through_once_nothing_is_lost_any_more(story, admins):
    people, board = play(story, admins)
    for admin in people:
        # 10 numbers that a board may look for from far, and one that it looks for anyhow.
        assert gets_through(admin, board) <= 11
        assert gets_through(admin, board) == 1


@settings(deadline=None, max_examples=40)
@given(steps, st.integers(1, 6))
def test_a_home_that_was_restored_however_often_gets_through_again(story, times):
    (admin,), board = play(story)
    for _ in range(times):
        admin.restore((0, 0, 0))
        assert gets_through(admin, board) <= 11


@settings(deadline=None, max_examples=200)
@given(st.integers(0, 1 << 26), st.integers(0, limits.CARE_WINDOW), st.data())
def test_wherever_between_what_was_answered_and_what_was_sent_a_board_is_it_looks_for_the_next_number(
    known, more, data
):
    counter = data.draw(st.integers(known, known + more))
    numbers = {sealed.choose(known + more, known, doubt) for doubt in range(11)}
    assert numbers & set(sealed.numbers(counter))
    if more < limits.CARE_WINDOW:
        assert sealed.choose(known + more, known) in sealed.numbers(counter)


@given(st.integers(0, (1 << 28) - 1), st.integers(0, (1 << 28) - 1))
def test_one_who_knows_nothing_of_a_board_that_is_anywhere_finds_it(unused, counter):
    assert {sealed.choose(unused, 0, doubt) for doubt in range(1, 11)} & set(sealed.numbers(counter))
