from dataclasses import replace
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from people_support import flip, pair, person, source

from hedgerow.identity import keys
from hedgerow.ratchet import double_ratchet as ratchet
from hedgerow.ratchet import reset, sessions
from hedgerow.ratchet.sessions import Sessions
from hedgerow_core.envelope import NORMAL, TTL_DEFAULT, make
from hedgerow_core.errors import AuthError, HedgerowError, PeerError

ALICE, BOB, MALLORY = (person(name) for name in ("Alice", "Bob", "Mallory"))
HELLO = b"hello"


def devices(account, other):
    return reset.pair(account, other.card("somebody"))


class Host:
    """What a host does with one contact: it reads, answers resets and confirms answers."""

    clock = 0

    def __init__(self, account, other, state, random):
        self.devices = devices(account, other)
        self.sessions = Sessions(state)
        self.random = random
        self.read = []
        self.out = []
        self.opened = set()
        self.restored = False

    def write(self, text):
        if sessions.can_write(self.sessions):
            self.sessions, lock, body, _ = sessions.encrypt(self.sessions, text)
            self.out.append((lock, body))
            return True
        return False

    def ask(self):
        Host.clock += 1
        self.sessions = sessions.ask(self.sessions, self.devices, Host.clock, self.random)
        self.repeat()

    def repeat(self):
        """Send the reset again, in another slot."""
        if self.sessions.asking:
            slot = self.random(1)[0]
            body = reset.body_for_slot(self.devices, self.sessions.asking.asked, slot)
            self.out.append((reset.our_lock(self.devices, slot), body))

    def take(self, letter):
        """Whether an envelope was for us."""
        lock, body = letter
        slot = reset.locks(self.devices).get(lock)
        if slot is not None:
            self.sessions, identity, _, _ = sessions.receive(
                self.sessions, self.devices, slot, body, self.random
            )
            if identity in [offer.id for offer in self.sessions.offered]:
                answer = sessions.encrypt_offer(self.sessions, identity, HELLO)
                self.sessions = answer[0]
                self.out.append(answer[1:3])
            return True
        place = sessions.locks(self.sessions).get(lock)
        if place is None:
            return False
        due = self.sessions.confirm
        try:
            self.sessions, text, _ = sessions.decrypt(self.sessions, place, lock, body, self.random)
        except AuthError:
            # Somebody restored, and forgot an answer; their reset is on its way.
            assert self.restored
            return False
        assert letter not in self.opened, "a letter was read twice"
        self.opened.add(letter)
        if text != HELLO:
            self.read.append(text)
        if self.sessions.confirm and not due:
            self.write(HELLO)
        return True


def two(seed="two"):
    random = source(seed)
    mine, theirs = pair(random)
    alice, bob = Host(ALICE, BOB, mine, random), Host(BOB, ALICE, theirs, random)
    alice.write(b"first")
    deliver(alice, bob)
    bob.write(b"second")
    deliver(bob, alice)
    return alice, bob


def deliver(giver, taker):
    while giver.out:
        taker.take(giver.out.pop(0))


def settle(alice, bob):
    while alice.out or bob.out:
        deliver(alice, bob)
        deliver(bob, alice)


def check_that_both_write(alice, bob):
    """Letters that cross, then letters in turn: all of them arrive, and both are in one session."""
    for turn in range(3):
        for host in (alice, bob):
            assert host.write(b"crossing %d" % turn)
        crossing = alice.out[:], bob.out[:]
        alice.out.clear(), bob.out.clear()
        for letter in crossing[0]:
            assert bob.take(letter)
        for letter in crossing[1]:
            assert alice.take(letter)
        for host in (alice, bob):
            assert host.read[-1] == b"crossing %d" % turn
    assert alice.sessions.present.ad == bob.sessions.present.ad
    for turn in range(3):
        for writer, reader in ((alice, bob), (bob, alice)):
            text = b"%d of %d" % (turn, id(writer))
            assert writer.write(text)
            deliver(writer, reader)
            assert reader.read[-1] == text


def test_who_lost_the_ratchet_goes_on_after_a_reset():
    alice, bob = two()
    alice.sessions = Sessions(None)
    bob.write(b"nobody can read this")
    bob.out.clear()
    alice.ask()
    assert not alice.write(b"too early")
    settle(alice, bob)
    assert alice.sessions.asking is None and alice.sessions.confirm
    check_that_both_write(alice, bob)
    assert not alice.sessions.confirm


