import pytest
from hypothesis import given
from hypothesis import strategies as st
from people_support import NOW

from hedgerow.log import entry as entries
from hedgerow.log.entry import HELLO, SYNC, TEXT, Entry
from hedgerow_core.errors import PeerError

EPOCH_MS = 1_735_689_600_000
NUMBERS = st.integers(0, 300) | st.integers(0, (1 << 28) - 1)


@st.composite
def written(draw):
    sequence = draw(NUMBERS.filter(bool))
    kind = draw(st.sampled_from([HELLO, TEXT, SYNC]))
    text = "" if kind == SYNC else draw(st.text(st.characters(exclude_categories=["Cs"]), max_size=50))
    return Entry(
        kind,
        sequence,
        sequence + draw(NUMBERS),
        draw(NUMBERS),
        EPOCH_MS + 60_000 * draw(st.integers(0, (1 << 24) - 1)),
        text,
        draw(NUMBERS) if kind == TEXT else 0,
        draw(NUMBERS) if kind == TEXT else 0,
        draw(st.binary(max_size=50)) if kind == SYNC else b"",
    )


def read(data):
    """What the bytes say; None where they are refused as they should be."""
    try:
        return entries.decode(data)
    except PeerError:
        return None


@given(written())
def test_a_letter_says_on_arrival_what_was_written(entry):
    assert entries.decode(entries.encode(entry)) == entry


@given(st.binary(max_size=40) | st.binary(max_size=40).map(lambda data: bytes((len(data) % 2 + 2,)) + data))
def test_whatever_somebody_seals_is_an_entry_or_refused(data):
    entry = read(data)
    # One entry has one encoding, so nobody can tell clients apart by it.
    assert entry is None or entries.encode(entry) == data


def test_the_first_letter_of_20_characters_costs_27_bytes():
    assert len(entries.encode(Entry(TEXT, 1, 1, 0, NOW, "x" * 20))) == 27


@pytest.mark.parametrize("number,size", [(127, 1), (128, 2), (16_383, 2), (16_384, 3), (2_097_152, 4)])
def test_numbers_grow_by_a_byte_where_the_design_says(number, size):
    assert len(entries.encode(Entry(TEXT, number, number, 0, NOW, ""))) == 6 + size


def test_a_letter_cut_anywhere_in_front_of_its_text_is_refused():
    whole = entries.encode(Entry(TEXT, 300, 70_000, 200, NOW, "text"))
    head = len(whole) - len("text")
    for length in range(head):
        with pytest.raises(PeerError):
            entries.decode(whole[:length])
    # Behind that the seal vouches for the length.
    for length in range(head, len(whole)):
        assert entries.decode(whole[:length]).text == "text"[: length - head]


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("number", [b"\x80\x00", b"\x81\x00", b"\x81\x80\x00", b"\xff\xff\xff\x00"])
def test_a_number_longer_than_needed_is_refused(place, number):
    numbers = [b"\x01", b"\x00", b"\x00"]
    numbers[place] = number
    with pytest.raises(PeerError):
        entries.decode(b"\x02" + b"".join(numbers) + bytes(3))


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_number_above_28_bits_is_refused(place):
    numbers = [b"\x01", b"\x00", b"\x00"]
    numbers[place] = b"\x80\x80\x80\x80\x01"
    with pytest.raises(PeerError):
        entries.decode(b"\x02" + b"".join(numbers) + bytes(3))


@pytest.mark.parametrize("kind", [0, 21, 128, 255])
def test_a_kind_of_entry_from_the_future_is_refused(kind):
    with pytest.raises(PeerError):
        entries.decode(bytes((kind, 1, 0, 0, 0, 0, 0)))


def test_an_entry_numbered_zero_is_refused():
    with pytest.raises(PeerError):
        entries.decode(b"\x02\x00\x00\x00" + bytes(3))


@pytest.mark.parametrize("text", [b"\xff", b"\xc3", b"\xed\xa0\x80"])
def test_a_text_that_is_not_utf_8_is_refused(text):
    with pytest.raises(PeerError):
        entries.decode(b"\x02\x01\x00\x00" + bytes(3) + text)


@pytest.mark.parametrize("now,read_as", [(0, EPOCH_MS), (EPOCH_MS - 1, EPOCH_MS), (1 << 60, None)])
def test_a_clock_that_is_far_wrong_still_lets_letters_be_written(now, read_as):
    found = entries.decode(entries.encode(Entry(TEXT, 1, 1, 0, now, "text")))
    assert found.written_ms == (EPOCH_MS + ((1 << 24) - 1) * 60_000 if read_as is None else read_as)
    assert found.text == "text"


def test_the_time_of_a_letter_is_told_to_the_minute_only():
    found = entries.decode(entries.encode(Entry(TEXT, 1, 1, 0, NOW + 59_999, "text")))
    assert found.written_ms == NOW
