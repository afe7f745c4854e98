"""The wire form stays what it was, and the ciphers that are written out or changed agree with others."""

from dataclasses import replace

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl import bindings
from people_support import pair, person, source

from hedgerow.identity import keys
from hedgerow.ratchet import double_ratchet as ratchet
from hedgerow.ratchet import kdf, reset
from support import unhex, vectors

KEYS = st.binary(min_size=32, max_size=32)


def hkdf(secret, salt, info, length):
    """That of cryptography."""
    return HKDF(hashes.SHA256(), length, salt, info).derive(secret)


def test_letters_of_today_are_those_of_the_first_version():
    random = source("ratchet vectors")
    sides = list(pair(random))
    letters = vectors("ratchet")["letters"]["vectors"]
    for at, (writer, text, lock, body, token) in enumerate(letters):
        if at == len(letters) - 1:
            sides[writer] = replace(sides[writer], pn=300)
        sides[writer], *written = ratchet.encrypt(sides[writer], unhex(text))
        assert written == [unhex(lock), unhex(body), unhex(token)]
        reader = sides[1 - writer]
        place = ratchet.locks(reader)[unhex(lock)]
        sides[1 - writer], read, proof = ratchet.decrypt(reader, place, *written[:2], random)
        assert (read, proof) == (unhex(text), unhex(token))


def test_resets_of_today_are_those_of_the_first_version():
    wanted = vectors("ratchet")["reset"]
    alice, bob = person("Alice"), person("Bob")
    mine, theirs = reset.pair(alice, bob.card("Bob")), reset.pair(bob, alice.card("Alice"))
    asked = reset.create(mine, 1_000_000, source("reset vectors"))
    for slot, lock, body in wanted["vectors"]:
        assert reset.our_lock(mine, slot) == unhex(lock)
        assert reset.locks(theirs)[unhex(lock)] == slot
        assert reset.body_for_slot(mine, asked, slot) == unhex(body)
        got = reset.open(theirs, slot, unhex(body))
        assert (got.stop, got.root) == (unhex(wanted["stop"]), unhex(wanted["root"]))
        assert (got.ad, got.minute) == (asked.ad, 1_000_000)


@given(KEYS, KEYS, st.integers(0, 24_999))
@settings(deadline=None)
def test_derivations_are_those_of_another_library(one, other, number):
    at = number.to_bytes(4, "big")
    assert b"".join(kdf.root_step(one, other)) == hkdf(other, one, b"hedgerow ratchet", 96)
    assert b"".join(kdf.shared_header_keys(one)) == hkdf(one, b"", b"hedgerow header keys", 64)
    assert kdf.seal_key(one) == hkdf(one, b"", b"hedgerow message", 32)
    assert kdf.token(one, number) == hkdf(one, b"", b"token" + at, 16)
    assert kdf.masked(one, number, bytes(64)) == hkdf(one, b"", b"mask" + at, 64)
    assert kdf.locks(one, number, number + 2)[0] == kdf.lock_of(kdf.token(one, number))


@given(KEYS, st.binary(max_size=300), st.binary(max_size=300))
@settings(deadline=None)
def test_what_is_sealed_is_what_libsodium_seals(key, text, associated):
    sealed = bindings.crypto_aead_chacha20poly1305_ietf_encrypt(text, associated, bytes(12), key)
    assert keys.seal(key, text, associated) == sealed
    assert keys.unseal(key, sealed, associated) == text