def test_a_confirmation_that_was_lost_is_due_until_one_was_proved():
    alice, bob = two()
    alice.sessions = Sessions(None)
    alice.ask()
    deliver(alice, bob)
    deliver(bob, alice)
    alice.out.clear()
    assert alice.sessions.confirm and bob.sessions.offered
    assert alice.write(HELLO)
    assert alice.sessions.confirm
    settle(alice, bob)
    assert not bob.sessions.offered
    alice.sessions = sessions.proved(alice.sessions)
    assert not alice.sessions.confirm
    check_that_both_write(alice, bob)


def test_the_other_side_may_reset_just_as_well():
    alice, bob = two()
    bob.sessions = Sessions(None)
    bob.ask()
    settle(alice, bob)
    check_that_both_write(alice, bob)


def test_both_may_have_lost_everything():
    alice, bob = two()
    alice.sessions = bob.sessions = Sessions(None)
    alice.ask()
    settle(alice, bob)
    check_that_both_write(alice, bob)


@pytest.mark.parametrize("order", ["asks cross", "answers cross", "one after the other"])
def test_who_reset_at_the_same_time_go_on_in_one_session(order):
    alice, bob = two()
    alice.sessions = bob.sessions = Sessions(None)
    alice.ask()
    if order == "one after the other":
        deliver(alice, bob)
    bob.ask()
    if order == "answers cross":
        asked = alice.out, bob.out
        alice.out, bob.out = [], []
        for letter in asked[0]:
            bob.take(letter)
        for letter in asked[1]:
            alice.take(letter)
        answers = alice.out, bob.out
        alice.out, bob.out = [], []
        for letter in answers[1]:
            alice.take(letter)
        for letter in answers[0]:
            bob.take(letter)
    settle(alice, bob)
    check_that_both_write(alice, bob)


def test_a_reset_that_is_heard_again_changes_nothing():
    alice, bob = two()
    alice.ask()
    heard = list(alice.out)
    settle(alice, bob)
    check_that_both_write(alice, bob)
    before = bob.sessions
    for letter in heard * 3:
        bob.take(letter)
    assert bob.sessions == before and not bob.out
    check_that_both_write(alice, bob)


def test_an_old_reset_does_not_break_what_works_even_where_it_was_forgotten():
    """Bob went back to an old copy, so he does not know that he saw it."""
    alice, bob = two()
    alice.ask()
    heard = list(alice.out)
    settle(alice, bob)
    bob.sessions = replace(bob.sessions, seen=())
    for letter in heard:
        bob.take(letter)
    settle(alice, bob)
    assert [offer.state.nr for offer in bob.sessions.offered] == [0]
    check_that_both_write(alice, bob)


def test_a_great_many_old_resets_leave_a_bounded_number_of_sessions():
    alice, bob = two()
    heard = []
    for _ in range(6):
        alice.ask()
        heard.append(alice.out.pop())
    alice.sessions = replace(alice.sessions, asking=None)
    with patch.object(sessions, "SEEN", 3):
        for letter in heard * 2:
            bob.take(letter)
            assert len(bob.sessions.offered) <= sessions.OFFERED
            assert len(bob.sessions.seen) <= 3
    assert len(bob.sessions.to_cbor()) < 10_000


@pytest.mark.parametrize("who", [0, 1])
def test_after_a_restore_no_key_is_used_twice(who):
    """A copy of the day before would seal another text under a key that was used already."""
    hosts = two()
    host, other = hosts[who], hosts[1 - who]
    other.write(b"before")
    deliver(other, host)
    backup = host.sessions
    host.write(b"written after the backup")
    used = {lock for lock, _ in host.out}
    other.write(b"of the chain that was there")
    other.write(b"and another")
    late = other.out[:]
    other.out.clear()
    deliver(host, other)
    host.sessions = backup
    host.ask()
    host.take(late[0])
    settle(host, other)
    for letter in (late[1], None):
        if letter is not None:
            assert host.take(letter)
        assert host.write(b"after the reset")
        assert used.isdisjoint({lock for lock, _ in host.out})
        settle(host, other)
    assert host.read[-2:] == [b"of the chain that was there", b"and another"]
    assert other.read[-2:] == [b"after the reset"] * 2
    check_that_both_write(host, other)


