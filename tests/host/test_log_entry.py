import hashlib
import itertools
import math

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from log_support import ANN, BOB, NAME, absent, forged, new

from hedgerow.log import bounds, canonical, cid
from hedgerow.log.errors import TooLarge
from hedgerow_core import cbor
from hedgerow_core.errors import LimitError, PeerError, VersionError


def written(count, author=ANN):
    with new(author) as log:
        return [log.append(b"text %d" % number) for number in range(count)]


def changed(entry, **fields):
    """The bytes of an entry in which fields are others, by their place in the array."""
    array = cbor.decode(canonical.encode(entry))
    for name, value in fields.items():
        array[int(name[1:])] = value
    return cbor.encode(array)


def test_an_entry_reads_as_it_was_written():
    for entry in written(20):
        assert canonical.decode(canonical.encode(entry)) == entry
        assert canonical.authentic(entry)


def test_an_id_is_the_hash_of_the_bytes_and_the_bytes_are_those_of_any_other_cbor():
    for entry in written(5):
        data = canonical.encode(entry)
        assert entry.id == hashlib.sha256(data).digest()
        assert cbor2.dumps(cbor2.loads(data), canonical=True) == data


def test_bytes_of_the_first_entry_stay_what_they_are():
    data = canonical.encode(canonical.make(NAME, ANN.key, 1, 1, (), None, (), 0x100, b"hello", ANN.sign))
    assert hashlib.sha256(data).hexdigest() == VECTOR


VECTOR = "3ec3845f870eb2b2c529983d4df1d7ca27515d5439c048598c6381224444f750"


def test_references_are_about_one_an_entry_and_at_powers_of_two():
    entries = written(64)
    by_sequence = {entry.sequence: entry.id for entry in entries}
    for entry in entries:
        powers = [1 << power for power in range(1, 7) if entry.sequence % (1 << power) == 0]
        assert [by_sequence.get(entry.sequence - power) for power in powers if power < entry.sequence] == [
            *entry.references
        ]
    assert sum(len(entry.references) for entry in entries) <= len(entries)


def test_any_older_entry_is_few_steps_away_and_each_step_is_named_by_a_hash():
    with new(ANN) as log:
        entries = [log.append(b"") for _ in range(300)]
        for target in (1, 2, 77, 128, 255, 299):
            path = log.path(entries[-1].id, target)
            assert path[-1].sequence == target and len(path) <= 2 * math.log2(300) + 1
            for newer, older in itertools.pairwise(path):
                assert older.id in (newer.previous, *newer.references)


@given(st.binary(max_size=200))
def test_whatever_somebody_sends_is_an_entry_or_refused(data):
    with pytest.raises(PeerError):
        canonical.decode(data)


@given(st.data())
def test_an_entry_with_a_changed_byte_is_refused_or_not_authentic(data):
    whole = bytearray(canonical.encode(written(5)[data.draw(st.integers(0, 4))]))
    whole[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        entry = canonical.decode(bytes(whole))
    except PeerError:
        return
    assert not canonical.authentic(entry)


def test_an_entry_cut_anywhere_or_with_bytes_behind_it_is_refused():
    whole = canonical.encode(written(4)[-1])
    for end in range(len(whole)):
        with pytest.raises(PeerError):
            canonical.decode(whole[:end])
    with pytest.raises(PeerError):
        canonical.decode(whole + b"\0")


def test_an_entry_of_a_later_version_is_said_to_be_one():
    with pytest.raises(VersionError):
        canonical.decode(changed(written(1)[0], _0=2))


FIRST, SECOND = written(2)


@pytest.mark.parametrize(
    "fields",
    [
        {"_1": b"short"},
        {"_2": "text" * 8},
        {"_3": 0},
        {"_3": True},
        {"_3": 1 << 32, "_4": 1 << 33},
        {"_4": 1},
        {"_4": 1 << 53},
        {"_4": -1},
        {"_5": []},
        {"_5": [absent(number) for number in range(bounds.PARENTS + 1)]},
        {"_5": [absent(1), absent(1)]},
        {"_5": sorted((absent(1), absent(2)), reverse=True)},
        {"_5": None},
        {"_6": None},
        {"_6": 1},
        {"_6": -1},
        {"_6": FIRST.id},
        {"_7": [absent(1), absent(2)]},
        {"_7": {}},
        {"_8": 1 << 16},
        {"_8": None},
        {"_9": bytes(bounds.BODY_BYTES + 1)},
        {"_9": "text"},
        {"_10": bytes(63)},
        {"_10": None},
    ],
)
def test_an_entry_with_a_field_that_cannot_be_is_refused(fields):
    with pytest.raises(PeerError):
        canonical.decode(changed(SECOND, **fields))


def test_huge_lists_of_references_are_refused():
    entry = forged(ANN, 4, 4, [absent(0)])
    with pytest.raises(PeerError):
        canonical.decode(changed(entry, _7=[absent(number) for number in range(3)]))
    with pytest.raises(PeerError):
        canonical.decode(changed(entry, _7=[absent(number) for number in range(100_000)]))


def test_a_text_that_is_too_long_is_refused_in_a_sentence():
    with new(ANN) as log, pytest.raises(TooLarge):
        log.append(bytes(bounds.BODY_BYTES + 1))
    with pytest.raises(LimitError):
        canonical.make(b"", ANN.key, 1, 1, (), None, (), 1, b"", ANN.sign)


def test_nobody_signs_for_another():
    assert not canonical.authentic(canonical.make(NAME, ANN.key, 1, 1, (), None, (), 1, b"", BOB.sign))


def test_ids_are_names_that_tools_of_ipfs_know():
    # bafyreigdyr...: what `ipfs dag put` says for the same bytes of dag-cbor.
    digest = hashlib.sha256(cbor2.dumps({"hello": "world"})).digest()
    assert cid.to_text(digest) == "bafyreidykglsfhoixmivffc5uwhcgshx4j465xwqntbmu43nb2dzqwfvae"
    assert cid.from_text(cid.to_text(digest)) == digest
    assert cid.to_bytes(digest)[:4] == b"\x01\x71\x12\x20"


@given(
    st.text(max_size=70)
    | st.text("abcdefghijklmnopqrstuvwxyz234567", min_size=58, max_size=58).map("b".__add__)
)
def test_a_name_is_an_id_or_refused(text):
    try:
        assert cid.to_text(cid.from_text(text)) == text
    except PeerError:
        pass
