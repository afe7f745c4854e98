"""Base45 as QR codes carry it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedgerow.people import base45
from hedgerow_core.errors import PeerError

# RFC 9285, sections 4.3 and 4.4.
VECTORS = [(b"AB", "BB8"), (b"Hello!!", "%69 VD92EX0"), (b"base-45", "UJCLQE7W581"), (b"ietf!", "QED8WEX0")]


@pytest.mark.parametrize("data,text", VECTORS)
def test_the_vectors_of_the_rfc(data, text):
    assert base45.encode(data) == text
    assert base45.decode(text) == data


@given(st.binary(max_size=300))
def test_what_is_written_is_read(data):
    text = base45.encode(data)
    assert set(text) <= set(base45.ALPHABET)
    assert base45.decode(text) == data


# Section 6 of the RFC: "GGW" is 65,536; FGW is the greatest.
@pytest.mark.parametrize(
    "text", ["GGW", ":::", "A", "BB8A", "bb8", "BB\N{KELVIN SIGN}", "::", "BB8\n", "é" * 3]
)
def test_what_nobody_wrote_is_refused(text):
    with pytest.raises(PeerError):
        base45.decode(text)


def test_the_greatest_pair_is_read():
    assert base45.decode("FGW") == b"\xff\xff"


@given(st.text(max_size=60))
def test_any_text_gives_bytes_that_are_written_the_same_or_is_refused(text):
    try:
        data = base45.decode(text)
    except PeerError:
        return
    assert base45.encode(data) == text