@pytest.mark.parametrize("who", [0, 1])
def test_a_letter_that_was_overtaken_does_not_lead_back_to_the_old_session(who):
    hosts = two()
    host, other = hosts[who], hosts[1 - who]
    host.write(b"turn")
    deliver(host, other)
    other.write(b"overtaken")
    overtaken = other.out.pop()
    other.write(b"overtaking")
    deliver(other, host)
    other.sessions = Sessions(None)
    other.ask()
    settle(host, other)
    present = host.sessions.present
    assert host.take(overtaken) and host.read[-1] == b"overtaken"
    assert host.sessions.present is present
    check_that_both_write(host, other)


def test_letters_of_the_old_session_that_are_late_are_still_read():
    alice, bob = two()
    bob.write(b"late")
    late = bob.out.pop()
    alice.ask()
    settle(alice, bob)
    alice.take(late)
    assert alice.read[-1] == b"late"
    check_that_both_write(alice, bob)


def test_a_reset_is_found_only_by_whom_it_is_for():
    alice, bob = two()
    alice.ask()
    lock = alice.out[0][0]
    assert lock in reset.locks(bob.devices)
    assert lock not in reset.locks(alice.devices)
    assert lock not in reset.locks(devices(BOB, MALLORY)) and lock not in reset.locks(devices(MALLORY, ALICE))
    everybody = [*reset.locks(bob.devices), *reset.locks(alice.devices)]
    assert len(set(everybody)) == 512


def test_old_resets_that_arrive_late_do_not_push_out_the_one_that_counts():
    alice, bob = two()
    for _ in range(7):
        alice.ask()
    bob.take(alice.out.pop())
    answer = bob.out.pop()
    while alice.out:
        bob.take(alice.out.pop(0))
    bob.out.clear()
    assert alice.take(answer)
    settle(alice, bob)
    check_that_both_write(alice, bob)


@given(st.integers(0, 8 * reset.BODY_BYTES - 1))
@settings(max_examples=60, deadline=None)
def test_an_altered_reset_is_refused_and_the_genuine_one_still_works(bit):
    alice, bob = two()
    alice.ask()
    lock, body = alice.out[0]
    before = bob.sessions
    with pytest.raises(PeerError):
        bob.take((lock, flip(body, bit)))
    assert bob.sessions == before
    settle(alice, bob)
    assert alice.write(b"genuine") and alice.sessions.present
    deliver(alice, bob)
    assert bob.read[-1] == b"genuine"


@given(st.binary(max_size=400) | st.binary(min_size=reset.BODY_BYTES, max_size=reset.BODY_BYTES))
@settings(deadline=None)
def test_whatever_lies_under_the_lock_of_a_reset_ends_in_one_named_error(body):
    with pytest.raises(PeerError):
        reset.open(devices(BOB, ALICE), 3, body)


def test_a_reset_from_somebody_who_knows_all_public_keys_is_refused():
    forger = replace(devices(MALLORY, BOB), ours=devices(ALICE, BOB).ours)
    body = reset.body_for_slot(forger, reset.create(forger, 7, source("forger")), 3)
    with pytest.raises(PeerError):
        reset.open(devices(BOB, ALICE), 3, body)


def test_a_reset_is_refused_in_the_other_direction_and_in_another_slot():
    mine, theirs = devices(ALICE, BOB), devices(BOB, ALICE)
    body = reset.body_for_slot(mine, reset.create(mine, 7, source("slot")), 3)
    assert reset.open(theirs, 3, body)
    with pytest.raises(PeerError):
        reset.open(mine, 3, body)
    with pytest.raises(PeerError):
        reset.open(theirs, 4, body)


def test_a_forged_reset_costs_one_diffie_hellman():
    theirs = devices(BOB, ALICE)
    with patch.object(keys, "dh", wraps=keys.dh) as dh, pytest.raises(PeerError):
        reset.open(theirs, 3, bytes(range(256))[: reset.BODY_BYTES].ljust(reset.BODY_BYTES, b"x"))
    assert dh.call_count == 1


def test_a_reset_looks_like_the_contact_request_of_somebody():
    """A shared lock, 288 bytes; a repetition shows the same stop, as a request does, and no key twice."""
    mine = devices(ALICE, BOB)
    asked = reset.create(mine, 7, source("looks"))
    one, other = (reset.body_for_slot(mine, asked, slot) for slot in (1, 2))
    envelope = make(NORMAL, TTL_DEFAULT, reset.our_lock(mine, 1), one, shared=True)
    assert len(envelope.encode()) == 288
    assert one[:16] == other[:16]
    assert sum(a == b for a, b in zip(one[16:48], other[16:48], strict=True)) < 6
    assert keys.dh_public(asked.ephemeral_private) not in one + other


