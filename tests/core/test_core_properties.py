"""Property tests of core's codecs and engines (hypothesis; CPython only)."""

import io

import cbor2
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import shelf_model
from hedgerow_core import beacon, cbor, counts, envelope, frame, limits, mac
from hedgerow_core.clock import Clock, encode_clock
from hedgerow_core.errors import PeerError
from hedgerow_core.fragment import Fragmenter, Reassembler
from hedgerow_core.link import Packets, Stream
from hedgerow_core.peer import Peer
from hedgerow_core.shelf import Shelf
from hedgerow_core.store import MemoryStore
from support import KEY, letter, links, run, sessions, shelf

integers = st.integers(-(1 << 64), (1 << 64) - 1)
scalars = st.none() | st.booleans() | integers | st.binary(max_size=300) | st.text(max_size=80)
keys = st.text(max_size=20) | st.integers(2, 1 << 40) | st.binary(max_size=20)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(keys, inner, max_size=5),
    max_leaves=20,
)


@given(values)
def test_cbor2_agrees_byte_for_byte_and_reads_what_we_write(value):
    data = cbor.encode(value)
    # RFC 8949, 4.2.1: keys in bytewise order (cbor2's "canonical" is the older length-first order).
    assert cbor2.loads(data) == value
    assert cbor.decode(data) == value

    def ordered(item):
        if isinstance(item, dict):
            pairs = sorted(((cbor2.dumps(k), k, ordered(v)) for k, v in item.items()), key=lambda p: p[0])
            return {k: v for _, k, v in pairs}
        return [ordered(part) for part in item] if isinstance(item, list) else item

    assert cbor2.dumps(ordered(value)) == data


@given(st.binary(max_size=200))
def test_every_byte_string_decodes_to_its_only_encoding_or_is_refused(data):
    try:
        value = cbor.decode(data)
    except PeerError:
        return
    assert cbor.encode(value) == data
    assert cbor2.CBORDecoder(io.BytesIO(data)).decode() == value


@given(st.lists(st.binary(min_size=1, max_size=limits.FRAME_BYTES), max_size=5), st.data())
def test_frames_survive_any_cutting_of_the_stream(payloads, data):
    line = b"".join(frame.encode(payload) for payload in payloads)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(line)), max_size=8)))
    deframer = frame.Deframer()
    found = []
    for start, end in zip([0, *cuts], [*cuts, len(line)], strict=True):
        found.extend(deframer.receive(line[start:end]))
    assert found == payloads


@given(st.binary(max_size=3000))
def test_any_noise_on_a_stream_is_survived(noise):
    deframer = frame.Deframer()
    deframer.receive(noise)
    assert deframer.receive(b"\0" + frame.encode(b"after"))[-1] == b"after"


@given(st.integers(2, 300), st.lists(st.binary(max_size=limits.FRAME_BYTES), max_size=6))
def test_fragments_give_the_frames_back(mtu, frames):
    out, back = Fragmenter(mtu), Reassembler()
    found = [back.receive(packet) for item in frames for packet in out.split(item)]
    assert [item for item in found if item is not None] == frames


envelopes = st.builds(
    envelope.make,
    st.integers(0, 2),
    st.integers(0, 15),
    st.binary(min_size=12, max_size=12),
    st.binary(max_size=900),
    st.integers(0, 23),
    st.booleans(),
)


@given(envelopes, st.integers(0, 40), st.integers(0, 1 << 20))
def test_an_envelope_is_the_same_after_any_way(one, hops, age):
    found = envelope.decode(one.carried(hops, age).encode())
    assert found.id == one.id and found.body == one.body and found.lock == one.lock
    assert found.hops == min(hops, limits.HOPS)


@given(st.binary(max_size=1200))
def test_every_byte_string_is_an_envelope_or_refused(data):
    try:
        found = envelope.decode(data)
    except PeerError:
        return
    assert found.encode() == data


@given(envelopes, st.integers(0, 10**6), st.integers(0, 7))
def test_a_flipped_bit_gives_another_id_or_is_refused(one, at, bit):
    prefix = len(one.prefix())
    data = bytearray(one.encode())
    data[at % prefix] ^= 1 << bit
    try:
        found = envelope.decode(bytes(data))
    except PeerError:
        return
    assert found.id != one.id


@given(st.binary(max_size=40))
def test_no_foreign_advertisement_is_taken_for_ours(data):
    assert beacon.parse(data, KEY, b"addr..") is None


