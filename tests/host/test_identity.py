from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from people_support import flip, person, source

from hedgerow.identity import keys
from hedgerow.identity.account import Account, Card
from hedgerow_core.errors import PeerError


def test_two_accounts_share_no_key():
    random = source()
    one, other = Account.create(random), Account.create(random)
    found = {
        one.account_key,
        one.device_key,
        one.device_dh,
        other.account_key,
        other.device_key,
        other.device_dh,
    }
    assert len(found) == 6


def test_an_account_comes_back_from_the_database_as_it_was():
    account = person("alice")
    again = Account.from_cbor(account.to_cbor())
    assert again == account
    assert again.card("Alice") == account.card("Alice")


def test_a_card_carries_no_private_key():
    account = person("alice")
    card = account.card("Alice")
    shown = b"".join(value for value in card.fields() if isinstance(value, bytes))
    for private in (account.account_seed, account.device_seed, account.device_dh_private):
        assert private not in shown


def test_a_card_is_read_as_it_was_written():
    card = person("alice").card("Älice 🌿")
    assert Card.read(card.fields()) == card


def test_the_certificate_covers_both_keys_of_the_device():
    card = person("alice").card("Alice")
    assert keys.verify(
        card.account_key, card.certificate, b"hedgerow device" + card.device_key + card.device_dh
    )


@pytest.mark.parametrize("field", ["account_key", "device_key", "device_dh", "certificate"])
def test_nobody_puts_a_key_of_his_own_on_the_card_of_another(field):
    alice, mallory = person("alice").card("Alice"), person("mallory").card("Alice")
    with pytest.raises(PeerError):
        Card.read(replace(alice, **{field: getattr(mallory, field)}).fields())


@given(st.sampled_from(["account_key", "device_key", "device_dh", "certificate"]), st.integers(0, 255))
def test_one_wrong_bit_spoils_a_card(field, bit):
    card = person("alice").card("Alice")
    with pytest.raises(PeerError):
        Card.read(replace(card, **{field: flip(getattr(card, field), bit)}).fields())


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.binary(max_size=64) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=6),
)


@given(VALUES | st.lists(VALUES | st.binary(min_size=32, max_size=32), min_size=5, max_size=5))
def test_whatever_stands_for_a_card_ends_in_one_named_error(value):
    with pytest.raises(PeerError):
        Card.read(value)
