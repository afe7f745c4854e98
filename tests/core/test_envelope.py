from hedgerow_core import cbor, envelope, limits
from hedgerow_core.errors import LimitError, VersionError
from support import letter, refuses


def test_the_header_of_a_letter_is_19_bytes_at_its_origin():
    for body in (24, 77, 255):
        assert len(letter(1, body).encode()) == body + 19


def test_an_envelope_comes_back_and_keeps_its_id_on_the_way():
    first = envelope.make(envelope.URGENT, 3, b"lock lock lo", b"body", hops=2, shared=True)
    for hops, age in ((2, 0), (9, 59), (32, 40000)):
        found = envelope.decode(first.carried(hops, age).encode())
        assert (found.flags, found.ttl, found.lock, found.body) == (
            first.flags,
            first.ttl,
            first.lock,
            first.body,
        )
        assert (found.hops, found.age, found.id) == (hops, age, first.id)
        assert found.priority == envelope.URGENT and found.shared


def test_mutable_fields_stop_at_their_bounds():
    found = letter(1).carried(1000, 10**9)
    assert envelope.decode(found.encode()).hops == limits.HOPS
    assert found.expired()


def test_every_envelope_can_be_padded_to_steps_of_32_bytes():
    for least in range(0, 1000):
        try:
            size = envelope.padded_body_size(least)
        except LimitError:
            assert least > limits.ENVELOPE_BYTES - 24
            continue
        assert size >= least and size - least < 2 * limits.ENVELOPE_PAD
        assert len(envelope.make(0, 0, bytes(12), bytes(size)).encode()) % limits.ENVELOPE_PAD == 0


def test_every_cut_and_every_addition_is_refused():
    data = letter(1).encode()
    for end in range(len(data)):
        assert refuses(envelope.decode, data[:end])
    assert refuses(envelope.decode, data + b"\0")


def test_fields_out_of_bounds_are_refused():
    def parts(flags=8, ttl=0, lock=bytes(12), body=b"b", hops=0, age=0):
        return b"".join(cbor.encode(item) for item in (flags, ttl, lock, body, hops, age))

    assert envelope.decode(parts()).body == b"b"
    bad = (
        parts(flags=8 | 3),
        parts(ttl=16),
        parts(lock=bytes(11)),
        parts(lock="x" * 12),
        parts(body=bytes(1100)),
        parts(hops=33),
        parts(age=limits.AGE_MINUTES + 1),
        parts(age=-1),
        parts(hops=None),
    )
    for data in bad:
        assert refuses(envelope.decode, data)


def test_another_version_is_named():
    for flags in (0, 16):
        try:
            envelope.decode(cbor.encode(flags) + letter(1).encode()[1:])
        except VersionError:
            continue
        raise AssertionError(flags)


def test_a_letter_expires_after_its_ttl_and_not_before():
    for ttl in range(16):
        one = letter(1, ttl=ttl)
        assert not one.carried(0, envelope.TTL_MINUTES[ttl] - 1).expired()
        assert one.carried(0, envelope.TTL_MINUTES[ttl]).expired()
