"""The wire format of street letters: what may be read, and what must be refused."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given, settings
from hypothesis import strategies as st
from people_support import NOW, flip, person, source

from hedgerow.identity import keys
from hedgerow.street import keys as street_keys
from hedgerow.street import letter, rates
from hedgerow_core import envelope as envelopes
from hedgerow_core import limits
from hedgerow_core.envelope import TTL_MINUTES, Envelope
from hedgerow_core.errors import PeerError

MESH = bytes(range(32))
STREET = street_keys.of_mesh(MESH)
OTHER = street_keys.of_mesh(bytes(32))
BOB, EVE = person("Bob"), person("Eve")
VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "street.json").read_text())

names = st.text(min_size=1, max_size=32)
texts = st.text(min_size=1).filter(lambda text: len(text.encode()) <= letter.TEXT_BYTES)
times = st.integers(letter._EPOCH_MINUTES, letter._EPOCH_MINUTES + (1 << 24) - 1).map(lambda m: m * 60_000)


def written(text="Is anyone there?", sos=False, name="Bob", who=BOB, street=STREET, now=NOW, seed=0):
    writer = street_keys.pseudonym(who.device_seed, street, letter.day_of(now))
    return letter.seal(street, writer, name, text, sos, now, source(seed))


def remade(envelope, **changed):
    """The same letter in another envelope, as a carrier without the street's key makes it."""
    fields = {name: getattr(envelope, name) for name in ("flags", "ttl", "lock", "body", "hops", "age")}
    return Envelope(**{**fields, **changed})


def resealed(plain, flags=None, ttl=letter.TTL, stop_hash=bytes(16), street=STREET):
    """What a member makes, who has the key of the street, and whatever it wants in it."""
    lock, key = street_keys.of_letter(street, stop_hash)
    flags = written().flags if flags is None else flags
    padded = keys.pad(plain, len(plain) + 1)
    return Envelope(flags, ttl, lock, stop_hash + keys.seal(key, padded, bytes((flags, ttl))), 0, 0)


def plain_of(envelope, street=STREET):
    _, key = street_keys.of_letter(street, envelope.proof_hash())
    return keys.unpad(keys.unseal(key, envelope.body[16:], bytes((envelope.flags, envelope.ttl))))


def signed_by(who, tail, kind=1, flags=None, ttl=letter.TTL, stop_hash=bytes(16), now=NOW):
    """A letter that its writer signed, but that no program of ours writes."""
    writer = street_keys.pseudonym(who.device_seed, STREET, letter.day_of(now))
    head = bytes((kind,)) + letter._minutes(now).to_bytes(3, "big") + writer.key + writer.certificate
    flags = written().flags if flags is None else flags
    lock, _ = street_keys.of_letter(STREET, stop_hash)
    outer = Envelope(flags, ttl, lock, b"", 0, 0)
    signature = keys.sign(writer.seed, letter._signed(outer, stop_hash, head, tail))
    return resealed(head + signature + tail, flags, ttl, stop_hash)


def refused(envelope, street=STREET):
    with pytest.raises(PeerError):
        letter.open(street, envelope)


@settings(deadline=None)
@given(names, texts, st.booleans(), times)
def test_what_is_said_is_heard_whole(name, text, sos, now):
    writer = street_keys.pseudonym(BOB.device_seed, STREET, letter.day_of(now))
    sent = letter.seal(STREET, writer, name, text, sos, now, source())
    came = envelopes.decode(sent.encode())
    assert letter.is_for(came, STREET)
    said = letter.open(STREET, came)
    assert (said.name, said.text, said.sos, said.written_ms) == (name, text, sos, now)
    assert len(sent.carried(0, 0).encode()) % limits.ENVELOPE_PAD == 0
    assert came.shared and TTL_MINUTES[came.ttl] == 24 * 60


@settings(deadline=None)
@given(st.text(min_size=1).filter(lambda text: len(text.encode()) <= 1000), st.booleans())
def test_a_text_above_the_limit_is_refused_by_who_reads(text, sos):
    tail = b"\3Bob" + text.encode()
    flags = written(sos=sos).flags
    if len(tail) > 4 + letter.TEXT_BYTES:
        refused(signed_by(BOB, tail, 2 if sos else 1, flags))
    else:
        assert letter.open(STREET, signed_by(BOB, tail, 2 if sos else 1, flags)).text == text


def test_the_largest_letter_fits_an_envelope():
    sent = written("x" * letter.TEXT_BYTES, True, "\N{GRINNING FACE}" * 32)
    assert len(sent.encode()) <= limits.ENVELOPE_BYTES
    assert len(letter.open(STREET, sent).text) == letter.TEXT_BYTES


@settings(deadline=None)
@given(st.data())
def test_a_letter_with_a_bit_turned_is_nobodys_or_refused(data):
    sent = written(sos=data.draw(st.booleans()))
    raw = sent.encode()
    # Hops and age, the last two bytes, are what carriers count.
    changed = flip(raw, data.draw(st.integers(0, (len(raw) - 2) * 8 - 1)))
    try:
        came = envelopes.decode(changed)
    except PeerError:
        return
    if letter.is_for(came, STREET):
        refused(came)


