import pytest
from hypothesis import given
from hypothesis import strategies as st
from people_support import NOW, flip, person, source

from hedgerow.people import invite as invites
from hedgerow.people import request as requests
from hedgerow.ratchet import double_ratchet as ratchet
from hedgerow_core.envelope import NORMAL, TTL_DEFAULT, make
from hedgerow_core.errors import PeerError

ALICE, BOB, MALLORY = person("alice"), person("bob"), person("mallory")
KEPT, URI = invites.create(ALICE, "Alice", source("invite"), NOW)
INVITE = invites.parse(URI, NOW)
SENT = requests.create(BOB, "Bob", INVITE, source("request"))
BODY = requests.body_for_slot(SENT, 7)


def test_both_sides_agree_on_one_secret():
    received = requests.open(ALICE, KEPT, 7, BODY)
    assert received.root == SENT.root
    assert received.stop == SENT.stop
    assert received.ad == SENT.ad


def test_the_inviter_learns_who_asks():
    assert requests.open(ALICE, KEPT, 7, BODY).card == BOB.card("Bob")


def test_the_answer_to_a_request_can_be_read_and_answered():
    received = requests.open(ALICE, KEPT, 7, BODY)
    random = source("answer")
    alice = ratchet.start_writer(received.root, received.ad, received.ephemeral, random)
    bob = ratchet.start_reader(SENT.root, SENT.ad, SENT.ephemeral_private)
    alice, lock, body, _ = ratchet.encrypt(alice, b"hello Bob")
    bob, text, _ = ratchet.decrypt(bob, ratchet.locks(bob)[lock], lock, body, random)
    assert text == b"hello Bob"
    bob, lock, body, _ = ratchet.encrypt(bob, b"hello Alice")
    assert ratchet.decrypt(alice, ratchet.locks(alice)[lock], lock, body, random)[1] == b"hello Alice"


def test_two_requests_from_one_invite_share_no_secret():
    other = requests.create(BOB, "Bob", INVITE, source("again"))
    assert other.root != SENT.root
    assert other.stop != SENT.stop


@given(st.integers(0, 255))
def test_a_repeated_request_is_the_same_request_in_another_slot(slot):
    body = requests.body_for_slot(SENT, slot)
    assert requests.open(ALICE, KEPT, slot, body) == requests.open(ALICE, KEPT, 7, BODY)
    assert body[:16] == BODY[:16] and body[48:] == BODY[48:]
    assert (body == BODY) == (slot == 7)


def test_a_request_is_repeated_after_a_restart_as_it_was():
    again = requests.RequestSent.from_cbor(SENT.to_cbor())
    assert again == SENT
    assert requests.body_for_slot(again, 7) == BODY


@pytest.mark.parametrize("length", range(1, 65, 7))
def test_the_envelope_of_a_request_has_a_usual_size(length):
    sent = requests.create(BOB, "b" * length, INVITE, source(length))
    lock = invites.lock(INVITE.secret, 0)
    envelope = make(NORMAL, TTL_DEFAULT, lock, requests.body_for_slot(sent, 0), shared=True)
    assert len(envelope.encode()) % 32 == 0
    assert requests.open(ALICE, KEPT, 0, envelope.body).card.name == "b" * length


def test_who_only_sees_the_envelope_sees_neither_key_nor_name():
    for part in (*BOB.card("Bob").fields()[1:], *ALICE.card("Alice").fields()[1:], b"Bob"):
        assert part not in BODY


def test_the_request_is_for_the_inviter_only_and_for_his_invite_only():
    other, _ = invites.create(ALICE, "Alice", source("other invite"), NOW)
    for account, kept, slot in ((MALLORY, KEPT, 7), (ALICE, other, 7), (ALICE, KEPT, 8)):
        with pytest.raises(PeerError):
            requests.open(account, kept, slot, BODY)


def test_nobody_asks_in_the_name_of_another():
    """Mallory has Bob's card and the invite, not the private key of Bob's device."""

    class Pretender:
        device_dh_private = MALLORY.device_dh_private

        def card(self, name):
            return BOB.card(name)

    sent = requests.create(Pretender(), "Bob", INVITE, source("pretended"))
    with pytest.raises(PeerError):
        requests.open(ALICE, KEPT, 3, requests.body_for_slot(sent, 3))


@given(st.integers(0, 8 * len(BODY) - 1))
def test_one_wrong_bit_makes_a_request_worthless(bit):
    with pytest.raises(PeerError):
        requests.open(ALICE, KEPT, 7, flip(BODY, bit))


@given(st.binary(max_size=400), st.integers(0, 255))
def test_whatever_lies_in_a_slot_ends_in_one_named_error(body, slot):
    with pytest.raises(PeerError):
        requests.open(ALICE, KEPT, slot, body)


@given(st.integers(0, len(BODY) - 1))
def test_a_request_cut_off_ends_in_one_named_error(length):
    with pytest.raises(PeerError):
        requests.open(ALICE, KEPT, 7, BODY[:length])
