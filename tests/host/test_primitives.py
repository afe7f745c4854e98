import pytest

from hedgerow.identity import keys
from hedgerow_core.errors import AuthError, PeerError
from support import unhex, vectors


def test_x25519_gives_the_results_of_rfc7748():
    for scalar, point, result in vectors("x25519")["scalarmult"]["vectors"]:
        assert keys.dh(unhex(scalar), unhex(point)) == unhex(result)


def test_x25519_iterated_gives_the_results_of_rfc7748():
    expected = {count: unhex(result) for count, result in vectors("x25519")["iterated"]["vectors"]}
    scalar = point = b"\x09" + bytes(31)
    for count in range(1, max(expected) + 1):
        scalar, point = keys.dh(scalar, point), scalar
        if count in expected:
            assert scalar == expected[count]


def test_ed25519_gives_the_signatures_of_rfc8032():
    for seed, public, message, signature in vectors("ed25519")["signatures"]["vectors"]:
        assert keys.signing_public(unhex(seed)) == unhex(public)
        assert keys.sign(unhex(seed), unhex(message)) == unhex(signature)
        assert keys.verify(unhex(public), unhex(signature), unhex(message))


def test_a_signature_on_another_message_is_refused():
    for _, public, message, signature in vectors("ed25519")["signatures"]["vectors"]:
        assert not keys.verify(unhex(public), unhex(signature), unhex(message) + b"!")
        assert not keys.verify(unhex(public), unhex(signature)[:-1], unhex(message))
        assert not keys.verify(unhex(public)[:-1], unhex(signature), unhex(message))


@pytest.mark.parametrize("point", [bytes(32), b"\x01" + bytes(31)])
def test_a_key_of_small_order_gives_nobody_a_known_secret(point):
    with pytest.raises(AuthError):
        keys.dh(b"k" * 32, point)


def test_what_was_sealed_opens_only_under_the_same_key_and_associated_data():
    sealed = keys.seal(b"k" * 32, b"text", b"ad")
    assert keys.unseal(b"k" * 32, sealed, b"ad") == b"text"
    for key, data, associated in (
        (b"K" * 32, sealed, b"ad"),
        (b"k" * 32, sealed, b"AD"),
        (b"k" * 32, sealed[:-1], b"ad"),
        (b"k" * 32, b"", b"ad"),
    ):
        with pytest.raises(AuthError):
            keys.unseal(key, data, associated)


@pytest.mark.parametrize("text", [b"", b"a", b"\x80", b"\x80\x00", bytes(5)])
def test_padding_comes_off_whatever_the_text_ends_with(text):
    for size in range(len(text) + 1, 12):
        padded = keys.pad(text, size)
        assert len(padded) == size
        assert keys.unpad(padded) == text


@pytest.mark.parametrize("padded", [b"", bytes(8), b"text"])
def test_a_text_without_padding_is_refused(padded):
    with pytest.raises(PeerError):
        keys.unpad(padded)
