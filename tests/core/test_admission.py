from hedgerow_core import counts, limits
from hedgerow_core.admission import HOST, YOUNG, Admission
from hedgerow_core.envelope import BULK, NORMAL, URGENT
from hedgerow_core.shelf import KEPT, KNOWN, LATER, SOURCE_HOST
from support import letter, links, run, shelf

MINUTE = 60_000
HOUR = 60 * MINUTE
CAPACITY = 100_000
SIZE = 200
A, B, C = b"\1aaaaaa", b"\1bbbbbb", b"\1cccccc"
COST = SIZE + limits.ELEMENT_BYTES


def bring(one, number, now, count):
    """How many of ``count`` elements may come over a link."""
    return sum([one.admits(number, SIZE, now, False) for _ in range(count)])


def test_a_link_that_floods_takes_its_share_and_who_brings_little_is_never_refused():
    one = Admission(CAPACITY)
    flooder, other = one.open(A, 0), one.open(B, 0)
    first = bring(one, flooder, 0, 10_000)
    assert first == CAPACITY // 4 // COST, "a quarter at once"
    taken = first
    for minute in range(1, 50):
        assert bring(one, other, minute * MINUTE, 1) == 1
        taken += bring(one, flooder, minute * MINUTE, 1_000)
    assert taken <= first + 2, "and no more while it goes on"
    assert 3 < bring(one, flooder, 52 * MINUTE, 1_000) < first // 4, "but when it has stopped"


def test_who_keeps_to_its_share_gets_what_drains():
    one = Admission(CAPACITY)
    number = one.open(A, 0)
    taken = sum([bring(one, number, minute * MINUTE, 8) for minute in range(55)])
    most = CAPACITY // 4 * (limits.BUCKET_MINUTES + 55) // limits.BUCKET_MINUTES // COST
    assert most * 9 // 10 < taken <= most + 55


def test_links_that_come_and_go_share_one_part_and_leave_some_for_the_next():
    one = Admission(CAPACITY)
    taken = 0
    for each in range(500):
        number = one.open(each.to_bytes(7, "big"), 0)
        taken += bring(one, number, 0, 1_000)
        one.close(number)
    assert CAPACITY // 4 // COST < taken <= CAPACITY // 2 // COST
    honest = one.open(b"honest!", 0)
    assert bring(one, honest, 5 * MINUTE, 10) == 10
    assert one.room(YOUNG, 5 * MINUTE) < CAPACITY // 2


