"""Six digits over three flights: both see the same, whoever stands in between has one guess."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from people_support import NOW, flip, person, source

from hedgerow.people import fingerprint
from hedgerow.people import verification as v
from hedgerow.people.verification import Run, Sides
from hedgerow_core.errors import LimitError, PeerError

DAY_MS = 24 * 3_600_000


def who(name):
    account = person(name)
    return account.account_key + account.device_key


ALICE, BOB, MALLORY = who("alice"), who("bob"), who("mallory")


class Phone:
    """One side: what it keeps, and what it sends."""

    def __init__(self, ours, theirs, name):
        self.sides, self.random = Sides(ours, theirs), source(name)
        self.run, self.order, self.now = Run(), 0, NOW

    def begin(self):
        self.run = v.begin(self.run, self.sides, self.now, self.random)
        return v.flight(self.run)

    def hear(self, data, order=None):
        """The flight that answers, or nothing."""
        self.order = self.order + 1 if order is None else order
        self.run, answer = v.receive(self.run, self.sides, data, self.order, self.now, self.random)
        return v.flight(self.run) if answer else b""

    @property
    def code(self):
        return v.code(self.run, self.sides)


def phones():
    return Phone(ALICE, BOB, "a"), Phone(BOB, ALICE, "b")


def talk(first, second, flight):
    """Until nobody answers; every flight."""
    flights = []
    speaker, hearer = first, second
    while flight:
        flights.append(flight)
        flight = hearer.hear(flight)
        speaker, hearer = hearer, speaker
        assert len(flights) < 10
    return flights


@pytest.mark.parametrize("leads", [True, False])
def test_both_see_the_same_six_digits(leads):
    alice, bob = phones() if leads else reversed(phones())
    assert [len(flight) for flight in talk(alice, bob, alice.begin())] == [33, 41, 41]
    assert alice.code == bob.code and len(alice.code) == 6 and alice.code.isdigit()


def test_each_run_has_other_digits():
    alice, bob = phones()
    seen = set()
    for _ in range(5):
        talk(alice, bob, alice.begin())
        seen.add(alice.code)
    assert len(seen) == 5


def test_who_stands_in_between_shows_each_other_digits():
    alice, to_bob = Phone(ALICE, MALLORY, "a"), Phone(MALLORY, BOB, "m1")
    bob, to_alice = Phone(BOB, MALLORY, "b"), Phone(MALLORY, ALICE, "m2")
    talk(alice, to_alice, alice.begin())
    talk(to_bob, bob, to_bob.begin())
    assert alice.run.phase == bob.run.phase == v.SHOWN
    assert alice.code != bob.code


def test_passing_flights_on_between_two_who_are_deceived_gives_no_digits():
    # The transcripts differ, so what Alice committed to is no commitment for Bob.
    alice, bob = Phone(ALICE, MALLORY, "a"), Phone(BOB, MALLORY, "b")
    bob.hear(alice.hear(bob.hear(alice.begin())))
    assert bob.run.phase == v.DIFFERENT


def test_digits_are_spread_evenly():
    sides = Sides(ALICE, BOB)
    codes = [v.code(Run(v.SHOWN, True, b"", bytes([n >> 8, n & 255]), b"x"), sides) for n in range(3_000)]
    for place in range(6):
        counts = [sum(code[place] == digit for code in codes) for digit in "0123456789"]
        assert min(counts) > 200 and max(counts) < 400


@pytest.mark.parametrize("bit", range(0, 41 * 8, 7))
@pytest.mark.parametrize("which", [0, 1, 2])
def test_an_altered_flight_never_gives_the_same_digits(which, bit):
    alice, bob = phones()
    speaker, hearer, flight = alice, bob, alice.begin()
    for number in itertools.count():
        if number == which:
            flight = flip(flight, bit % (len(flight) * 8))
        try:
            flight = hearer.hear(flight)
        except PeerError:
            break
        if not flight:
            break
        speaker, hearer = hearer, speaker
    shown = [phone for phone in (alice, bob) if phone.run.phase == v.SHOWN]
    assert len(shown) < 2 or alice.code != bob.code


@given(st.binary(max_size=60))
def test_whatever_comes_ends_in_a_refusal_and_nothing_that_shows_digits(data):
    alice, bob = phones()
    bob.hear(alice.begin())
    for phone in (alice, bob):
        before = phone.run
        try:
            phone.hear(data)
        except PeerError:
            assert phone.run == before
        assert phone.run.phase != v.SHOWN or data[1:9] == before.commitment[:8]


@given(st.lists(st.integers(0, 63), max_size=20), st.booleans())
def test_lost_doubled_and_overtaken_flights_end_in_one_clear_state(picks, both):
    """However what was sent arrives, in the end both show the same digits."""
    alice, bob = phones()
    sent = {alice: 1, bob: 1}
    post = {bob: [(1, alice.begin())], alice: [(1, bob.begin())] if both else []}

    def deliver(phone, other, order, flight):
        answer = phone.hear(flight, order)
        if answer:
            sent[phone] += 1
            post[other].append((sent[phone], answer))

    for pick in picks:
        phone, other = (alice, bob) if pick & 1 else (bob, alice)
        if post[phone]:
            at = (pick >> 2) % len(post[phone])
            order, flight = post[phone][at]
            if not pick & 2:
                del post[phone][at]  # else it comes again
            deliver(phone, other, order, flight)
        if alice.run.phase == bob.run.phase == v.SHOWN:
            assert alice.code == bob.code
    # What is left is lost; in the end all is sent again, daily, and arrives.
    post[alice].clear()
    post[bob].clear()
    for _ in range(8):
        for phone, other in ((alice, bob), (bob, alice)):
            if phone.run.phase in (v.BEGUN, v.ANSWERED):
                sent[phone] += 1
                post[other].append((sent[phone], v.flight(phone.run)))
            for reader, writer in ((bob, alice), (alice, bob)) * 3:
                while post[reader]:
                    deliver(reader, writer, *post[reader].pop(0))
    assert alice.run.phase == bob.run.phase == v.SHOWN
    assert alice.code == bob.code


def test_two_who_begin_at_once_end_in_one_run():
    alice, bob = phones()
    one, other = alice.begin(), bob.begin()
    leader, follower = (alice, bob) if alice.sides.leads else (bob, alice)
    to_follower, to_leader = (one, other) if leader is alice else (other, one)
    leader.hear(to_leader)
    assert leader.run.began
    talk(follower, leader, follower.hear(to_follower))
    assert alice.code == bob.code and leader.run.began and not follower.run.began


def test_a_flight_that_is_heard_again_changes_nothing():
    alice, bob = phones()
    flights = talk(alice, bob, alice.begin())
    before = alice.run, bob.run
    for flight in (flights[0], flights[2]):
        bob.hear(flight)
    alice.hear(flights[1])
    assert (alice.run, bob.run) == before


def test_flights_in_the_wrong_order_change_nothing():
    alice, bob = phones()
    flights = talk(alice, bob, alice.begin())
    late, early = Phone(BOB, ALICE, "late"), Phone(ALICE, BOB, "early")
    assert late.hear(flights[2]) == late.hear(flights[1]) == b"" and late.run == Run()
    assert early.hear(flights[1]) == b"" and early.run == Run()


def test_a_second_answer_to_one_commitment_does_not_change_the_digits():
    alice, bob = phones()
    bob.hear(alice.begin())
    alice.hear(v.flight(bob.run))
    before = alice.run
    assert alice.hear(v.flight(replace(bob.run, nonce_b=bytes(32)))) == b""
    assert alice.run == before


def test_a_run_that_was_overtaken_by_a_newer_one_does_not_come_back():
    alice, bob = phones()
    old = alice.begin()
    alice.run = Run()
    talk(alice, bob, alice.begin())
    before = bob.run
    bob.hear(old, order=0)
    assert bob.run == before and alice.code == bob.code


def test_the_other_side_can_begin_so_many_runs_and_no_more():
    mallory, bob = Phone(ALICE, BOB, "m"), Phone(BOB, ALICE, "b")
    answered = 0
    for _ in range(50):
        mallory.run = Run()  # who forgets what it began
        answered += bool(bob.hear(mallory.begin()))
    assert answered == v.RUNS
    bob.now = mallory.now = NOW + v.RUNS_MS + DAY_MS
    assert bob.hear(mallory.begin())


def test_our_own_runs_are_not_limited_by_theirs():
    mallory, bob = Phone(ALICE, BOB, "m"), Phone(BOB, ALICE, "b")
    for _ in range(20):
        mallory.run = Run()
        bob.hear(mallory.begin())
    mallory.run = Run()
    talk(bob, mallory, bob.begin())
    assert bob.run.phase == v.SHOWN and bob.code == mallory.code


def test_we_begin_no_more_runs_than_they_would_answer():
    alice, bob = phones()
    for _ in range(v.RUNS):
        assert bob.hear(alice.begin())
    with pytest.raises(LimitError):
        alice.begin()
    alice.now += v.RUNS_MS
    assert bob.hear(alice.begin()) == b""  # his clock did not go on
    bob.now += v.RUNS_MS
    assert bob.hear(v.flight(alice.run))


def test_a_run_that_nobody_answers_is_over_after_14_days():
    alice, bob = phones()
    flight = alice.begin()
    assert not alice.run.over(NOW + 13 * DAY_MS)
    assert alice.run.over(NOW + 14 * DAY_MS)
    answer = bob.hear(flight)
    alice.now += 15 * DAY_MS
    assert alice.hear(answer) == b"" and alice.run.phase == v.BEGUN


def test_digits_that_do_not_fit_end_the_run():
    alice, bob = phones()
    talk(alice, bob, alice.begin())
    assert v.compare(alice.run, alice.sides, bob.code).confirmed
    wrong = f"{(int(bob.code) + 1) % 10**6:06}"
    ended = v.compare(alice.run, alice.sides, wrong)
    assert ended.phase == v.DIFFERENT and not ended.confirmed and v.flight(ended) == b""
    with pytest.raises(PeerError):
        v.code(ended, alice.sides)


@given(st.integers(0, 4), st.booleans(), st.binary(max_size=40), st.lists(st.integers(0, 2**50)))
def test_what_is_kept_is_read_again(phase, began, data, times):
    run = Run(phase, began, data, data, b"", 7, tuple(times), (5,), 3, not began)
    assert Run.from_cbor(run.to_cbor()) == run


@given(st.binary(max_size=80))
def test_a_damaged_run_is_refused(data):
    with pytest.raises(PeerError):
        Run.from_cbor(data)


def test_the_fingerprint_is_the_same_on_both_sides_and_of_nobody_else():
    digits = fingerprint.digits(ALICE, BOB)
    assert digits == fingerprint.digits(BOB, ALICE)
    assert len(digits) == 60 and digits.isdigit()
    assert digits not in (fingerprint.digits(ALICE, MALLORY), fingerprint.digits(BOB, MALLORY))
    assert "".join(fingerprint.groups(digits)) == digits and len(fingerprint.groups(digits)) == 12


@pytest.mark.parametrize("bit", [0, 255, 256, 511])
def test_any_other_key_gives_another_fingerprint(bit):
    changed = fingerprint.digits(ALICE, flip(BOB, bit))
    assert changed != fingerprint.digits(ALICE, BOB)
