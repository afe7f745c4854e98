"""What docs/security.md promises of letters between two people."""

from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from node_support import DAY_MS, Village
from people_support import AD, flip, pair, source

from hedgerow.identity import keys
from hedgerow.ratchet import double_ratchet as ratchet
from hedgerow.ratchet import kdf
from hedgerow.ratchet.state import State
from hedgerow_core import envelope as envelopes
from hedgerow_core.errors import AuthError, PeerError

REACH = 24  # so many steps a thief goes on from a key


class Talk:
    """Two people, all that was ever on the air, and what of it was read."""

    def __init__(self, seed="talk"):
        self.random = source(seed)
        self.states = dict(zip((True, False), pair(self.random), strict=True))
        self.on_air = []  # (writer, lock, body)
        self.waiting = {True: [], False: []}
        self.read = {True: [], False: []}  # by reader: indices into on_air

    def write(self, writer):
        if ratchet.can_write(self.states[writer]):
            self.states[writer], lock, body, _ = ratchet.encrypt(
                self.states[writer], b"%d" % len(self.on_air)
            )
            self.waiting[not writer].append(len(self.on_air))
            self.on_air.append((writer, lock, body))

    def deliver(self, reader, pick=0):
        if not self.waiting[reader]:
            return
        index = self.waiting[reader].pop(pick % len(self.waiting[reader]))
        _, lock, body = self.on_air[index]
        place = ratchet.locks(self.states[reader])[lock]
        self.states[reader], text, _ = ratchet.decrypt(self.states[reader], place, lock, body, self.random)
        assert text == b"%d" % index
        self.read[reader].append(index)

    def exchange(self):
        """Both write once, and read it: with keys that were made meanwhile."""
        for writer in (True, False, True, False):
            self.write(writer)
            while self.waiting[not writer]:
                self.deliver(not writer, -1)


def steal(state):
    """Every 32 bytes that could be a key, from what lies in the database."""
    stored = State.from_cbor(state.to_cbor())
    found = [stored.rk, stored.dhs, stored.cks, stored.ckr]
    found += [stored.hks, stored.hkr, stored.nhks, stored.nhkr]
    return {key for key in [*found, *stored.skipped.values()] if key}


def opens(stolen, letter):
    """Whether any key of ``stolen``, as a message key or as a chain some steps on, opens a letter."""
    _, lock, body = letter
    for key in stolen:
        for message_key in _reachable(key):
            try:
                keys.unseal(kdf.seal_key(message_key), body[33:], AD + lock + body[:33])
                return True
            except AuthError:
                pass
    return False


def _reachable(key):
    yield key
    for _ in range(REACH):
        key, message_key = kdf.chain_step(key)
        yield message_key


TURNS = st.lists(
    st.tuples(
        st.sampled_from(["write", "write", "read", "read", "lose", "restart"]),
        st.booleans(),
        st.integers(0, 99),
    ),
    max_size=24,
)


def play(talk, steps):
    for what, who, pick in steps:
        if what == "write":
            talk.write(who)
        elif what == "read":
            talk.deliver(who, pick)
        elif what == "lose" and talk.waiting[who]:
            talk.waiting[who].pop(pick % len(talk.waiting[who]))
        elif what == "restart":
            talk.states[who] = State.from_cbor(talk.states[who].to_cbor())


@given(TURNS, st.booleans())
@settings(max_examples=60, deadline=None)
def test_who_steals_a_state_reads_nothing_of_what_was_read_before(steps, victim):
    with patch.object(ratchet, "WINDOW", 30):
        talk = Talk()
        play(talk, steps)
    stolen = steal(talk.states[victim])
    for index in talk.read[victim]:
        assert not opens(stolen, talk.on_air[index])
    for index, letter in enumerate(talk.on_air):
        if letter[0] == victim:
            assert not opens(stolen, letter), f"own letter {index}"


def test_the_thief_of_these_tests_does_read_what_a_thief_can():
    """What was jumped over, and what is written next: or the tests above and below would see nothing."""
    talk = Talk()
    for _ in range(4):
        talk.write(True)
    talk.deliver(False, 2)
    talk.write(True)
    stolen = steal(talk.states[False])
    assert [opens(stolen, letter) for letter in talk.on_air] == [True, True, False, True, True]


@given(TURNS, st.booleans(), TURNS)
@settings(max_examples=60, deadline=None)
def test_who_stole_a_state_reads_nothing_after_the_next_exchange(before, victim, after):
    """The thief listens to everything that follows, and follows as far as the stolen keys go."""
    with patch.object(ratchet, "WINDOW", 60):
        talk = Talk()
        play(talk, before)
        thief = talk.states[victim]
        stolen = steal(thief)
        begin = len(talk.on_air)
        talk.exchange()
        healed = len(talk.on_air)
        play(talk, after)
        talk.exchange()
        random = source("thief")
        for letter in talk.on_air[begin:healed]:
            place = ratchet.locks(thief).get(letter[1])
            if letter[0] != victim and place is not None:
                try:
                    thief = ratchet.decrypt(thief, place, letter[1], letter[2], random)[0]
                    stolen |= steal(thief)
                except PeerError:
                    pass
        for letter in talk.on_air[healed:]:
            assert not opens(stolen, letter)


@given(TURNS)
@settings(max_examples=100, deadline=None)
def test_a_state_never_grows_past_its_bound(steps):
    with patch.object(ratchet, "WINDOW", 60), patch.object(ratchet, "SKIPPED_KEYS", 5):
        talk = Talk()
        for what, who, pick in steps:
            if what != "read" or not talk.waiting[who]:
                play(talk, [(what, who, pick)])
                continue
            # Of what was jumped over, the oldest may be gone; everything else is there.
            index = talk.waiting[who][pick % len(talk.waiting[who])]
            if talk.on_air[index][1] in ratchet.locks(talk.states[who]):
                talk.deliver(who, pick)
            else:
                talk.waiting[who].remove(index)
            assert len(talk.states[who].skipped) <= 5
            assert len(talk.states[who].to_cbor()) <= 700 + 5 * 76