@given(st.binary(min_size=16, max_size=16), st.binary(max_size=600))
def test_aes_ctr_agrees_with_a_library(counter, data):
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    cipher = Cipher(algorithms.AES(KEY), modes.CTR(counter)).encryptor()
    assert mac.aes_ctr(KEY, counter, data) == cipher.update(data)


@settings(deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=20), st.booleans())
def test_no_bytes_from_the_line_raise_or_establish_a_link(noise, packets):
    a, b = links(
        Shelf(MemoryStore(), Clock(0), 0),
        Shelf(MemoryStore(), Clock(0), 0),
        Packets100 if packets else Stream,
    )
    for link in (a, b):
        for item in noise:
            link.receive(item if packets else frame.encode(item), 0)
            link.outgoing(0)
        assert not link.established


def Packets100():
    return Packets(100)


@given(st.lists(st.binary(max_size=60), max_size=20))
def test_messages_of_a_hostile_member_are_values_or_refused(messages):
    peer = Peer(Shelf(MemoryStore(), Clock(0), 0), 0)
    peer.receive(b"\x09" + encode_clock(0, True), 0)
    for message in messages:
        try:
            peer.receive(message, 0)
        except PeerError:
            pass
        peer.outgoing(0)


@settings(deadline=None)
@example({1, 2, 3, 4, 6, 44}, {0, 8, 43, 5}, 11342, Packets100)  # so much is lost that the link stalls
@given(
    st.sets(st.integers(0, 60), max_size=40),
    st.sets(st.integers(0, 60), max_size=40),
    st.integers(0, 1 << 30),
    st.sampled_from([Stream, Packets100]),
)
def test_any_two_shelves_become_their_union_over_a_lossy_line(left, right, seed, framing):
    import random

    dice = random.Random(seed)
    shelves = []
    for numbers in (left, right):
        one = Shelf(MemoryStore(), Clock(0), 0)
        for number in numbers:
            one.put(letter(number, 77 + number * 3), 0)
        shelves.append(one)
    a, b = links(shelves[0], shelves[1], framing)
    for _ in range(3):  # the handshake is tested elsewhere
        for giver, taker in ((a, b), (b, a)):
            for data in giver.outgoing(0):
                taker.receive(data, 0)
    now = run(a, b, rounds=3000, line=lambda data: b"" if dice.random() < 0.05 else data)
    if a.closed or b.closed:
        assert "stalled" in (a.reason, b.reason)
        a, b = links(shelves[0], shelves[1], framing)  # what a host and a board do then
        now = 0
    run(a, b, now=now)
    expected = {letter(number, 77 + number * 3).id for number in left | right}
    assert set(shelves[0].ids()) == set(shelves[1].ids()) == expected


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, shelf_model.STEPS - 1), st.integers(0, 40)), max_size=80))
def test_a_shelf_does_what_a_plain_list_of_letters_and_proofs_would_do(steps):
    store = MemoryStore()
    shelf_model.follow(steps, lambda: store)


@given(st.lists(st.tuples(st.integers(0, shelf_model.STEPS - 1), st.integers(0, 40)), max_size=80))
def test_a_full_shelf_keeps_its_bounds_and_its_summary_is_that_of_what_it_knows(steps):
    shelf_model.overfill(steps)


@given(st.permutations(range(30)), st.integers(0, 2**32 - 1), st.integers(1, 29))
def test_full_shelves_end_with_the_same_letters_in_whatever_order_those_came(order, ages, room):
    one, two = shelf(max_count=room), shelf(max_count=room)
    for number in [*range(30), *order]:
        taker = one if one.counts[counts.OFFERED] < 30 else two
        taker.put(
            letter(number, priority=number % 3, ttl=10 + number % 5).carried(0, (ages >> number) % 32), 0
        )
    assert sorted(one.ids()) == sorted(two.ids()) and one.count() == room


@given(st.binary(min_size=1, max_size=200), st.integers(0, 10**6), st.integers(0, 7))
def test_an_altered_frame_is_never_read_as_a_message(message, at, bit):
    a, b = sessions()
    for giver, taker in ((a, b), (b, a), (a, b)):
        for item in giver.outgoing():
            taker.receive(item, 0)
    a.send(message)
    data = bytearray(a.outgoing()[0])
    good = bytes(data)
    data[at % len(data)] ^= 1 << bit
    with pytest.raises(PeerError):
        b.receive(bytes(data), 0)
    assert b.receive(good, 0) == [message]
