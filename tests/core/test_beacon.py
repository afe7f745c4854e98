from hedgerow_core import beacon
from support import KEY

ADDRESS = b"\xc0addr1"
DATA = beacon.encode(KEY, ADDRESS, b"beacon", 300, b"sum.", 17)


def test_a_beacon_fits_a_legacy_advertisement():
    assert len(DATA) == beacon.SIZE == 29


def test_a_beacon_says_what_was_put_in():
    found = beacon.parse(DATA, KEY, ADDRESS)
    assert (found.beacon_id, found.count, found.summary, found.load) == (b"beacon", 300, b"sum.", 17)
    assert (
        beacon.parse(beacon.encode(KEY, ADDRESS, b"beacon", 1 << 20, b"sum.", 999), KEY, ADDRESS).count
        == 65535
    )


def test_a_copied_beacon_is_worth_nothing_from_another_address():
    assert beacon.parse(DATA, KEY, b"\xc0addr2") is None


def test_a_beacon_of_another_mesh_is_not_ours():
    assert beacon.parse(DATA, b"other" * 6, ADDRESS) is None


def test_every_flipped_bit_and_every_cut_is_refused():
    for at in range(len(DATA)):
        for bit in range(8):
            bad = bytearray(DATA)
            bad[at] ^= 1 << bit
            assert beacon.parse(bytes(bad), KEY, ADDRESS) is None
        assert beacon.parse(DATA[:at], KEY, ADDRESS) is None
    assert beacon.parse(DATA + b"\0", KEY, ADDRESS) is None
