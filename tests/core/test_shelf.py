from hedgerow_core.envelope import BULK, NORMAL, URGENT
from hedgerow_core.shelf import KEPT, KNOWN, REFUSED, MemoryStore, Shelf
from support import letter, shelf

MINUTE = 60_000


def test_a_letter_is_kept_once_and_given_back():
    one = shelf()
    assert one.put(letter(1), 0) == KEPT
    assert one.put(letter(1).carried(9, 9), 0) == KNOWN
    assert one.count() == 1
    found = one.get(letter(1).id, 0)
    assert found.encode() == letter(1).encode()
    assert one.get(b"unknown.", 0) is None


def test_a_letter_ages_by_the_time_it_stays():
    one = shelf()
    one.put(letter(1).carried(3, 7), 10 * MINUTE)
    assert one.get(letter(1).id, 35 * MINUTE).age == 32


def test_an_expired_letter_is_dropped_and_not_taken_again():
    one = shelf()
    one.put(letter(1, ttl=0), 0)
    assert one.expire(29 * MINUTE) == 0
    assert one.expire(30 * MINUTE) == 1
    assert one.count() == 0
    assert one.put(letter(1, ttl=0), 31 * MINUTE) == KNOWN
    assert one.put(letter(2, ttl=0).carried(0, 30), 31 * MINUTE) == REFUSED


def test_the_same_knowledge_has_the_same_summary_in_any_order():
    a, b = shelf(), shelf()
    for number in range(20):
        a.put(letter(number), 0)
        b.put(letter(19 - number), 0)
        assert a.summary() != b.summary() or number == 19
    assert a.summary() == b.summary()
    b.drop(letter(3).id)
    assert a.summary() == b.summary() and a.known_count() == b.known_count()


def test_a_full_shelf_drops_bulk_before_normal_before_urgent_and_old_before_new():
    one = shelf(max_count=3)
    one.put(letter(1, priority=NORMAL), 0)
    one.put(letter(2, priority=BULK), 0)
    one.put(letter(3, priority=URGENT), 0)
    assert one.put(letter(4, priority=NORMAL), 0) == KEPT
    assert not one.has(letter(2, priority=BULK).id)
    assert one.put(letter(5, priority=NORMAL), 0) == KEPT
    assert not one.has(letter(1).id)
    assert one.put(letter(6, priority=BULK), 0) == REFUSED
    assert one.count() == 3 and one.has(letter(3, priority=URGENT).id)


def test_the_bound_in_bytes_holds():
    one = shelf(max_bytes=1000)
    for number in range(50):
        one.put(letter(number), 0)
        assert one._bytes <= 1000
    assert 0 < one.count() <= 10
    assert one.put(letter(99, 990), 0) == REFUSED


def test_tombstones_are_bounded_and_leave_the_summary_true():
    one = shelf(max_tombstones=5)
    for number in range(20):
        one.put(letter(number), 0)
        one.drop(letter(number).id)
    other = shelf()
    for number in range(15, 20):
        other.put(letter(number), 0)
    assert one.known_count() == 5
    assert one.summary() == other.summary()


def test_a_restart_finds_what_was_kept_and_its_age():
    store = MemoryStore()
    one = Shelf(store, 0)
    one.put(letter(1).carried(2, 5), 0)
    one.put(letter(2), 20 * MINUTE)
    again = Shelf(store, 1000)
    assert sorted(again.ids()) == sorted((letter(1).id, letter(2).id))
    assert again.summary() == one.summary()
    assert again.get(letter(1).id, 1000).age == 25
    assert again.get(letter(1).id, 1000).hops == 2


def test_a_damaged_record_costs_only_itself():
    store = MemoryStore()
    one = Shelf(store, 0)
    for number in range(3):
        one.put(letter(number), 0)
    store._records[2] = store._records[2][:-20]
    again = Shelf(store, 0)
    assert again.count() == 2 and again.damaged == 1
    store._records[3] = bytes(len(store._records[3]))
    assert again.get(letter(2).id, 0) is None
    assert again.count() == 1


def test_new_letters_are_named_once_and_in_order():
    one = shelf()
    serial, fresh = one.new_since(0)
    assert fresh == []
    for number in range(5):
        one.put(letter(number), 0)
    serial, fresh = one.new_since(serial)
    assert fresh == [letter(number).id for number in range(5)]
    assert one.new_since(serial) == (serial, [])
    for number in range(5, 205):
        one.put(letter(number), 0)
    assert one.new_since(serial)[1] == [letter(number).id for number in range(5, 205)]


def test_urgent_letters_are_offered_first():
    one = shelf()
    for number, priority in ((1, BULK), (2, NORMAL), (3, URGENT), (4, NORMAL)):
        one.put(letter(number, priority=priority), 0)
    ids = one.ids()
    assert ids[0] == letter(3, priority=URGENT).id and ids[-1] == letter(1, priority=BULK).id
