"""Probes between boards: the way is told, and nothing else happens."""

from hedgerow_core import limits, probe
from hedgerow_core.service import ECHO, PROBE, TRACE, TRACE_IS
from support import refuses

NONCE = b"12345678"
HOST = "host"


class Board:
    """A board with the lines to its neighbours; a line is the pair of names."""

    def __init__(self, name):
        self.name = name
        self.memory = []
        self.beside = []


class Village:
    """Boards, and messages on their way: each takes ``ms`` over a link."""

    def __init__(self, *names, ms=40):
        self.boards = {name: Board(name) for name in names}
        self.now = 1_000
        self.ms = ms
        self.said = 0
        self.answers = []

    def link(self, a, b):
        self.boards[a].beside.append(b)
        self.boards[b].beside.append(a)

    def ask(self, at, name, hops=limits.TRACE_HOPS, nonce=NONCE):
        on_the_way = [(HOST, at, probe.question(nonce, name, hops))]
        while on_the_way:
            source, to, message = on_the_way.pop(0)
            if HOST not in (source, to):
                self.now += self.ms
                self.said += 1
            assert len(message) <= limits.ANSWER_BYTES
            if to == HOST:
                self.answers.append(message)
                continue
            board = self.boards[to]
            if message[0] in (TRACE, PROBE):
                reply, onward = probe.take(board.memory, message, source, board.name, self.now)
                if reply:
                    on_the_way.append((to, source, reply))
                if onward:
                    on_the_way += [(to, other, onward) for other in board.beside if other != source]
            else:
                back, echo = probe.back(board.memory, message, source, board.name, self.now)
                if back == HOST:
                    echo = probe.to_host(echo)
                if back is not None:
                    on_the_way.append((to, back, echo))
        return [probe.hops_of(message)[1] for message in self.answers]


def line(count):
    names = [f"board {number}" for number in range(count)]
    village = Village(*names)
    for at in range(count - 1):
        village.link(names[at], names[at + 1])
    return village, names


def test_a_way_over_three_boards_is_told_with_its_times():
    village, names = line(3)
    (hops,) = village.ask(names[0], names[2])
    assert hops == [(0, names[2]), (80, names[1]), (160, names[0])]


def test_our_own_board_answers_at_once_and_asks_nobody():
    village, names = line(3)
    assert village.ask(names[0], names[0]) == [[(0, names[0])]]
    assert village.said == 0


def test_a_way_as_long_as_allowed_is_told_and_none_that_is_longer():
    village, names = line(limits.TRACE_HOPS + 2)
    (hops,) = village.ask(names[0], names[limits.TRACE_HOPS])
    assert len(hops) == limits.TRACE_HOPS + 1
    village, names = line(limits.TRACE_HOPS + 2)
    assert village.ask(names[0], names[-1]) == []
    village, names = line(3)
    assert village.ask(names[0], names[2], hops=1) == []


def test_in_a_ring_a_probe_ends_and_one_answer_comes():
    village, names = line(4)
    village.link(names[0], names[3])
    village.link(names[0], names[2])
    assert len(village.ask(names[0], "nobody")) == 0
    assert village.said <= 2 * 5, "each board says it once over each link at most"
    assert len(village.ask(names[0], names[2], nonce=b"87654321")) == 1


def test_a_probe_that_came_before_is_not_answered_again():
    memory = []
    message = bytes((PROBE,)) + probe.question(NONCE, "mill")[1:]
    reply, _ = probe.take(memory, message, "a", "mill", 0)
    assert reply[0] == ECHO
    assert probe.take(memory, message, "a", "mill", 5) == (b"", b"")
    assert probe.take(memory, message, "b", "mill", 5) == (b"", b"")


def test_a_flood_of_probes_takes_a_few_places_and_leaves_one_to_our_host():
    memory = []
    taken = 0
    for number in range(50):
        message = bytes((PROBE,)) + probe.question(number.to_bytes(8, "big"), "mill")[1:]
        taken += probe.take(memory, message, "a", "school", number)[1] != b""
    assert taken == limits.PROBES - 1
    assert probe.take(memory, probe.question(NONCE, "mill"), HOST, "school", 60)[1]
    probe.forget(memory, limits.PROBE_MS - 1)
    assert len(memory) == limits.PROBES
    probe.forget(memory, limits.PROBE_MS + 60)
    assert memory == []


