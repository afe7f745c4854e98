from hedgerow_core import mac
from support import unhex, vectors


def test_hmac_gives_the_tags_of_rfc4231():
    for key, data, tag in vectors("mac")["hmac_sha256"]["vectors"]:
        expected = unhex(tag)
        assert mac.hmac_sha256(unhex(key), unhex(data))[: len(expected)] == expected


def test_hkdf_gives_the_keys_of_rfc5869():
    for secret, salt, info, output in vectors("mac")["hkdf_sha256"]["vectors"]:
        expected = unhex(output)
        assert mac.hkdf(unhex(secret), unhex(salt), unhex(info), len(expected)) == expected


def test_aes_ctr_gives_the_blocks_of_sp800_38a():
    for key, counter, plaintext, ciphertext in vectors("mac")["aes_ctr"]["vectors"]:
        key, counter = unhex(key), unhex(counter)
        plain, cipher = unhex(plaintext), unhex(ciphertext)
        assert mac.aes_ctr(key, counter, plain) == cipher
        assert mac.aes_ctr(key, counter, cipher) == plain
        for size in (0, 1, 15, 16, 17, 63):
            assert mac.aes_ctr(key, counter, plain[:size]) == cipher[:size]


def test_the_counter_carries_into_its_upper_bytes():
    key = bytes(32)
    last = b"\xff" * 16
    whole = mac.aes_ctr(key, last, bytes(32))
    assert whole[16:] == mac.aes_ctr(key, bytes(16), bytes(16))
    edge = bytes(13) + b"\0\xff\xff"
    whole = mac.aes_ctr(key, edge, bytes(48))
    assert whole[16:] == mac.aes_ctr(key, bytes(13) + b"\1\0\0", bytes(32))


def test_equal_compares_every_byte():
    assert mac.equal(b"abc", b"abc")
    assert not mac.equal(b"abc", b"abd")
    assert not mac.equal(b"abc", b"ab")
    assert mac.equal(b"", b"")


def test_xor_keeps_leading_zeros():
    assert mac.xor(b"\1\2\3", b"\1\2\4") == b"\0\0\7"
    assert mac.xor(b"", b"") == b""