@settings(deadline=None)
@given(st.binary(max_size=900), st.integers(0, 23), st.integers(0, 15))
def test_whatever_a_member_seals_ends_in_a_letter_or_in_a_refusal(plain, flags, ttl):
    try:
        letter.open(STREET, resealed(plain, flags, ttl))
    except PeerError:
        return
    raise AssertionError("nobody signed this")


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_bytes_that_are_no_text_are_refused_even_when_signed(tail):
    try:
        said = letter.open(STREET, signed_by(BOB, tail))
    except PeerError:
        return
    assert tail == bytes((len(said.name.encode()),)) + said.name.encode() + said.text.encode()


def test_only_members_find_and_read_it():
    sent = written()
    assert letter.is_for(sent, STREET) and not letter.is_for(sent, OTHER)
    refused(sent, OTHER)
    for there in (b"anyone", b"Bob", BOB.device_key, BOB.account_key, STREET):
        assert there not in sent.encode()


def test_a_carrier_cannot_make_it_urgent_or_longer_lived_or_hide_that_the_lock_is_shared():
    sent = written()
    refused(remade(sent, flags=written(sos=True).flags))
    refused(remade(sent, ttl=15))
    assert not letter.is_for(remade(sent, flags=sent.flags & ~4), STREET)


def test_a_member_cannot_make_anothers_letter_an_sos_or_change_or_move_it():
    sent = written()
    plain = plain_of(sent)
    same = sent.proof_hash()
    assert letter.open(STREET, resealed(plain, stop_hash=same)).text == "Is anyone there?"
    refused(resealed(b"\2" + plain[1:], written(sos=True).flags, stop_hash=same))
    refused(resealed(plain.replace(b"there", b"THERE"), stop_hash=same))
    refused(resealed(plain.replace(b"Bob", b"Eve"), stop_hash=same))
    refused(resealed(plain, ttl=letter.TTL - 1, stop_hash=same))
    # Under another stop, whose proof the member could give, or on another street.
    refused(resealed(plain, stop_hash=hashlib.sha256(bytes(16)).digest()[:16]))
    refused(resealed(plain, stop_hash=same, street=OTHER), OTHER)


def test_only_an_sos_is_urgent_and_nothing_lives_longer_than_a_day():
    tail = b"\3EveHello"
    urgent, normal = written(sos=True).flags, written().flags
    refused(signed_by(EVE, tail, 1, urgent))
    refused(signed_by(EVE, tail, 2, normal))
    refused(signed_by(EVE, tail, 1, normal & ~3 | envelopes.BULK))
    refused(signed_by(EVE, tail, 2, urgent, letter.TTL + 1))
    assert letter.open(STREET, signed_by(EVE, tail, 2, urgent)).sos
    assert letter.open(STREET, signed_by(EVE, tail, 1, normal, letter.TTL - 1)).text == "Hello"


@pytest.mark.parametrize("kind", [0, 3, 8, 255])
def test_a_letter_of_a_later_version_is_refused_and_not_misread(kind):
    refused(signed_by(EVE, b"\3EveHello", kind))


@pytest.mark.parametrize(
    "tail", [b"", b"\0Hello", b"\5Hello", b"\3Eve", b"\xffEve", b"\x81" + b"n" * 129 + b"x"]
)
def test_a_letter_without_a_name_or_without_a_text_is_refused(tail):
    refused(signed_by(EVE, tail))


def test_contacts_know_who_speaks_and_nobody_else_can_link_two_days():
    today = letter.open(STREET, written("one"))
    again = letter.open(STREET, written("two", seed=1))
    tomorrow = letter.open(STREET, written("three", now=NOW + letter.TTL_MS))
    elsewhere = letter.open(OTHER, written("four", street=OTHER))

    def by(said, who, street=STREET):
        return street_keys.belongs(said.certificate, who.device_key, street, said.day, said.key)

    assert by(today, BOB) and by(tomorrow, BOB) and by(elsewhere, BOB, OTHER)
    assert not by(today, EVE) and not by(elsewhere, BOB)
    assert today.key == again.key
    assert len({today.key, tomorrow.key, elsewhere.key}) == 3
    assert len({today.certificate, tomorrow.certificate, elsewhere.certificate}) == 3


def test_who_copies_a_certificate_is_not_taken_for_its_owner():
    bob, eve = letter.open(STREET, written()), letter.open(STREET, written(who=EVE))
    stolen = replace(eve, certificate=bob.certificate)
    assert not street_keys.belongs(stolen.certificate, BOB.device_key, STREET, stolen.day, stolen.key)
    # Nor is yesterday's good for today.
    assert not street_keys.belongs(bob.certificate, BOB.device_key, STREET, bob.day + 1, bob.key)


