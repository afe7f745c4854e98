from hedgerow_core import limits
from hedgerow_core.link import Packets
from hedgerow_core.mac import sha256
from hedgerow_core.reconcile import BySketch
from hedgerow_core.sketch import CELL_BYTES, Decoder, Sketch, digest, places
from support import letter, links, refuses, run, shelf, unhex, vectors

SECRET = b"key of a sketch."


def identity(number):
    return sha256(b"id" + number.to_bytes(4, "big"))[: limits.ID_BYTES]


def sketch(numbers, cells=limits.SKETCH_CELLS):
    made = Sketch(SECRET, cells)
    for number in numbers:
        made.change(identity(number))
    return made


def sketched(count, start=0, cells=limits.SKETCH_CELLS):
    return shelf(count, start, sketch=Sketch(SECRET, cells))


def found(decoder):
    flat = decoder.found
    return sorted([flat[at : at + 8] for at in range(0, len(flat), 8)])


def test_an_id_lies_in_the_cells_of_the_published_vectors():
    for case in vectors("sketch"):
        seed = digest(unhex(case["key"]), unhex(case["id"]))
        assert seed[:4] == unhex(case["check"])
        assert places(seed, case["end"]) == case["places"]


def test_a_sketch_of_the_vectors_has_their_cells():
    for case in vectors("sketch"):
        made = Sketch(unhex(case["key"]), case["end"])
        made.change(unhex(case["id"]))
        item = unhex(case["id"]) + unhex(case["check"])
        for cell in range(case["end"]):
            assert made.get(cell) == (item if cell in case["places"] else bytes(CELL_BYTES))


def test_what_came_and_went_leaves_nothing():
    assert sketch([1, 2, 3, 3, 2]).part(0, 999) == sketch([1]).part(0, 999)
    assert sketch([7, 7]).part(0, 999) == bytes(CELL_BYTES * limits.SKETCH_CELLS)


def test_the_difference_comes_out_whoever_has_more():
    for ours, theirs in (((1, 2, 3), ()), ((), (1, 2, 3)), (range(40), range(25, 80)), (range(9), range(9))):
        a, b = sketch(ours), sketch(theirs)
        decoder = Decoder(a)
        while not decoder.complete:
            decoder.receive(b.part(decoder.received, 10))
        assert found(decoder) == sorted([identity(number) for number in set(ours) ^ set(theirs)])


def test_cells_that_go_round_in_circles_end():
    ours = sketch([])
    item = identity(1) + digest(SECRET, identity(1))[:4]
    decoder = Decoder(ours)
    # Each cell pretends to hold the same id, wherever that belongs.
    decoder.receive(item * 40)
    assert len(decoder.found) <= 40 * limits.ID_BYTES


def test_two_boards_become_equal_by_sketch_and_send_no_list():
    for a, b in (
        (sketched(60), sketched(70, start=40)),
        (sketched(90), sketched(90)),
        (sketched(50), sketched(0)),
        (sketched(0), sketched(50)),
        (sketched(200), sketched(200, start=100)),
        (sketched(60, cells=12), sketched(70, start=40)),
        (sketched(60), sketched(70, start=40, cells=12)),
    ):
        whole = set(a.ids()) | set(b.ids())
        run(*links(a, b, lambda: Packets(244)))
        assert set(a.ids()) == set(b.ids()) == whole


def test_equal_boards_say_so_in_two_frames():
    a, b = sketched(500), sketched(500)
    one, two = links(a, b, lambda: Packets(244))
    said = []
    run(one, two, line=lambda data: said.append(len(data)) or data)
    # Handshake and clock are five.
    assert len(said) <= 8 and sum(said) < 600


def test_a_board_without_a_sketch_is_given_lists():
    a, b = sketched(60), shelf(70, start=40)
    run(*links(a, b))
    assert a.count() == b.count() == 110
    c, d = shelf(60), sketched(70, start=40)
    run(*links(c, d))
    assert c.count() == d.count() == 110


def test_letters_that_come_while_sketches_are_compared_get_through():
    a, b = sketched(100), sketched(100, start=50)
    one, two = links(a, b, lambda: Packets(244))
    count = [0]

    def busy(data):
        count[0] += 1
        if count[0] % 3 == 0 and count[0] < 40:
            a.put(letter(1_000 + count[0]), 0)
            b.put(letter(2_000 + count[0]), 0)
            one.push(0)
            two.push(0)
        return data

    run(one, two, line=busy)
    assert set(a.ids()) == set(b.ids()) and a.count() > 150


def test_a_line_that_loses_packets_ends_equal_all_the_same():
    for lost in (40, 20):  # of 256
        a, b = sketched(120), sketched(120, start=60)
        one, two = links(a, b, lambda: Packets(244))
        run(one, two)
        a.put(letter(5_000), 0)
        count = [0]

        def lossy(data, count=count, lost=lost):
            count[0] += 1
            return b"" if sha256(b"loss" + bytes((count[0] & 255, count[0] >> 8)))[0] < lost else data

        c, d = sketched(120, start=30), a
        run(*links(c, d, lambda: Packets(244)), rounds=2_000, line=lossy)
        assert set(c.ids()) == set(d.ids())


def test_damaged_cells_and_answers_are_refused():
    takes, gives = BySketch(sketch([1]), False), BySketch(sketch([2]), True)
    for part in (b"", b"\0", bytes(3), bytes(5), bytes(4 + CELL_BYTES - 1)):
        assert refuses(takes.take, part, 1)
    assert refuses(gives.take, bytes(4 + CELL_BYTES), 1)
    for answer in (b"", bytes(4), b"\x03" + bytes(4), b"\x01\0\x05\0\x05", b"\x01\0\x00\xff\xff"):
        assert refuses(gives.answered, answer)
    assert refuses(takes.answered, bytes(5))


def test_a_sketch_that_never_decodes_ends_in_lists():
    takes = BySketch(sketch(range(600)), False)
    first = 0
    parts = 0
    while not takes.failed:
        parts += 1
        assert parts < 40
        cells = sha256(bytes((parts,))) * 7
        takes.take(first.to_bytes(2, "big") + b"\x02\x58" + cells[: 18 * CELL_BYTES], 600)
        first += 18
        answer = takes.answer()
        if answer:
            assert answer[0] in (1, 2)
    assert first <= limits.SKETCH_CELLS + 18


def test_a_board_decodes_one_sketch_at_a_time_and_still_becomes_equal_to_two_others():
    middle = sketched(60)
    left, right = sketched(60, start=10), sketched(60, start=20)
    ends = []
    for other in (left, right):
        caller, called = links(other, middle, lambda: Packets(244))
        ends += [(caller, called)]
    now = 0
    decoders = []
    for _ in range(3_000):
        quiet = True
        for caller, called in ends:
            for giver, taker in ((caller, called), (called, caller)):
                for data in giver.outgoing(now):
                    quiet = False
                    taker.receive(data, now)
                    if middle.sketch.decoder is not None:
                        decoders.append(middle.sketch.decoder.owner)
        for caller, called in ends:
            caller.push(now)
            called.push(now)
        if quiet:
            now += 500
            for caller, called in ends:
                caller.tick(now)
                called.tick(now)
            if left.summary() == middle.summary() == right.summary():
                break
        now += 10
    assert left.summary() == middle.summary() == right.summary()
    assert len({id(owner) for owner in decoders}) >= 2
    assert middle.sketch.decoder is None
