from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from people_support import flip, pair, source

from hedgerow.ratchet import double_ratchet as ratchet
from hedgerow.ratchet.state import State
from hedgerow_core import cbor
from hedgerow_core.envelope import NORMAL, TTL_DEFAULT, make
from hedgerow_core.errors import HedgerowError, PeerError


class Side:
    """One person: a state, and what was read."""

    def __init__(self, state, random):
        self.state = state
        self.random = random
        self.read = []

    def write(self, text):
        self.state, lock, body, token = ratchet.encrypt(self.state, text)
        return lock, body, token

    def open(self, letter, deep=False):
        """Whether the letter could be read; it is found by its lock, like on a shelf."""
        lock, body, token = letter
        place = (ratchet.deep_locks if deep else ratchet.locks)(self.state).get(lock)
        if place is None:
            return False
        self.state, text, published = ratchet.decrypt(self.state, place, lock, body, self.random)
        assert published == token
        self.read.append(text)
        return True


def sides(seed=0):
    random = source(seed)
    writer, reader = pair(random)
    return Side(writer, random), Side(reader, random)


def talk(alice, bob, turns):
    """Turns of one letter each way."""
    for number in range(turns):
        assert bob.open(alice.write(b"a%d" % number))
        assert alice.open(bob.write(b"b%d" % number))


def test_letters_go_both_ways():
    alice, bob = sides()
    talk(alice, bob, 5)
    assert bob.read == [b"a0", b"a1", b"a2", b"a3", b"a4"]
    assert alice.read == [b"b0", b"b1", b"b2", b"b3", b"b4"]


def test_who_asked_writes_only_after_the_answer_came():
    alice, bob = sides()
    assert ratchet.can_write(alice.state) and not ratchet.can_write(bob.state)
    with pytest.raises(HedgerowError):
        bob.write(b"too early")
    assert bob.open(alice.write(b"hello"))
    assert ratchet.can_write(bob.state)


def test_a_message_of_20_characters_travels_in_96_bytes():
    """27 bytes of plaintext: 20 of text and 7 of entry (the byte budget of the design)."""
    alice, _ = sides()
    lock, body, _ = alice.write(b"x" * 27)
    assert len(body) == 77
    assert len(make(NORMAL, TTL_DEFAULT, lock, body).encode()) == 96


@given(st.integers(0, 900))
@settings(max_examples=50, deadline=None)
def test_every_envelope_has_a_usual_size(length):
    alice, bob = sides()
    lock, body, token = alice.write(bytes(length))
    assert len(make(NORMAL, TTL_DEFAULT, lock, body).encode()) % 32 == 0
    assert bob.open((lock, body, token))
    assert bob.read == [bytes(length)]


def test_a_text_too_large_for_an_envelope_is_refused_and_costs_nothing():
    alice, _ = sides()
    before = alice.state
    with pytest.raises(HedgerowError):
        alice.write(bytes(1024))
    assert alice.state == before


STEPS = st.lists(
    st.tuples(st.sampled_from(["write", "open", "lose", "again"]), st.booleans(), st.integers(0, 1 << 16)),
    max_size=60,
)


@given(STEPS, st.booleans())
@settings(max_examples=150, deadline=None)
def test_each_letter_is_read_once_whatever_is_late_lost_or_doubled(steps, stored):
    """``stored``: every state goes through the database between two steps."""
    alice, bob = sides()
    ways = {True: (alice, bob, [], []), False: (bob, alice, [], [])}
    written = {True: [], False: []}
    lost = {True: set(), False: set()}
    for what, way, pick in steps:
        writer, reader, on_the_way, delivered = ways[way]
        if what == "write" and ratchet.can_write(writer.state):
            text = b"%d" % len(written[way])
            written[way].append(text)
            on_the_way.append((text, writer.write(text)))
        elif what == "open" and on_the_way:
            text, letter = on_the_way.pop(pick % len(on_the_way))
            assert reader.open(letter)
            assert reader.read[-1] == text
            delivered.append(letter)
        elif what == "lose" and on_the_way:
            lost[way].add(on_the_way.pop(pick % len(on_the_way))[0])
        elif what == "again" and delivered:
            assert not reader.open(delivered[pick % len(delivered)])
        if stored:
            alice.state = State.from_cbor(alice.state.to_cbor())
            bob.state = State.from_cbor(bob.state.to_cbor())
    # What is still on the way arrives at last, the newest first.
    for way, (_, reader, on_the_way, _) in ways.items():
        while on_the_way:
            assert reader.open(on_the_way.pop()[1])
        assert sorted(reader.read) == sorted(set(written[way]) - lost[way])


