"""A ping: a letter that asks a contact's computer for an answer, and what its user sees of it: nothing."""

import pytest
from node_support import DAY_MS, Village

from hedgerow import errors
from hedgerow.pings import Pings


@pytest.fixture
def village():
    with Village("Alice", "Bob") as found:
        found.befriend("Alice", "Bob")
        yield found


def test_a_contact_who_agreed_answers_and_neither_sees_a_letter(village):
    village.nodes["Bob"].pings.allow(True)
    nonce = village.nodes["Alice"].ping("bob", village.now)
    assert village.nodes["Alice"].pings.answer(nonce) is None
    village.now += 1_200
    village.exchange()
    answer = village.nodes["Alice"].pings.answer(nonce)
    assert (answer.round_trip_ms, answer.links) == (1_200, 1)
    for who in ("Alice", "Bob"):
        assert village.read(who) == [] and village.received(who) == []
        assert village.nodes[who].sent() == []


def test_who_did_not_agree_or_agrees_no_more_answers_nothing(village):
    alice, bob = village.nodes["Alice"], village.nodes["Bob"]
    assert not bob.pings.allowed
    first = alice.ping("Bob", village.now)
    village.exchange()
    bob.pings.allow(True)
    bob.pings.allow(False)
    second = alice.ping("Bob", village.now)
    village.exchange()
    assert alice.pings.answer(first) is alice.pings.answer(second) is None


def test_consent_is_kept_over_a_restart_and_is_that_of_the_home(village):
    village.nodes["Bob"].pings.allow(True)
    village.reopen("Bob")
    assert village.nodes["Bob"].pings.allowed and not village.nodes["Alice"].pings.allowed
    nonce = village.nodes["Alice"].ping("Bob", village.now)
    village.exchange()
    village.reopen("Alice")
    assert village.nodes["Alice"].pings.answer(nonce) is not None


def test_a_contact_who_asks_all_the_time_gets_few_answers(village):
    alice, bob = village.nodes["Alice"], village.nodes["Bob"]
    bob.pings.allow(True)
    nonces = [alice.ping("Bob", village.now) for _ in range(20)]
    village.exchange()
    assert sum(alice.pings.answer(nonce) is not None for nonce in nonces) == 8
    village.now += 60_000
    again = alice.ping("Bob", village.now)
    village.exchange()
    assert alice.pings.answer(again) is not None


def test_a_ping_that_comes_after_its_lifetime_is_not_answered(village):
    alice, bob = village.nodes["Alice"], village.nodes["Bob"]
    bob.pings.allow(True)
    nonce = alice.ping("Bob", village.now)
    late = village.envelopes("Alice")
    village.now += 4 * DAY_MS
    for envelope in late:
        village.put(envelope, "Bob")
    village.poll("Bob")
    village.exchange()
    assert alice.pings.answer(nonce) is None


def test_only_who_was_asked_can_answer_and_only_once(village):
    pings = Pings(village.nodes["Alice"]._database)
    village.nodes["Alice"].ping("Bob", village.now)
    nonce = village.nodes["Alice"].ping("Bob", village.now)
    ((contact,),) = village.nodes["Alice"]._database.rows("SELECT id FROM contacts")
    pings.answered(f"{nonce.hex()} 7", contact + 1, village.now)
    assert pings.answer(nonce) is None
    pings.answered(f"{nonce.hex()} 7", contact, village.now + 5)
    first = pings.answer(nonce)
    pings.answered(f"{nonce.hex()} 9", contact, village.now + 50)
    assert pings.answer(nonce) == first


@pytest.mark.parametrize("text", ["", " ", "zz", "00" * 8, "00" * 8 + " ", "00" * 7 + " 1", "00" * 8 + " -1"])
@pytest.mark.parametrize("tail", ["", " 100", "\n", "²"])
def test_damaged_texts_of_pings_and_answers_change_nothing(village, text, tail):
    pings = village.nodes["Bob"].pings
    pings.allow(True)
    pings.answered(text + tail, 1, village.now)
    if text + tail != "00" * 8:
        assert pings.reply_to(text + tail, 1, 3, village.now) is None


def test_a_name_that_is_no_contact_yet_is_told(village):
    alice = village.nodes["Alice"]
    with pytest.raises(errors.UnknownContact):
        alice.ping("Nobody", village.now)
    stranger = village.join("Carol")
    stranger.add(alice.invite(village.now), village.now)
    with pytest.raises(errors.NotConnected):
        stranger.ping("Alice", village.now)