def test_many_small_gaps_leave_no_more_keys_than_a_great_one():
    """Three of four letters are lost, over several turns: the keys of the newest are kept."""
    with patch.object(ratchet, "WINDOW", 60), patch.object(ratchet, "SKIPPED_KEYS", 10):
        talk = Talk()
        lost = []
        for _ in range(4):
            for _ in range(4):
                for _ in range(4):
                    talk.write(True)
                lost += talk.waiting[False][-4:-1]
                talk.deliver(False, -1)
                assert len(talk.states[False].skipped) == min(10, len(lost))
            talk.write(False)
            talk.deliver(True)
        known = ratchet.locks(talk.states[False])
        assert [talk.on_air[index][1] in known for index in lost] == [False] * 38 + [True] * 10


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 60)), min_size=1, max_size=12))
@settings(max_examples=60, deadline=None)
def test_no_gap_stalls_a_conversation(turns):
    """Any number of letters is lost before one arrives; what the window misses the deep scan finds."""
    with patch.object(ratchet, "WINDOW", 4), patch.object(ratchet, "JUMP", 64):
        talk = Talk()
        for writer, lost in turns:
            state = talk.states[writer]
            if not ratchet.can_write(state) or state.ns + lost >= ratchet.JUMP:
                continue
            for _ in range(lost + 1):
                talk.write(writer)
            _, lock, body = talk.on_air[-1]
            reader = talk.states[not writer]
            place = (ratchet.locks(reader) | ratchet.deep_locks(reader))[lock]
            text = ratchet.decrypt(reader, place, lock, body, talk.random)
            talk.states[not writer] = text[0]
            assert text[1] == b"%d" % (len(talk.on_air) - 1)


def counted(state, place, lock, body):
    """(Diffie-Hellmans, steps of a chain) that a forged letter costs."""
    with (
        patch.object(keys, "dh", wraps=keys.dh) as dh,
        patch.object(kdf, "chain_step", wraps=kdf.chain_step) as step,
        pytest.raises(PeerError),
    ):
        ratchet.decrypt(state, place, lock, body, source("cost"))
    return dh.call_count, step.call_count


def test_a_forged_header_costs_bounded_work():
    talk = Talk()
    talk.exchange()
    state = talk.states[False]
    far = {}
    for lock, place in ratchet.deep_locks(state).items():
        if place.number in (ratchet.JUMP - 1, state.nr + ratchet.JUMP - 1):
            far[place.header_key] = (place, lock)
    place, lock = far[state.hkr]
    # In the present chain the ratchet key is known, so a made-up one costs nothing.
    assert counted(state, place, lock, bytes(77)) == (0, 0)
    place, lock = far[state.nhkr]
    assert counted(state, place, lock, bytes(range(77))) == (1, ratchet.JUMP)


def test_a_forged_length_of_the_chain_before_costs_nothing():
    """A mask is no authentication: whoever guesses the header may claim four billion letters."""
    talk = Talk()
    talk.exchange()
    talk.write(True)
    _, lock, body = talk.on_air[-1]
    place = ratchet.locks(talk.states[False])[lock]
    mask = kdf.masked(*place, bytes(37))
    long = bytes(a ^ b for a, b in zip(b"\xff" * 5, mask[32:37], strict=True))
    assert place.header_key == talk.states[False].nhkr
    assert counted(talk.states[False], place, lock, body[:32] + long + body[37:]) == (0, 0)


ALICE, BOB = "Alice", "Bob"


@pytest.mark.parametrize("first", ["forged", "true"])
def test_an_altered_copy_under_the_same_lock_neither_loses_nor_doubles_the_true_letter(first):
    with Village(ALICE, BOB) as village:
        village.befriend(ALICE, BOB)
        true = village.send(ALICE, BOB, "the true one")
        altered = [
            envelopes.make(envelopes.NORMAL, envelopes.TTL_DEFAULT, true.lock, flip(true.body, bit))
            for bit in range(0, 8 * len(true.body), 37)
        ]
        every = [*altered, true, *altered] if first == "forged" else [true, *altered, true]
        for envelope in every:
            village.put(envelope, BOB)
            village.poll(BOB)
        assert village.read(BOB) == [(ALICE, "the true one")]
        village.exchange()
        assert village.read(BOB) == [(ALICE, "the true one")]
        village.send(ALICE, BOB, "the next")
        village.send(BOB, ALICE, "an answer")
        village.exchange()
        assert village.read(BOB) == [(ALICE, "the true one"), (ALICE, "the next")]
        assert village.read(ALICE) == [(BOB, "an answer")]


@pytest.mark.parametrize("jumps", [(4000, -4000, 1), (-200, 30, -1, 400)])
def test_a_clock_that_jumps_loses_no_letter_and_shows_none_twice(jumps):
    """Days forth and back."""
    with Village(ALICE, BOB) as village:
        village.befriend(ALICE, BOB)
        for number, days in enumerate(jumps):
            village.now += days * DAY_MS
            village.send(ALICE, BOB, f"to {number}")
            village.send(BOB, ALICE, f"fro {number}")
            village.exchange()
            assert sorted(village.read(BOB)) == [(ALICE, f"to {n}") for n in range(number + 1)]
            assert sorted(village.read(ALICE)) == [(BOB, f"fro {n}") for n in range(number + 1)]