@given(STEPS)
@settings(max_examples=50, deadline=None)
def test_no_lock_and_no_key_is_ever_used_twice(steps):
    alice, bob = sides()
    locks, ratchet_keys = [], []
    for _, way, _ in steps:
        writer, reader = (alice, bob) if way else (bob, alice)
        if ratchet.can_write(writer.state):
            letter = writer.write(b"text")
            locks.append(letter[0])
            assert reader.open(letter)
            if not ratchet_keys or ratchet_keys[-1] != reader.state.dhr:
                ratchet_keys.append(reader.state.dhr)
    assert len(set(locks)) == len(locks)
    changes = [key for at, key in enumerate(ratchet_keys) if key not in ratchet_keys[:at]]
    assert changes == ratchet_keys


def test_one_text_written_twice_shows_nothing_in_common():
    alice, _ = sides()
    one, other = alice.write(b"the same"), alice.write(b"the same")
    same = sum(a == b for a, b in zip(one[1], other[1]))
    assert one[0] != other[0] and same < 8


def prepared():
    """Bob, and three letters that he can open: overtaken, of the present chain, of the next."""
    alice, bob = sides("prepared")
    talk(alice, bob, 2)
    overtaken, present = alice.write(b"overtaken"), [alice.write(b"present %d" % n) for n in range(2)]
    assert bob.open(present[0])
    assert alice.open(bob.write(b"turn"))
    return bob, {"overtaken": overtaken, "present": present[1], "next": alice.write(b"next")}


PREPARED = prepared()


@given(st.sampled_from(["overtaken", "present", "next"]), st.integers(0, 8 * 77 - 1))
@settings(max_examples=300, deadline=None)
def test_an_altered_letter_is_refused_and_the_genuine_one_still_opens(kind, bit):
    bob, letters = PREPARED
    lock, body, token = letters[kind]
    place = ratchet.locks(bob.state)[lock]
    before = bob.state.to_cbor()
    with pytest.raises(PeerError):
        ratchet.decrypt(bob.state, place, lock, flip(body, bit % (8 * len(body))), bob.random)
    assert bob.state.to_cbor() == before
    assert ratchet.decrypt(bob.state, place, lock, body, bob.random)[2] == token


@given(st.sampled_from(["overtaken", "present", "next"]), st.binary(max_size=200))
@settings(deadline=None)
def test_whatever_lies_under_a_lock_of_ours_ends_in_one_named_error(kind, body):
    bob, letters = PREPARED
    lock = letters[kind][0]
    with pytest.raises(PeerError):
        ratchet.decrypt(bob.state, ratchet.locks(bob.state)[lock], lock, body, bob.random)


def test_a_letter_laid_under_another_lock_is_refused():
    alice, bob = sides()
    one, other = alice.write(b"one"), alice.write(b"other")
    with pytest.raises(PeerError):
        ratchet.decrypt(bob.state, ratchet.locks(bob.state)[one[0]], one[0], other[1], bob.random)
    with pytest.raises(PeerError):
        ratchet.decrypt(bob.state, ratchet.locks(bob.state)[one[0]], other[0], one[1], bob.random)


def test_a_letter_of_one_conversation_is_refused_in_another():
    alice, bob = sides()
    lock, body, _ = alice.write(b"text")
    place = ratchet.locks(bob.state)[lock]
    with pytest.raises(PeerError):
        ratchet.decrypt(replace(bob.state, ad=b"b" * 136), place, lock, body, bob.random)


