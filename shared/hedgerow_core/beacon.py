"""The beacon: one legacy advertisement that says who is here and how much is known.

29 of 31 bytes: flags 3, service data header 4, version 1, beacon id 6, count 2, summary 4, load 1, MAC 8.
The MAC under the mesh key covers the advertiser's address, so a beacon is worth nothing from elsewhere.

The beacon id is random to all but who holds the board's finding key: 3 random bytes, and 3 of their HMAC
under that key, as the parts of a resolvable private address (Core Specification, volume 6, part B, 1.3.2.2).
"""

from hedgerow_core.mac import equal, hmac_sha256

SERVICE_UUID = 0xFCF1
VERSION = 1
SIZE = 29

# AD structures (Bluetooth Core Specification Supplement, part A): flags; service data of a 16-bit UUID.
_HEAD = b"\x02\x01\x06\x19\x16" + SERVICE_UUID.to_bytes(2, "little")
_FLAGS = 2
_FLAGS_ALL = 0x06  # general discoverable, no classic Bluetooth
_FLAGS_HOSTS = 0x05  # limited discoverable: boards are not meant
_DATA = 7  # where the service data begins
_DATA_BYTES = SIZE - _DATA
_RANDOM_BYTES = 3  # of a resolvable beacon id


class Beacon:
    """What a neighbour says: ``beacon_id`` 6 B, ``count`` of ids known, ``summary`` 4 B, ``load`` 0-255,
    and ``mac`` 8 B over that."""

    def __init__(self, beacon_id: bytes, count: int, summary: bytes, load: int, mac: bytes) -> None:
        self.beacon_id = beacon_id
        self.count = count
        self.summary = summary
        self.load = load
        self.mac = mac


def mac_of(adv_data: bytes) -> bytes:
    """The MAC in a beacon, checked or not."""
    return bytes(adv_data[21:])


def _mac(mesh_key: bytes, address: bytes, content: bytes) -> bytes:
    return hmac_sha256(mesh_key, b"hedgerow beacon" + address + content)[:8]


def new_id(finding: bytes, noise: bytes) -> bytes:
    """A beacon id (6 bytes) of 6 random bytes: resolvable where the board has a ``finding`` key of 16."""
    if not finding:
        return noise
    head = noise[:_RANDOM_BYTES]
    return head + hmac_sha256(finding, b"hedgerow finding" + head)[:_RANDOM_BYTES]


def resolves(finding: bytes, beacon_id: bytes) -> bool:
    """Whether this is a beacon id of the board with that finding key; by chance once in 2^24."""
    return equal(new_id(finding, beacon_id), beacon_id)


def encode(
    mesh_key: bytes,
    address: bytes,
    beacon_id: bytes,
    count: int,
    summary: bytes,
    load: int,
    for_all: bool = True,
) -> bytes:
    """The advertising data (29 bytes) of a board that advertises from the 6-byte ``address``; not
    ``for_all``: boards are asked not to call, hosts may."""
    content = (
        bytes((VERSION,))
        + beacon_id
        + min(count, 0xFFFF).to_bytes(2, "big")
        + summary
        + bytes((min(load, 255),))
    )
    head = _HEAD if for_all else _HEAD[:_FLAGS] + bytes((_FLAGS_HOSTS,)) + _HEAD[_FLAGS + 1 :]
    return head + content + _mac(mesh_key, address, content)


def is_ours(adv_data: bytes) -> bool:
    """Whether this may be a beacon: cheap, for the scan handler."""
    return (
        len(adv_data) == SIZE
        and bytes(adv_data[_FLAGS + 1 : _DATA]) == _HEAD[_FLAGS + 1 :]
        and bytes(adv_data[:_FLAGS]) == _HEAD[:_FLAGS]
        and (for_all(adv_data) or adv_data[_FLAGS] == _FLAGS_HOSTS)
    )


def for_all(adv_data: bytes) -> bool:
    """Whether a beacon asks boards to call, too."""
    return bool(adv_data[_FLAGS] == _FLAGS_ALL)


def read(data: bytes) -> "Beacon | None":
    """What the service data of a beacon says, whoever sent it: the MAC is not checked. None where it is no
    beacon of this version."""
    if len(data) != _DATA_BYTES or data[0] != VERSION:
        return None
    return Beacon(bytes(data[1:7]), data[7] << 8 | data[8], bytes(data[9:13]), data[13], bytes(data[14:]))


def parse(adv_data: bytes, mesh_key: bytes, address: bytes) -> "Beacon | None":
    """Read an advertisement: None where it is no beacon of this mesh and version."""
    if not is_ours(adv_data):
        return None
    data = bytes(adv_data[_DATA:])
    found = read(data)
    if found is None or not equal(_mac(mesh_key, address, data[:-8]), found.mac):
        return None
    return found
