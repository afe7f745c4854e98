"""The beacon: one legacy advertisement that says who is here and how much is known.

29 of 31 bytes: flags 3, service data header 4, version 1, beacon id 6, count 2, summary 4, load 1, MAC 8.
The MAC under the mesh key covers the advertiser's address, so a beacon is worth nothing from elsewhere.
"""

from hedgerow_core.mac import equal, hmac_sha256

SERVICE_UUID = 0xFCF1
VERSION = 1
SIZE = 29

# AD structures (Bluetooth Core Specification Supplement, part A): flags; service data of a 16-bit UUID.
_HEAD = b"\x02\x01\x06\x19\x16" + SERVICE_UUID.to_bytes(2, "little")


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


def encode(mesh_key: bytes, address: bytes, beacon_id: bytes, count: int, summary: bytes, load: int) -> bytes:
    """The advertising data (29 bytes) of a board that advertises from the 6-byte ``address``."""
    content = (
        bytes((VERSION,))
        + beacon_id
        + min(count, 0xFFFF).to_bytes(2, "big")
        + summary
        + bytes((min(load, 255),))
    )
    return _HEAD + content + _mac(mesh_key, address, content)


def is_ours(adv_data: bytes) -> bool:
    """Whether this may be a beacon: cheap, for the scan handler."""
    return len(adv_data) == SIZE and bytes(adv_data[:7]) == _HEAD


def parse(adv_data: bytes, mesh_key: bytes, address: bytes) -> "Beacon | None":
    """Read an advertisement: None where it is no beacon of this mesh and version."""
    if not is_ours(adv_data):
        return None
    content = bytes(adv_data[7:21])
    if content[0] != VERSION or not equal(_mac(mesh_key, address, content), mac_of(adv_data)):
        return None
    return Beacon(content[1:7], content[7] << 8 | content[8], content[9:13], content[13], mac_of(adv_data))