def test_a_place_found_earlier_still_opens_its_letter_after_others_were_read():
    """A scan finds several letters at once; opening the first must not strand the others."""
    alice, bob = sides()
    talk(alice, bob, 1)
    letters = [alice.write(b"%d" % number) for number in range(5)]
    places = ratchet.locks(bob.state)
    for number in (2, 0, 4, 1, 3):
        lock, body, _ = letters[number]
        bob.state, text, _ = ratchet.decrypt(bob.state, places[lock], lock, body, bob.random)
        assert text == b"%d" % number
    for lock, body, _ in letters:
        with pytest.raises(PeerError):
            ratchet.decrypt(bob.state, places[lock], lock, body, bob.random)


def test_no_gap_of_lost_letters_stalls_a_conversation():
    alice, bob = sides()
    for _ in range(300):
        alice.write(b"lost")
    letter = alice.write(b"found")
    assert letter[0] not in ratchet.locks(bob.state)
    assert bob.open(letter, deep=True)
    assert bob.read == [b"found"]
    assert alice.open(bob.write(b"answer"))


@pytest.mark.parametrize("count", [254, 255, 256, 400])
def test_letters_of_a_long_chain_are_read_after_the_turn(count):
    """From 255 letters on the length of the previous chain takes more than one byte."""
    alice, bob = sides()
    late = [alice.write(b"late %d" % number) for number in range(count)]
    assert bob.open(late.pop(0))
    assert alice.open(bob.write(b"turn"))
    assert bob.open(alice.write(b"new chain"))
    for letter in (late[-1], late[0], late[len(late) // 2]):
        assert bob.open(letter)
    assert len(bob.state.skipped) == count - 4


def test_the_keys_of_overtaken_letters_are_bounded_and_the_newest_stay():
    alice, bob = sides()
    letters = [alice.write(b"%d" % number) for number in range(2_102)]
    assert bob.open(letters[-1], deep=True)
    assert len(bob.state.skipped) == 2_000
    assert not bob.open(letters[100]) and not bob.open(letters[100], deep=True)
    assert bob.open(letters[101]) and bob.open(letters[2_100])
    assert bob.read[1:] == [b"101", b"2100"]
    assert len(bob.state.to_cbor()) < 200_000


def test_a_key_is_gone_once_its_letter_was_read():
    alice, bob = sides()
    first, second = alice.write(b"first"), alice.write(b"second")
    assert bob.open(second)
    (key,) = bob.state.skipped.values()
    assert bob.open(first)
    assert key not in bob.state.to_cbor()


def test_a_stolen_old_state_reads_nothing_after_one_turn():
    alice, bob = sides()
    talk(alice, bob, 1)
    stolen = Side(bob.state, source("thief"))
    talk(alice, bob, 2)
    assert not stolen.open(alice.write(b"after the turn"))


def test_a_state_comes_back_from_the_database_as_it_was():
    bob, _ = PREPARED
    for state in (*pair(source()), bob.state):
        assert State.from_cbor(state.to_cbor()) == state


def test_a_state_from_before_the_public_key_was_stored_goes_on():
    bob, letters = PREPARED
    mine, counts, _ = cbor.decode(bob.state.to_cbor())
    rows = [[*place, key] for place, key in bob.state.skipped.items()]
    old = State.from_cbor(cbor.encode([[*mine[:3], *mine[4:]], counts, rows]))
    assert old == bob.state and len(rows) == 1


def test_a_thousand_overtaken_letters_are_all_read_and_fit_into_64_kilobytes():
    alice, bob = sides()
    talk(alice, bob, 3)
    letters = [alice.write(b"%d" % number) for number in range(1_001)]
    assert bob.open(letters.pop(), deep=True)
    assert len(bob.state.to_cbor()) <= 64_000
    bob.state = State.from_cbor(bob.state.to_cbor())
    places = ratchet.locks(bob.state)
    for lock, body, _ in letters:
        bob.state, text, _ = ratchet.decrypt(bob.state, places[lock], lock, body, bob.random)
        bob.read.append(text)
    assert bob.read[-1_000:] == [b"%d" % number for number in range(1_000)]
