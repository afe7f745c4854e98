"""The flights of an introduction, as bytes from outside."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedgerow.people.introduction import ASK, OFFER, PASS, Flight, decode, encode
from hedgerow_core.errors import PeerError

IDENTITY = bytes(range(8))
NAMES = st.text(min_size=1, max_size=40)
FLIGHTS = st.one_of(
    st.builds(
        Flight,
        st.just(ASK),
        st.binary(min_size=8, max_size=8),
        st.binary(min_size=32, max_size=32),
        st.binary(min_size=32, max_size=32),
        name=NAMES,
    ),
    st.builds(Flight, st.sampled_from([OFFER, PASS]), st.binary(min_size=8, max_size=8), uri=NAMES),
)


@given(FLIGHTS)
def test_what_is_written_is_read(flight):
    assert decode(encode(flight)) == flight


@given(st.text(max_size=200))
def test_any_text_is_a_flight_that_is_written_the_same_or_is_refused(text):
    try:
        flight = decode(text)
    except PeerError:
        return
    assert encode(flight) == text


@given(FLIGHTS, st.data())
def test_a_flight_that_was_cut_is_refused(flight, data):
    head = encode(flight).split(" ")[0]
    with pytest.raises(PeerError):
        decode(head[: data.draw(st.integers(0, len(head)))])
    cut = head[: data.draw(st.integers(0, len(head) - 1))]
    with pytest.raises(PeerError):
        decode(f"{cut} name")


@pytest.mark.parametrize("step", [0, 4, 255])
def test_a_step_that_nobody_knows_is_refused(step):
    with pytest.raises(PeerError):
        decode(f"{(bytes((step,)) + IDENTITY).hex()} name")


@pytest.mark.parametrize(
    "text", ["", " ", "01", "zz x", "0100 x", f"02{IDENTITY.hex()}", f"02{IDENTITY.hex()} "]
)
def test_what_is_no_flight_is_refused(text):
    with pytest.raises(PeerError):
        decode(text)


def test_capitals_are_not_how_it_is_written():
    with pytest.raises(PeerError):
        decode(f"02{'AB' * 8} name")
