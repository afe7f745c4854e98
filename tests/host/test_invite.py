import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from people_support import NOW, flip, person, source

from hedgerow.identity import keys
from hedgerow.people import base45
from hedgerow.people import invite as invites
from hedgerow.uri import OtherVersion
from hedgerow_core import cbor
from hedgerow_core.errors import PeerError

PREFIX = "hedgerow:invite/1/"
ALICE = person("alice")
KEPT, URI = invites.create(ALICE, "Alice", source("invite"), NOW)


def content(uri):
    """The bytes in the link, checksum included."""
    text = uri.removeprefix(PREFIX)
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def link(data):
    return PREFIX + base64.urlsafe_b64encode(data).decode().rstrip("=")


def checked(data):
    """A link whose checksum fits, as somebody would make it who alters an invite with intent."""
    return link(data + hashlib.sha256(data).digest()[:4])


def test_the_link_tells_whose_invite_it_is():
    invite = invites.parse(URI, NOW)
    assert invite.card == ALICE.card("Alice")
    assert invite.secret == KEPT.secret
    assert invite.id == KEPT.id
    assert invite.prekey == keys.dh_public(KEPT.prekey_private)
    assert invite.expiry_ms == KEPT.expiry_ms


def test_the_link_holds_nothing_private():
    data = content(URI)
    for private in (ALICE.account_seed, ALICE.device_seed, ALICE.device_dh_private, KEPT.prekey_private):
        assert private not in data


def test_the_link_fits_into_a_qr_code():
    # Version 15 with error correction L holds 520 bytes and is still easily read from a screen.
    assert len(URI) <= 520


def test_a_qr_code_says_the_same_in_letters_of_its_alphanumeric_mode():
    text = invites.for_qr(URI)
    assert set(text) <= set(base45.ALPHABET) and len(text) <= 535  # version 12 with error correction L
    assert invites.parse(text, NOW) == invites.parse(URI, NOW)
    assert invites.parse(f"  {text}\r\n", NOW) == invites.parse(URI, NOW)
    halves = f"{text[:100]}\n{text[100:]}"
    assert invites.parse(halves, NOW) == invites.parse(URI, NOW)


@given(st.integers(18, 600), st.sampled_from(base45.ALPHABET + "aé#"))
def test_a_qr_code_that_was_read_wrong_is_refused(at, letter):
    text = invites.for_qr(URI)
    at %= len(text)
    wrong = text[:at] + letter + text[at + 1 :]
    if wrong != text:
        with pytest.raises(PeerError):
            invites.parse(wrong, NOW)


@given(st.integers(0, 600))
def test_a_qr_code_that_was_cut_is_refused(end):
    text = invites.for_qr(URI)
    with pytest.raises(PeerError):
        invites.parse(text[: end % len(text)], NOW)


def test_a_qr_code_of_another_version_says_so():
    with pytest.raises(OtherVersion):
        invites.parse(invites.for_qr(URI).replace("/1/", "/2/"), NOW)
    with pytest.raises(PeerError):
        invites.parse("HEDGEROW:INVITE/X/A/", NOW)


@given(st.text(alphabet=base45.ALPHABET, max_size=80))
def test_any_letters_of_a_qr_code_are_refused(text):
    with pytest.raises(PeerError):
        invites.parse(f"HEDGEROW:INVITE/1/{text}/", NOW)


def test_a_link_broken_by_a_mail_program_still_works():
    broken = " \n".join(URI[at : at + 60] for at in range(0, len(URI), 60)) + "\r\n"
    assert invites.parse(broken, NOW) == invites.parse(URI, NOW)


def test_each_invite_has_its_own_secret_and_prekey():
    random = source("two")
    one, other = (invites.create(ALICE, "Alice", random, NOW)[0] for _ in range(2))
    assert one.secret != other.secret
    assert one.prekey_private != other.prekey_private
    assert one.id != other.id


def test_what_the_inviter_keeps_comes_back_from_the_database():
    assert invites.InviteSecret.from_cbor(KEPT.to_cbor()) == KEPT


def test_an_invite_works_until_its_last_minute_and_then_says_that_it_expired():
    assert invites.parse(URI, KEPT.expiry_ms - 1)
    with pytest.raises(invites.Expired):
        invites.parse(URI, KEPT.expiry_ms)
    assert 14 * 24 * 60 - 1 <= (KEPT.expiry_ms - NOW) / 60_000 <= 14 * 24 * 60


@pytest.mark.parametrize("version", ["0", "2", "10"])
def test_an_invite_of_another_version_says_so(version):
    with pytest.raises(OtherVersion):
        invites.parse(URI.replace("/1/", f"/{version}/"), NOW)


@given(st.integers(len(PREFIX), len(URI) - 1))
def test_half_a_link_is_damaged_and_neither_old_nor_of_another_version(length):
    with pytest.raises(PeerError) as caught:
        invites.parse(URI[:length], NOW)
    assert not isinstance(caught.value, (invites.Expired, OtherVersion))


@given(st.integers(0, 8 * len(content(URI)) - 1))
def test_one_wrong_bit_is_noticed(bit):
    with pytest.raises(PeerError):
        invites.parse(link(flip(content(URI), bit)), NOW)


# Everything in front of the checksum; the first byte of a CBOR item carries its type.
@given(st.integers(0, 8 * (len(content(URI)) - 4) - 1))
def test_nobody_alters_an_invite_even_with_a_checksum_that_fits(bit):
    with pytest.raises(PeerError):
        invites.parse(checked(flip(content(URI)[:-4], bit)), NOW)


@pytest.mark.parametrize("index", range(9))
def test_no_part_of_one_invite_goes_into_another(index):
    """Card, prekey, expiry, secret, signature: whatever is exchanged, the signature no longer fits."""
    other = invites.create(person("bob"), "Bob", source("other"), NOW + 60_000)[1]
    items = cbor.decode(content(URI)[:-4])
    items[index] = cbor.decode(content(other)[:-4])[index]
    with pytest.raises(PeerError):
        invites.parse(checked(cbor.encode(items)), NOW)


@given(
    st.text() | st.text().map(lambda text: PREFIX + text) | st.binary().map(link) | st.binary().map(checked)
)
def test_whatever_is_pasted_as_an_invite_ends_in_one_named_error(text):
    with pytest.raises(PeerError):
        invites.parse(text, NOW)


@given(
    st.lists(
        st.integers(0, 2**33) | st.binary(max_size=65) | st.text(max_size=4) | st.none(),
        min_size=9,
        max_size=9,
    )
)
def test_an_invite_with_fields_of_other_types_ends_in_one_named_error(items):
    with pytest.raises(PeerError):
        invites.parse(checked(cbor.encode(items)), NOW)
    genuine = cbor.decode(content(URI)[:-4])
    with pytest.raises(PeerError):
        invites.parse(checked(cbor.encode(genuine[:5] + items[5:])), NOW)


def test_an_invite_has_256_locks_that_no_other_invite_has():
    locks = invites.locks(KEPT.secret)
    assert sorted(locks.values()) == list(range(256))
    assert all(len(lock) == 12 and invites.lock(KEPT.secret, slot) == lock for lock, slot in locks.items())
    assert not set(locks) & set(invites.locks(b"another secret.."))