def test_who_asks_again_and_again_is_answered_as_soon_as_the_last_answers_are_some_seconds_old():
    memory = []
    now = answered = 0
    for number in range(40):
        now += 500
        probe.forget(memory, now)
        message = bytes((PROBE,)) + probe.question(number.to_bytes(8, "big"), "mill")[1:]
        answered += probe.take(memory, message, "a", "mill", now)[0] != b""
    assert answered == (limits.PROBES - 1) * 4, "three in five seconds"


def test_an_echo_counts_once_from_where_the_probe_went_and_in_time():
    def passed_on():
        memory = []
        probe.take(memory, bytes((PROBE,)) + probe.question(NONCE, "mill")[1:], "a", "school", 0)
        return memory

    echo = bytes((ECHO,)) + NONCE + b"\0\0\4mill"
    memory = passed_on()
    nothing = (None, b"")
    assert probe.back(memory, echo, "a", "school", 30) == nothing, "it came from where the probe came from"
    other = bytes((ECHO,)) + b"!" * 8 + b"\0\0\4mill"
    assert probe.back(memory, other, "b", "school", 30) == nothing, "nobody asked"
    assert probe.back(memory, echo, "b", "school", 30) == ("a", echo + b"\0\x1e\6school")
    assert probe.back(memory, echo, "b", "school", 31) == nothing, "it came before"
    memory = passed_on()
    probe.forget(memory, limits.PROBE_MS)
    assert probe.back(memory, echo, "b", "school", limits.PROBE_MS) == nothing, "it is late"


def test_damaged_and_oversized_probes_and_echoes_do_nothing():
    memory = []
    whole = bytes((PROBE,)) + probe.question(NONCE, "mill")[1:]
    for end in range(len(whole)):
        assert probe.take(memory, whole[:end], "a", "mill", 0) == (b"", b"")
    assert probe.take(memory, whole + b"\0", "a", "mill", 0) == (b"", b"")
    assert probe.take(memory, whole[:9] + b"\xff" + whole[10:], "a", "school", 0) == (b"", b"")
    assert memory == []
    probe.take(memory, whole, "a", "school", 0)
    record = b"\0\0\4mill"
    head = bytes((ECHO,)) + NONCE
    many = head + b"\0\0\0" * (limits.TRACE_HOPS + 1)
    long_name = head + b"\0\0\x15" + b"x" * 21
    torn = [head + record[:end] for end in range(len(record))]
    wrong = [many, long_name, head + record * 40, head + b"\0\0\2\xff\xfe", head + record + b"\0"]
    for echo in torn + wrong:
        assert probe.back(memory, echo, "b", "school", 1) == (None, b"")
    assert probe.back(memory, head + record, "b", "school", 1)[0] == "a"


def test_a_new_link_hears_of_probes_that_are_on_their_way_and_not_of_others():
    memory = []
    question = probe.question(NONCE, "mill")
    _, onward = probe.take(memory, question, HOST, "school", 0)
    assert probe.waiting(memory, "b") == [onward]
    assert probe.waiting(memory, HOST) == []
    probe.back(memory, bytes((ECHO,)) + NONCE + b"\0\0\4mill", "b", "school", 5)
    assert probe.waiting(memory, "c") == []


def test_a_long_name_is_cut_between_characters():
    village = Village("ö" * 40, "b")
    village.link("ö" * 40, "b")
    (hops,) = village.ask("b", "ö" * 40)
    assert hops[0] == (0, "ö" * 10)


def test_damaged_answers_are_told_to_the_host():
    whole = bytes((TRACE_IS,)) + NONCE + b"\0\0\4mill"
    assert probe.hops_of(whole) == (NONCE, [(0, "mill")])
    for end in range(len(whole)):
        assert refuses(probe.hops_of, whole[:end])
    assert refuses(probe.hops_of, bytes((PROBE,)) + whole[1:])