def test_locks_never_repeat_and_no_stop_is_known_to_readers():
    sent = [written(seed=seed) for seed in range(20)]
    assert len({one.lock for one in sent}) == len({one.proof_hash() for one in sent}) == 20
    for one in sent:
        said = letter.open(STREET, one)
        known = [said.id, said.key, said.certificate, one.lock, one.id, one.body[:16], STREET]
        for secret in known:
            assert hashlib.sha256(secret).digest()[:16] != one.proof_hash()


def test_two_who_say_something_under_one_stop_are_both_heard():
    sent = written()
    said = letter.open(STREET, sent)
    eve = letter.open(STREET, signed_by(EVE, b"\3EveHello", stop_hash=sent.proof_hash()))
    assert said.id != eve.id


@pytest.mark.parametrize("vector", VECTORS["letters"], ids=lambda vector: vector["text"][:12])
def test_the_wire_form_is_the_frozen_one(vector):
    street = street_keys.of_mesh(bytes.fromhex(vector["mesh_key"]))
    assert street.hex() == vector["street"]
    device_seed = bytes.fromhex(vector["device_seed"])
    writer = street_keys.pseudonym(device_seed, street, vector["day"])
    assert (writer.key.hex(), writer.certificate.hex()) == (vector["pseudonym"], vector["certificate"])
    drawn = iter((bytes.fromhex(vector["stop"]), b"\0"))
    sent = letter.seal(
        street,
        writer,
        vector["name"],
        vector["text"],
        vector["sos"],
        vector["written_ms"],
        lambda count: next(drawn),
    )
    assert sent.encode().hex() == vector["envelope"]
    said = letter.open(street, envelopes.decode(bytes.fromhex(vector["envelope"])))
    assert (said.name, said.text, said.sos) == (vector["name"], vector["text"], vector["sos"])
    assert said.id.hex() == vector["id"]


@settings(deadline=None)
@given(st.lists(st.integers(0, 1_000_000), max_size=60), st.booleans(), st.integers(0, 1_000_000))
def test_who_waits_as_told_never_says_more_in_an_hour_than_readers_show(gaps, sos, start):
    now, sent = start, []
    for gap in gaps:
        now += gap
        now += rates.wait_ms([at for at in sent if at > now - rates.HOUR_MS], sos, now)
        assert not rates.wait_ms([at for at in sent if at > now - rates.HOUR_MS], sos, now)
        sent.append(now)
    for at in sent:
        hour = [other for other in sent if at <= other < at + rates.HOUR_MS]
        assert len(hour) <= rates.most_an_hour(sos)


def test_three_at_once_then_one_in_five_minutes_and_an_sos_in_ten():
    minute = 60_000
    assert rates.wait_ms([], False, 0) == rates.wait_ms([0, 0], False, 0) == 0
    assert rates.wait_ms([0, 0, 0], False, minute) == 4 * minute
    assert rates.wait_ms([0, 0, 0], False, 5 * minute) == 0
    assert rates.wait_ms([], True, 0) == 0
    assert rates.wait_ms([0], True, minute) == 9 * minute
    # A clock that was set back by a year silences nobody for longer than that.
    assert rates.wait_ms([400 * 24 * 60 * minute], True, 0) == 10 * minute


@pytest.mark.parametrize("vector", VECTORS["letters"], ids=lambda vector: vector["text"][:12])
def test_the_frozen_letter_is_what_the_page_says_computed_with_another_library(vector):
    def raw(name):
        return bytes.fromhex(vector[name])

    def derived(secret, salt, info, length):
        return HKDF(SHA256(), length, salt, info).derive(secret)

    street = derived(raw("mesh_key"), b"", b"hedgerow street", 32)
    stop_hash = hashlib.sha256(raw("stop")).digest()[:16]
    okm = derived(street, b"", b"hedgerow street letter" + stop_hash, 44)
    found = envelopes.decode(raw("envelope"))
    assert (found.lock, found.body[:16]) == (okm[:12], stop_hash)
    outer = bytes((found.flags, found.ttl))
    padded = ChaCha20Poly1305(okm[12:]).decrypt(bytes(12), found.body[16:], outer)
    plain = padded.rstrip(b"\0")[:-1]
    day = vector["day"].to_bytes(2, "big")
    device = Ed25519PrivateKey.from_private_bytes(raw("device_seed"))
    seed = derived(raw("device_seed"), street, b"hedgerow street pseudonym" + day, 32)
    pseudonym = Ed25519PrivateKey.from_private_bytes(seed)
    key = pseudonym.public_key().public_bytes_raw()
    identity = derived(street, b"", b"hedgerow street id", 16)
    head = bytes((2 if vector["sos"] else 1,))
    head += ((vector["written_ms"] - 1_735_689_600_000) // 60_000).to_bytes(3, "big")
    head += key + device.sign(b"hedgerow street pseudonym" + identity + day + key)
    name = vector["name"].encode()
    tail = bytes((len(name),)) + name + vector["text"].encode()
    signed = b"hedgerow street letter" + outer + found.lock + stop_hash + head + tail
    assert plain == head + pseudonym.sign(signed) + tail