def test_who_comes_back_finds_its_bucket_as_it_left_it():
    one = Admission(CAPACITY)
    number = one.open(A, 0)
    assert bring(one, number, 0, 1_000) > 0
    one.close(number)
    for _ in range(100):
        again = one.open(A, MINUTE // 2)
        assert again == number and bring(one, again, MINUTE // 2, 1) == 0
        one.close(again)
    other = one.open(B, MINUTE // 2)
    assert other != number and bring(one, other, MINUTE // 2, 10) == 10


def test_a_link_is_as_old_as_it_stands_not_as_its_address():
    one = Admission(CAPACITY)
    number = one.open(A, 0)
    assert one.share(number, HOUR - MINUTE) == YOUNG and one.share(number, HOUR) == number
    one.close(number)
    assert one.share(one.open(A, HOUR), HOUR) == YOUNG


def test_what_young_links_bring_never_closes_the_door_to_an_old_one_or_to_the_host():
    one = Admission(CAPACITY)
    old = one.open(A, 0)
    for minute in range(60, 240):
        for each in range(4):
            number = one.open(bytes((minute, each)) * 3, minute * MINUTE)
            bring(one, number, minute * MINUTE, 1_000)
            one.close(number)
        assert bring(one, old, minute * MINUTE, 4) == 4
        assert bring(one, HOST, minute * MINUTE, 8) == 8


def test_an_old_link_that_floods_leaves_half_to_the_others():
    one = Admission(CAPACITY)
    old, other = one.open(A, 0), one.open(B, 0)
    assert bring(one, old, HOUR, 10_000) == CAPACITY // 2 // COST
    assert bring(one, other, HOUR, 10_000) == CAPACITY // 4 // COST
    young = one.open(C, HOUR)
    assert bring(one, young, HOUR, 10_000) == CAPACITY // 8 // COST


def test_a_bucket_drains_and_a_long_silence_empties_it():
    one = Admission(CAPACITY)
    number = one.open(A, 0)
    first = bring(one, number, 0, 1_000)
    assert bring(one, number, 0, 1) == 0
    assert 0 < bring(one, number, 2 * MINUTE, 1_000) < first // 4
    assert bring(one, number, 10 * HOUR, 1_000) > first
    assert bring(one, number, 400 * 24 * HOUR, 1_000) > first


def test_more_links_than_buckets_share_one():
    one = Admission(CAPACITY)
    numbers = [one.open(bytes((each,)) * 6, 0) for each in range(20)]
    assert numbers[-1] == YOUNG and len(set(numbers)) == 7
    assert sum([bring(one, number, 0, 1_000) for number in numbers]) <= CAPACITY // 2 // COST
    for number in numbers:
        one.close(number)
    assert one.open(bytes(6), 0) == numbers[0]


def test_whatever_links_do_their_buckets_hold_no_more_than_there_is():
    state = 7
    one = Admission(CAPACITY)
    opened = []
    now = 0
    for _ in range(3_000):
        state = (state * 1103515245 + 12345) & 0x7FFFFFFF
        dice = state >> 16
        if dice % 11 == 0:
            opened.append(one.open((dice % 97).to_bytes(6, "big"), now))
        elif dice % 13 == 0 and opened:
            one.close(opened.pop(dice % len(opened)))
        elif dice % 17 == 0:
            now += dice % 90 * MINUTE
        elif opened:
            one.admits(opened[dice % len(opened)], dice % 1_000, now, dice % 5 == 0)
        assert sum(one._used[1:]) <= CAPACITY and min(one._used) >= 0
        assert one.room(HOST, now) == CAPACITY


# On a shelf and over links


def admitting(count=0, **bounds):
    one = shelf(count, **bounds)
    one.admission = Admission(one.max_bytes)
    return one


def test_while_there_is_room_on_the_shelf_everything_is_taken():
    one = admitting(max_count=100, max_bytes=100_000)
    number = one.admission.open(A, 0)
    for each in range(98):
        assert one.put(letter(each, 800), 0, number) == KEPT
    assert one.count() == 98
    assert one.admission.room(number, 0) < 1_000, "but it counts"


def test_a_letter_above_the_share_is_counted_and_may_come_later_and_a_known_one_costs_nothing():
    one = admitting(20, max_bytes=4_000)
    number = one.admission.open(A, 0)
    each = 100
    while one.put(letter(each), 0, number) == KEPT:
        each += 1
    assert one.put(letter(each), 0, number) == LATER
    assert one.counts[counts.ABOVE_SHARE] == 2 and not one.knows(letter(each).id)
    room = one.admission.room(number, 0)
    assert one.put(letter(each - 1), 0, number) == KNOWN
    assert one.admission.room(number, 0) == room
    assert one.put(letter(999), 0, SOURCE_HOST) == KEPT
    assert one.put(letter(each), 20 * MINUTE, number) == KEPT


def test_a_flood_of_long_lived_letters_pushes_out_its_own_and_not_those_of_an_old_link():
    one = admitting(max_count=40, max_bytes=40 * 400)
    old = one.admission.open(A, 0)
    now = HOUR
    for number in range(10):
        assert one.put(letter(number, ttl=8), now, old) == KEPT
    flooder = one.admission.open(B, now)
    for number in range(100, 3_000):
        one.put(letter(number, ttl=15), now + number * 5_000, flooder)
    assert one.count() == 40
    assert all([one.has(letter(number, ttl=8).id) for number in range(10)])


def test_of_equal_letters_the_one_that_came_first_goes_first_however_long_it_may_live():
    one = shelf(max_count=4)
    for number in range(4):
        one.put(letter(number, ttl=15 - number), number * MINUTE)
    for number in range(4, 10):
        one.put(letter(number, ttl=number), number * MINUTE)
        assert not one.has(letter(number - 4, ttl=15 - number + 4 if number < 8 else number - 4).id)


def test_who_brought_too_much_is_asked_for_the_rest_when_there_is_room_again():
    one, two = shelf(300), admitting(max_count=200, max_bytes=20_000)
    a, b = links(one, two)
    now = run(a, b)
    assert b.settled and two.counts[counts.ABOVE_SHARE] > 0
    before = b.peer.stored_count
    assert 150 < before < 250
    asked = a.peer.put_count
    for _ in range(40):
        now += MINUTE
        b.tick(now)
        now = run(a, b, now)
    assert b.peer.stored_count > before + 20
    assert a.peer.put_count - asked < 3 * (b.peer.stored_count - before), (
        "it is asked for what there is room for"
    )
    assert not a.closed and not b.closed


def test_who_goes_on_putting_above_its_share_is_hung_up_on():
    two = admitting(100, max_count=200, max_bytes=20_000)
    one = shelf()
    a, b = links(one, two)
    now = run(a, b)
    for number in range(5_000, 6_000):
        one.put(letter(number), now)
        a.push(now)
        now = run(a, b, now, 6)
        if b.closed:
            break
    assert b.closed and two.counts[counts.ABOVE_SHARE] > limits.LATER
    b.close()
    assert two.admission.open(b"?", now) == 2, "and its bucket is free"


# The order of what is put


def test_an_urgent_letter_overtakes_and_a_bulk_one_waits_until_nothing_else_is_there():
    one, two = shelf(), shelf()
    a, b = links(one, two)
    now = run(a, b)
    for number, priority in ((1, BULK), (2, NORMAL), (3, BULK), (4, NORMAL), (5, URGENT), (6, URGENT)):
        one.put(letter(number, priority=priority), now)
    came = []
    keep = two.put
    two.put = lambda envelope, *rest: (came.append(envelope.lock[-1]), keep(envelope, *rest))[1]
    a.push(now)
    run(a, b, now)
    assert came == [5, 6, 2, 4, 1, 3]


def test_what_the_other_side_turns_out_to_have_is_not_put():
    one, two = shelf(), shelf()
    a, b = links(one, two)
    now = run(a, b)
    for number in range(40):
        one.put(letter(number), now)
        two.put(letter(number), now)
    a.push(now)
    b.push(now)
    run(a, b, now)
    assert one.count() == two.count() == 40
    assert a.peer.put_count + b.peer.put_count < 60, "not all of it crossed twice"


def test_a_late_acknowledgement_cancels_what_would_be_put_again():
    one, two = shelf(), shelf()
    a, b = links(one, two)
    now = run(a, b)
    one.put(letter(1), now)
    a.push(now)
    for data in a.outgoing(now):
        b.receive(data, now)
    answers = b.outgoing(now)
    now += limits.RETRY_MS
    a.tick(now)
    events = []
    for data in answers:
        events += a.receive(data, now)
    assert ("acked", letter(1).id) in events
    assert a.outgoing(now) == [] and a.peer.put_count == 1
