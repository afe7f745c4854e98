from hedgerow_core import lms
from support import refuses, unhex, vectors


def cases() -> list:
    return [[unhex(part) for part in case] for case in vectors("lms")["lms"]["vectors"]]


def reader(signature: bytes):
    return lambda at, size: signature[at : at + size]


def test_lms_takes_the_signatures_of_rfc8554():
    for (key, message, signature), leaf in zip(cases(), (5, 10, 3, 4)):
        assert len(signature) == lms.signature_bytes(key)
        assert lms.verify(key, [message], reader(signature)) == leaf
        half = len(message) // 2
        assert lms.verify(key, [message[:half], b"", message[half:]], reader(signature)) == leaf


def test_a_changed_byte_of_a_signature_is_refused_wherever_it_is():
    key, message, signature = cases()[2]
    # Each field, and each end of the chains; tests/core/test_lms_properties.py changes any byte.
    for at in (0, 3, 4, 7, 8, 39, 40, 71, 2183, 2184, 2187, 2188, 2507):
        changed = bytearray(signature)
        changed[at] ^= 1
        assert refuses(lms.verify, key, [message], reader(bytes(changed)))
    assert refuses(lms.verify, key, [message[:-1]], reader(signature))
    assert refuses(lms.verify, key, [message + b"\0"], reader(signature))


def test_a_short_signature_is_refused():
    key, message, signature = cases()[0]
    for size in (0, 39, 40, len(signature) - 1):
        assert refuses(lms.verify, key, [message], reader(signature[:size]))


def test_a_key_that_is_none_of_ours_is_refused():
    key, message, signature = cases()[0]
    for other in (
        b"",
        key[:-1],
        key + b"\0",
        bytes(56),
        b"\0\0\0\x07" + key[4:],
        key[:4] + b"\0\0\0\x02" + key[8:],
    ):
        assert refuses(lms.verify, other, [message], reader(signature))
        assert refuses(lms.signature_bytes, other)


def test_a_signature_under_another_key_is_refused():
    (first, message, signature), (second, _, _) = cases()[:2]
    assert first[:8] == second[:8]
    assert lms.verify(first, [message], reader(signature)) == 5
    assert refuses(lms.verify, second, [message], reader(signature))
