from hedgerow_core import counts, limits
from hedgerow_core.clock import Clock
from hedgerow_core.envelope import BULK, NORMAL, URGENT, make, proof_id
from hedgerow_core.errors import HedgerowError
from hedgerow_core.mac import sha256
from hedgerow_core.mesh_clock import MeshClock
from hedgerow_core.shelf import KEPT, KNOWN, PROVED, REFUSED, SOURCE_HOST, SOURCE_MESH, Shelf
from hedgerow_core.store import MemoryStore
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
    assert one.put(letter(1, ttl=0).carried(0, 30), 31 * MINUTE) == REFUSED
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
    assert one.put(letter(4, priority=NORMAL), MINUTE) == KEPT
    assert not one.has(letter(2, priority=BULK).id)
    assert one.put(letter(5, priority=NORMAL), MINUTE) == KEPT
    assert not one.has(letter(1).id)
    assert one.put(letter(6, priority=BULK), MINUTE) == REFUSED
    assert one.count() == 3 and one.has(letter(3, priority=URGENT).id)


def test_the_bound_in_bytes_holds():
    one = shelf(max_bytes=1000)
    for number in range(50):
        one.put(letter(number), 0)
        assert one.held_bytes() <= 1000
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
    one = Shelf(store, Clock(0), 0)
    one.put(letter(1).carried(2, 5), 0)
    one.put(letter(2), 20 * MINUTE)
    again = Shelf(store, Clock(0), 20 * MINUTE)
    assert sorted(again.ids()) == sorted((letter(1).id, letter(2).id))
    assert again.summary() == one.summary()
    assert again.get(letter(1).id, 20 * MINUTE).age == 25
    assert again.get(letter(1).id, 20 * MINUTE).hops == 2


def test_a_damaged_record_costs_only_itself():
    store = MemoryStore()
    one = Shelf(store, Clock(0), 0)
    for number in range(3):
        one.put(letter(number), 0)
    store._records[2] = store._records[2][:-20]
    again = Shelf(store, Clock(0), 0)
    assert again.count() == 2 and again.damaged == 1
    store._records[3] = bytes(len(store._records[3]))
    assert again.get(letter(2).id, 0) is None
    assert again.count() == 1


def test_new_letters_are_named_once_and_in_order_until_they_are_too_many():
    one = shelf()
    serial, fresh = one.new_since(0)
    assert fresh == []
    for number in range(5):
        one.put(letter(number), 0)
    serial, fresh = one.new_since(serial)
    assert fresh == [letter(number).id for number in range(5)]
    assert one.new_since(serial) == (serial, [])
    for number in range(5, 5 + limits.FRESH_IDS):
        one.put(letter(number), 0)
    assert one.new_since(serial)[1] == [letter(number).id for number in range(5, 5 + limits.FRESH_IDS)]
    one.put(letter(100), 0)
    assert one.new_since(serial)[1] is None


def test_urgent_letters_are_offered_first():
    one = shelf()
    for number, priority in ((1, BULK), (2, NORMAL), (3, URGENT), (4, NORMAL)):
        one.put(letter(number, priority=priority), 0)
    ids = one.ids()
    assert ids[0] == letter(3, priority=URGENT).id and ids[-1] == letter(1, priority=BULK).id


def test_letters_are_offered_in_parts_each_once():
    one = shelf(130)
    found, cursor = [], 0
    while cursor >= 0:
        part, cursor = one.offer(cursor, 50)
        assert len(part) <= 400
        found += [part[at : at + 8] for at in range(0, len(part), 8)]
    assert len(found) == 130 and sorted(found) == sorted(one.ids())
    assert shelf().offer(0, 50) == (b"", -1)


def test_who_takes_all_that_comes_lets_go_of_what_came_with_the_most_and_not_of_its_own():
    one = shelf(max_count=20)
    for number in range(8):
        one.put(letter(number), 0, SOURCE_HOST)
    for number in range(100, 200):
        assert one.put(letter(number), number * MINUTE, SOURCE_MESH) == KEPT
    assert all(one.has(letter(number).id) for number in range(8))
    assert one.count() == 20


def test_a_failed_flush_leaves_nothing_that_was_not_promised():
    one = shelf(2)
    one.flush(0)
    one.put(letter(5), 0)

    def full(minute):
        raise OSError(28)

    one._store.flush = full
    try:
        one.flush(0)
        raise AssertionError("nobody was told")
    except HedgerowError as error:
        assert "cannot be written" in str(error)
    assert one.count() == 2 and not one.knows(letter(5).id)


def test_a_flush_that_the_memory_ended_is_done_by_the_next():
    one = shelf()
    one.put(letter(5), 0)
    flushed = []

    def short(minute):
        flushed.append(minute)
        if len(flushed) == 1:
            raise MemoryError

    one._store.flush = short
    try:
        one.flush(0)
    except MemoryError:
        one.flush(0)
        one.flush(0)
    assert len(flushed) == 2 and one.has(letter(5).id)


