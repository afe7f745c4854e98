import shelf_model
from hedgerow_core import limits
from hedgerow_core.clock import Clock
from hedgerow_core.envelope import proof_id
from hedgerow_core.shelf import KEPT, KNOWN, PROVED, SOURCE_HOST, SOURCE_MESH, UNMATCHED, Shelf
from hedgerow_core.store import MemoryStore
from shelf_model import STEPS, envelope, token
from support import letter, links, run, shelf


def test_a_shelf_does_what_plain_lists_would_do_on_this_interpreter():
    state = 12345
    for _ in range(40):
        steps = []
        for _ in range(60):
            state = (state * 1103515245 + 12345) & 0x3FFFFFFF
            steps.append((state >> 9) % STEPS)
            state = (state * 1103515245 + 12345) & 0x3FFFFFFF
            steps[-1] = (steps[-1], (state >> 9) % 41)
        store = MemoryStore()
        shelf_model.follow(steps, lambda: store)  # noqa: B023
        shelf_model.overfill(steps)


def test_a_proof_takes_the_place_of_the_letter_and_of_altered_copies():
    for number in (1, 3):  # one with a lock of its own, one with a lock that several know
        one = shelf()
        one.put(envelope(number), 0)
        one.put(envelope(number, 1), 0)
        one.put(envelope(number + 1), 0)
        assert one.prove(token(number), 0) == PROVED
        assert sorted(one.ids()) == sorted((proof_id(token(number)), envelope(number + 1).id))
        assert one.prove(token(number), 0) == KNOWN
        # A copy that comes back is known, and so is one that was altered.
        assert one.put(envelope(number), 0) == KNOWN
        assert one.put(envelope(number, 2), 0) == KNOWN
        assert one.proof_of(envelope(number, 3)) == proof_id(token(number))
        assert one.count() == 2


def test_a_false_proof_purges_nothing():
    one = shelf(20)
    for number in range(200):
        assert one.prove(shelf_model.token(number), 0, SOURCE_MESH) == UNMATCHED
    # What knows only the lock: a lock is no token, and the lock that several know proves nothing.
    one.put(envelope(3), 0)
    assert one.prove(envelope(3).body[: limits.PROOF_BYTES], 0) == UNMATCHED
    assert one.prove((envelope(3).lock + bytes(4))[: limits.PROOF_BYTES], 0) == UNMATCHED
    assert one.count() == 21


def test_an_early_proof_is_remembered_until_its_letter_comes():
    one = shelf()
    assert one.prove(token(1), 0) == UNMATCHED
    assert one.prove(token(1), 0) == KNOWN
    assert one.ids() == []
    assert one.put(envelope(1), 0) == KNOWN
    assert one.ids() == [proof_id(token(1))]


def test_a_million_false_proofs_of_one_link_leave_room_for_those_of_others():
    one = shelf()
    assert one.prove(token(1), 0, SOURCE_HOST) == UNMATCHED
    for number in range(1_000):
        one.prove(number.to_bytes(limits.PROOF_BYTES, "big"), 0, SOURCE_MESH)
    assert len(one._unmatched) <= limits.UNMATCHED_PROOFS
    assert one.put(envelope(1), 0) == KNOWN and one.has(proof_id(token(1)))
    assert one.put(letter(1), 0) == KEPT


def test_a_proof_survives_a_restart_and_what_it_purged_does_not_come_back():
    class Forgetful(MemoryStore):
        def drop(self, place, note):
            if note:
                MemoryStore.drop(self, place, note)

    store = Forgetful()
    one = Shelf(store, Clock(0), 0)
    one.put(envelope(1), 0)
    one.put(envelope(2), 0)
    one.prove(token(1), 0)
    again = Shelf(store, Clock(0), 0)
    assert sorted(again.ids()) == sorted((proof_id(token(1)), envelope(2).id))


def test_a_proof_ends_when_its_letter_would_have_ended():
    one = shelf()
    one.put(envelope(8), 0)  # half an hour
    one.prove(token(8), 29 * 60_000)
    assert one.expire(29 * 60_000) == 0 and one.count() == 1
    assert one.expire(30 * 60_000) == 1 and one.count() == 0


def test_proofs_travel_and_purge_the_other_shelf():
    a, b = shelf(), shelf()
    for number in range(1, 30):
        a.put(envelope(number), 0)
        b.put(envelope(number), 0)
    for number in range(1, 20):
        a.prove(token(number), 0)
    one, two = links(a, b)
    run(one, two)
    assert sorted(a.ids()) == sorted(b.ids())
    assert sum(1 for identity in b.ids() if b.proof(identity)) == 19


def test_a_letter_that_comes_back_is_answered_with_its_proof():
    a, b = shelf(), shelf()
    a.put(envelope(1), 0)
    a.prove(token(1), 0)
    one, two = links(a, b)
    now = run(one, two)
    b.put(envelope(1, 1), now)
    two.push(now)
    run(one, two, now)
    assert b.ids() == [proof_id(token(1))] == a.ids()


def test_a_letter_that_a_full_shelf_refuses_is_declined_and_not_acknowledged():
    a, b = shelf(), shelf(max_count=1)
    b.put(letter(1, priority=1), 0)
    a.put(letter(2), 0)
    one, two = links(a, b)
    events = []
    now = 0
    for _ in range(30):
        now += 10
        for giver, taker in ((one, two), (two, one)):
            for data in giver.outgoing(now):
                events += taker.receive(data, now)
    assert ("declined", letter(2).id) in events and ("acked", letter(2).id) not in events
    assert one.settled and two.settled


def test_a_proof_that_was_pushed_out_is_taken_again_while_its_letter_lies_here():
    one = shelf(max_count=3)
    one.put(envelope(1), 0)
    one.prove(token(1), 0)
    one.drop(proof_id(token(1)))
    one.put(envelope(1, 1), 0)
    assert one.prove(token(1), 0) == PROVED and one.ids() == [proof_id(token(1))]
    assert one.known_count() == 0 and one.summary() == bytes(4)


def test_a_proof_that_is_over_does_not_end_a_letter_that_comes_then():
    one = shelf()
    one.put(envelope(8), 0)  # half an hour
    one.prove(token(8), 0)
    later = 31 * 60_000
    assert one.put(envelope(8, 1), later) == KEPT


def test_boards_that_never_saw_a_letter_and_those_that_let_it_go_have_nothing_to_meet_for():
    read, never = shelf(), shelf()
    read.put(envelope(1), 0)
    read.prove(token(1), 0)
    assert read.summary() == never.summary() and read.known_count() == never.known_count() == 0
    # Who has it still differs from both, and is met.
    late = shelf()
    late.put(envelope(1), 0)
    assert late.summary() != read.summary()
    run(*links(late, read))
    assert late.summary() == read.summary() and late.known_count() == 0


def test_a_letter_that_ended_leaves_no_difference_between_boards():
    one = shelf()
    one.put(letter(1, ttl=0), 0)
    one.expire(30 * 60_000)
    assert one.summary() == bytes(4) and one.known_count() == 0