def test_who_steals_the_device_keys_reads_nothing_of_a_new_session():
    """Device keys open the reset; its first letter already lies behind a fresh key of both sides."""
    alice, bob = two()
    alice.ask()
    lock, body = alice.out[0]
    deliver(alice, bob)
    answer = bob.out[0]
    slot = reset.locks(devices(BOB, ALICE))[lock]
    got = reset.open(devices(BOB, ALICE), slot, body)
    known = ratchet.start_reader(got.root, got.ad, source("thief")(32))
    place = ratchet.locks(known)[answer[0]]
    with pytest.raises(PeerError):
        ratchet.decrypt(known, place, *answer, source("thief"))
    assert alice.take(answer)


def test_sessions_come_back_from_the_database_as_they_were():
    alice, bob = two()
    for host in (alice, bob):
        assert Sessions.from_cbor(host.sessions.to_cbor()) == host.sessions
    alice.ask()
    deliver(alice, bob)
    bob.ask()
    for host in (alice, bob):
        assert Sessions.from_cbor(host.sessions.to_cbor()) == host.sessions
    assert Sessions.from_cbor(Sessions(None).to_cbor()) == Sessions(None)


def test_a_contact_from_before_there_were_resets_is_read():
    state = pair(source("old"))[0]
    assert Sessions.from_cbor(state.to_cbor()) == Sessions(state)


@given(st.binary(max_size=60))
@settings(deadline=None)
def test_damaged_sessions_end_in_one_named_error(data):
    with pytest.raises(HedgerowError):
        Sessions.from_cbor(data)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["ask", "write", "write", "take", "take", "take", "lose", "again", "restore", "forget"]
        ),
        st.booleans(),
        st.integers(0, 1 << 16),
    ),
    max_size=40,
)


@given(STEPS)
@settings(max_examples=100, deadline=None)
def test_whatever_was_lost_restored_or_replayed_both_write_again_in_the_end(steps):
    # Small windows, so that it is quick; no chain gets so long here.
    with patch.object(ratchet, "WINDOW", 48):
        alice, bob = two("steps")
        backups = {alice: [alice.sessions], bob: [bob.sessions]}
        heard = {alice: [], bob: []}
        for what, first, pick in steps:
            host, other = (alice, bob) if first else (bob, alice)
            if what == "ask":
                host.ask()
            elif what == "write":
                host.write(b"text %d" % pick)
            elif what == "take" and other.out:
                letter = other.out.pop(pick % len(other.out))
                heard[host].append(letter)
                host.take(letter)
            elif what == "lose" and other.out:
                other.out.pop(pick % len(other.out))
            elif what == "again" and heard[host]:
                host.opened.clear()
                host.take(heard[host][pick % len(heard[host])])
            elif what == "restore":
                host.sessions = backups[host][pick % len(backups[host])]
                alice.restored = bob.restored = True
                host.ask()
            elif what == "forget":
                host.sessions = Sessions(None)
                alice.restored = bob.restored = True
                host.ask()
            backups[host].append(host.sessions)
            host.sessions = Sessions.from_cbor(host.sessions.to_cbor())
            assert len(host.sessions.offered) <= sessions.OFFERED
            assert len(host.sessions.past) <= sessions.PAST
        for host in (alice, bob):
            host.opened.clear()
        for day in range(12):
            settle(alice, bob)
            for host in (alice, bob):
                if host.sessions.asking:
                    # What is not answered for a week is asked anew.
                    host.ask() if day % 7 == 6 else host.repeat()
                elif host.sessions.confirm:
                    host.write(HELLO)
        check_that_both_write(alice, bob)


def test_all_sessions_together_keep_a_bounded_number_of_keys():
    with patch.object(ratchet, "SKIPPED_KEYS", 10):
        alice, bob = two()
        for _ in range(4):
            for _ in range(7):
                bob.write(b"lost")
            bob.out[:-1] = []
            deliver(bob, alice)
            kept = [len(state.skipped) for state in alice.sessions.readable()]
            assert sum(kept) <= 10 and kept[0] == 6
            alice.ask()
            settle(alice, bob)
        check_that_both_write(alice, bob)