def test_a_clock_that_jumps_by_years_ends_every_letter_and_none_looks_young_again():
    for jump in (20_160, 32_768, 65_536, 65_536 + 3, 3 * 525_600):
        one = shelf()
        one.put(letter(1, ttl=15), 0)
        one.put(letter(2, ttl=0), 0)
        now = jump * MINUTE
        # The next thing that happens is not the sweep.
        assert one.get(letter(1, ttl=15).id, now) is None
        assert one.put(letter(3), now) == KEPT
        assert one.ids() == [letter(3).id]
        assert one.expire(now) == 0


def test_a_clock_that_goes_back_does_not_end_a_letter():
    one = shelf()
    one.put(letter(1), 60_000 * MINUTE)
    assert one.expire(10 * MINUTE) == 0
    assert one.get(letter(1).id, 10 * MINUTE).age == 0


def test_letters_age_from_the_start_where_a_first_guess_of_the_time_was_too_high():
    clock = MeshClock(0, 5_000)
    one = Shelf(MemoryStore(), clock, 0)
    clock.learn_from_host(5_001, 0)
    one.put(letter(1), 0)
    assert one.get(letter(1).id, 7 * MINUTE).age == 7


def test_an_old_letter_that_was_let_go_pushes_no_younger_one_out_and_is_not_asked_for_again():
    one = shelf(max_count=4)
    for number in range(4):
        one.put(letter(number), (120 + 2 * number) * MINUTE)
    old = letter(9).carried(1, 181)
    assert one.put(old, 300 * MINUTE) == REFUSED
    assert one.count() == 4 and one.knows(old.id) and not one.has(old.id)
    assert one.put(letter(10), 300 * MINUTE) == KEPT and not one.has(letter(0).id)
    # One that took longer on its way, but is younger than the oldest here.
    assert one.put(letter(11).carried(1, 177), 300 * MINUTE) == KEPT and not one.has(letter(1).id)
    assert one.put(letter(12), 300 * MINUTE) == KEPT and not one.has(letter(11).id)


def test_many_letters_push_out_as_many_the_oldest_by_their_origin_first():
    count = 100
    one = shelf(max_count=count)
    ages = [number * 37 % count for number in range(count)]
    for number in range(count):
        one.put(letter(number).carried(0, ages[number]), 200 * MINUTE)
    for number in range(count, count + 60):
        assert one.put(letter(number), 201 * MINUTE) == KEPT
        gone = [ages[each] for each in range(count) if not one.has(letter(each).id)]
        assert sorted(gone) == list(range(2 * count - number - 1, count))


def test_a_proof_has_the_place_of_its_letter_in_the_order_also_after_a_restart():
    store = MemoryStore()
    one = Shelf(store, Clock(0), 0, max_count=3)
    token = sha256(b"token")[: limits.PROOF_BYTES]
    one.put(letter(1, ttl=4), 5 * MINUTE)
    proved = make(NORMAL, 12, sha256(token)[: limits.LOCK_BYTES], bytes(40)).carried(0, 3)
    one.put(proved, 9 * MINUTE)
    one.put(letter(2), 7 * MINUTE)
    assert one.prove(token, 10 * MINUTE) == PROVED
    assert one.put(letter(3), 12 * MINUTE) == KEPT and not one.has(letter(1, ttl=4).id)
    again = Shelf(store, Clock(0), 12 * MINUTE, max_count=3)
    assert again.has(proof_id(token)) and again.count() == 3
    assert again.put(letter(4), 12 * MINUTE) == KEPT and not again.has(proof_id(token))


def test_full_shelves_that_took_the_same_letters_in_another_order_do_not_hand_them_round_for_ever():
    count = 40
    one, two = shelf(max_count=count, max_tombstones=8), shelf(max_count=count, max_tombstones=8)
    for number in range(count):
        one.put(letter(number), 5 * number * MINUTE)
        at = number * 7 % count
        two.put(letter(at).carried(0, 5 * (count - at)), 5 * count * MINUTE)
    kept = []
    for number in range(count, 10 * count):
        now = 5 * (number + 1) * MINUTE
        before = one.counts[counts.KEPT] + two.counts[counts.KEPT]
        one.put(letter(number), now)
        for giver, taker in ((one, two), (two, one)):
            for identity in giver.ids():
                found = giver.get(identity, now)
                if found is not None:
                    taker.put(found, now)
        kept.append(one.counts[counts.KEPT] + two.counts[counts.KEPT] - before)
        assert sorted(one.ids()) == sorted(two.ids())
    assert max(kept) == 2, "the new one at both, and nothing that went before"
