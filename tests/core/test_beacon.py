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


def test_a_beacon_for_hosts_only_is_a_beacon_all_the_same():
    data = beacon.encode(KEY, ADDRESS, b"beacon", 300, b"sum.", 17, False)
    assert len(data) == beacon.SIZE and data[3:] == DATA[3:]
    assert beacon.is_ours(data) and not beacon.for_all(data) and beacon.for_all(DATA)
    assert beacon.parse(data, KEY, ADDRESS).beacon_id == b"beacon"


def test_who_is_not_of_the_mesh_reads_what_a_beacon_says_but_cannot_check_it():
    found = beacon.read(DATA[7:])
    assert (found.beacon_id, found.count, found.summary, found.load) == (b"beacon", 300, b"sum.", 17)
    assert beacon.read(DATA[7:-1]) is None and beacon.read(DATA[7:] + b"\0") is None
    assert beacon.read(b"\2" + DATA[8:]) is None and beacon.read(b"") is None


# HMAC-SHA256(key, "hedgerow finding" | r)[:3], computed with CPython's hmac.
FINDING = bytes(range(16))
IDS = (
    ("000000", "000000f52d5e"),
    ("0001ff", "0001ff43557e"),
    ("5ac3e9", "5ac3e9c213d9"),
    ("ffffff", "ffffff9c2735"),
)


def test_beacon_ids_that_a_finding_key_makes():
    for noise, identity in IDS:
        assert beacon.new_id(FINDING, bytes.fromhex(noise) + b"...") == bytes.fromhex(identity)
        assert beacon.resolves(FINDING, bytes.fromhex(identity))


def test_who_has_another_finding_key_does_not_recognise_a_board():
    for _, identity in IDS:
        assert not beacon.resolves(FINDING[1:] + b"\0", bytes.fromhex(identity))
        for at in range(48):
            changed = (int(identity, 16) ^ 1 << at).to_bytes(6, "big")
            assert not beacon.resolves(FINDING, changed)


def test_a_board_without_a_finding_key_has_random_ids():
    assert beacon.new_id(b"", b"random") == b"random"
