from functools import cache

import pyhsslms.pyhsslms as reference
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hedgerow_core import lms
from hedgerow_core.errors import PeerError

KINDS = [
    (reference.lms_sha256_m32_h5, reference.lmots_sha256_n32_w4),
    (reference.lms_sha256_m32_h5, reference.lmots_sha256_n32_w8),
]


@cache
def signer(kind: int) -> reference.LmsPrivateKey:
    height, width = KINDS[kind]
    return reference.LmsPrivateKey(height, width, SEED=b"s" * 32, I=b"i" * 16)


def signed(kind: int, leaf: int, message: bytes) -> bytes:
    private = signer(kind)
    private.q = leaf
    private.ots_priv[leaf]._signatures_remaining = 1
    return private.sign(message)


def verify(key: bytes, message: bytes, signature: bytes) -> int:
    return lms.verify(key, [message], lambda at, size: signature[at : at + size])


@settings(max_examples=40, deadline=None)
@given(st.sampled_from([0, 1]), st.integers(0, 31), st.binary(max_size=300))
def test_what_another_implementation_signed_is_taken(kind, leaf, message):
    key = signer(kind).publicKey().serialize()
    assert verify(key, message, signed(kind, leaf, message)) == leaf


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_changed_byte_is_refused_by_us_and_by_another_implementation(data):
    kind = data.draw(st.sampled_from([0, 1]))
    message = b"a manifest"
    public = signer(kind).publicKey()
    whole = bytearray(signed(kind, 3, message))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(PeerError):
        verify(public.serialize(), message, bytes(whole))
    try:
        assert not public.verify(message, bytes(whole))
    except (ValueError, KeyError):
        pass  # it says so in another way where a type is not known


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=60), st.binary(max_size=2_600))
def test_bytes_from_outside_end_in_a_number_or_a_refusal(key, signature):
    for public in (key, signer(0).publicKey().serialize()):
        with pytest.raises(PeerError):
            verify(public, b"", signature)
