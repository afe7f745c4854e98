"""What seals a home is XChaCha20-Poly1305 and Argon2id as others have them."""

import pytest
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from hypothesis import given
from hypothesis import strategies as st
from people_support import flip

from hedgerow.vault import ciphers
from hedgerow_core.errors import AuthError, PeerError

# draft-irtf-cfrg-xchacha-03, A.3.1
KEY = bytes(range(0x80, 0xA0))
NONCE = bytes(range(0x40, 0x58))
ASSOCIATED = bytes.fromhex("50515253c0c1c2c3c4c5c6c7")
PLAINTEXT = (
    b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen"
    b" would be it."
)
CIPHERTEXT = bytes.fromhex(
    "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb731c7f1b0b4aa6440bf3a82f4eda7e39ae64"
    "c6708c54c216cb96b72e1213b4522f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff921f9664c"
    "97637da9768812f615c68b13b52ec0875924c1c7987947deafd8780acf49"
)


def test_xchacha20_poly1305_gives_the_ciphertext_of_the_draft():
    assert ciphers.seal_with(KEY, NONCE, PLAINTEXT, ASSOCIATED) == CIPHERTEXT
    assert ciphers.unseal(KEY, NONCE + CIPHERTEXT, ASSOCIATED) == PLAINTEXT


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=300), st.binary(max_size=40), st.data())
def test_what_was_sealed_opens_and_with_any_bit_turned_it_does_not(key, plaintext, associated, data):
    sealed = ciphers.seal(key, plaintext, associated)
    assert len(sealed) == len(plaintext) + ciphers.OVERHEAD_BYTES
    assert ciphers.unseal(key, sealed, associated) == plaintext
    turned = flip(sealed, data.draw(st.integers(0, len(sealed) * 8 - 1)))
    cut = sealed[: data.draw(st.integers(0, len(sealed) - 1))]
    other = flip(key, data.draw(st.integers(0, 255)))
    for arguments in (
        (key, turned, associated),
        (key, cut, associated),
        (other, sealed, associated),
        (key, sealed, associated + b"x"),
    ):
        with pytest.raises(AuthError):
            ciphers.unseal(*arguments)


def test_the_same_text_is_never_sealed_under_the_same_nonce():
    assert len({ciphers.seal(KEY, b"", b"")[: ciphers.NONCE_BYTES] for _ in range(1_000)}) == 1_000


def test_argon2id_is_that_of_rfc9106():
    """libsodium has one lane only, RFC 9106's example has four: what gives the example gives ours, too."""
    rfc = Argon2id(
        salt=b"\2" * 16, length=32, iterations=3, lanes=4, memory_cost=32, ad=b"\4" * 12, secret=b"\3" * 8
    )
    tag = "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659"
    assert rfc.derive(b"\1" * 32).hex() == tag
    for passes, memory_kib in ((1, 8), (3, 64), (2, 1_024)):
        other = Argon2id(salt=NONCE[:16], length=32, iterations=passes, lanes=1, memory_cost=memory_kib)
        assert ciphers.stretch(b"well frozen", NONCE[:16], passes, memory_kib) == other.derive(b"well frozen")


def test_a_guess_costs_a_thief_three_passes_over_256_mib():
    """A file says how it was stretched, so this may only rise."""
    assert ciphers.PASSES >= 3 and ciphers.MEMORY_KIB >= 256 * 1024


@pytest.mark.parametrize("parameters", [(0, 8), (17, 8), (1, 7), (1, 1 << 22), (1 << 32, 8), (-1, 8)])
def test_parameters_that_would_stop_the_computer_are_refused(parameters):
    with pytest.raises(PeerError):
        ciphers.stretch(b"", bytes(16), *parameters)


def test_a_salt_of_another_size_is_refused():
    with pytest.raises(PeerError):
        ciphers.stretch(b"", bytes(15), 1, 8)
