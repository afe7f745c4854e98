from hedgerow_core import cbor
from hedgerow_core.errors import LimitError
from support import refuses, unhex, vectors


def test_rfc8949_values_encode_and_decode_byte_for_byte():
    for text, value in vectors("cbor")["values"]:
        data = unhex(text)
        if isinstance(value, int) and abs(value) < 1 << 64:
            assert cbor.decode(data) == value, text
        assert cbor.encode(value) == data, text
        assert cbor.decode(data) == value, text
        assert type(cbor.decode(data)) is type(value), text


def test_rfc8949_byte_strings_and_integer_maps():
    for text, value in vectors("cbor")["bytes"]:
        assert cbor.decode(unhex(text)) == unhex(value)
        assert cbor.encode(unhex(value)) == unhex(text)
    for text, pairs in vectors("cbor")["int_maps"]:
        value = dict((key, item) for key, item in pairs)
        assert cbor.encode(value) == unhex(text)
        assert cbor.decode(unhex(text)) == value


def test_types_that_hedgerow_does_not_have_are_refused():
    for text in vectors("cbor")["refused"]:
        assert refuses(cbor.decode, unhex(text)), text


def test_malformed_and_longer_than_shortest_encodings_are_refused():
    for text in vectors("cbor")["malformed"]:
        assert refuses(cbor.decode, unhex(text)), text


def test_every_cut_of_a_value_is_refused():
    data = cbor.encode({1: [b"bytes", "text", -7, None, True], 2: {3: 1 << 40}})
    for end in range(len(data)):
        assert refuses(cbor.decode, data[:end])
    assert refuses(cbor.decode, data + b"\0")


def test_true_is_not_one():
    assert cbor.encode(True) != cbor.encode(1)
    assert cbor.encode([True, 1]) == b"\x82\xf5\x01"


def test_our_own_mistakes_are_named():
    for value in (1 << 64, -(1 << 64) - 1, object(), [[[[[[[[[[]]]]]]]]]]):
        try:
            cbor.encode(value)
        except LimitError:
            continue
        raise AssertionError(value)
