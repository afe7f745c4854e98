"""The emulated ROM loader without any cable: packets whole, in pieces, damaged, and beyond the flash."""

import hashlib
import io
import struct
import zlib

import pytest

from hedgerow_lab.bare import image
from hedgerow_lab.bare.chips import APP_OFFSET, CHIPS, FLASH_BYTES, TABLE_OFFSET, UnknownChip, chip_named
from hedgerow_lab.bare.loader import SYNC, Faults, Loader

C3 = CHIPS["esp32c3"]


def slip(packet):
    return b"\xc0" + packet.replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc") + b"\xc0"


def request(command, data=b"", body=b""):
    checksum = 0xEF
    for byte in body:
        checksum ^= byte
    return slip(struct.pack("<BBHI", 0, command, len(data + body), checksum) + data + body)


def block(command, body, number=0):
    return request(command, struct.pack("<IIII", len(body), number, 0, 0), body)


def loader(stub=False, faults=None):
    made = Loader(C3, bytes(range(6)), io.BytesIO(b"\xa5" * FLASH_BYTES), faults or Faults())
    made.stub = stub
    return made


def answers(out):
    """(command, value, content) of each response."""
    found = []
    for packet in out.split(b"\xc0"):
        if packet:
            packet = packet.replace(b"\xdb\xdc", b"\xc0").replace(b"\xdb\xdd", b"\xdb")
            _, command, _, value = struct.unpack_from("<BBHI", packet)
            found.append((command, value, packet[8:]))
    return found


STREAM = SYNC + request(0x14) + request(0x0A, struct.pack("<I", C3.efuse_mac)) + request(0x99)


def test_it_answers_a_stream_whole_and_in_pieces_alike():
    whole = loader().receive(STREAM)
    assert [command for command, _, _ in answers(whole)] == [0x08] * 8 + [0x14, 0x0A, 0x99]
    for size in range(1, len(STREAM)):
        piecewise = loader()
        got = b"".join(piecewise.receive(STREAM[at : at + size]) for at in range(0, len(STREAM), size))
        assert got == whole and not piecewise.run


def test_it_knows_its_chip_and_address():
    found = answers(loader().receive(STREAM))
    assert found[8][2][12:16] == bytes((C3.id, 0, 0, 0))
    assert found[9][1] == int.from_bytes(bytes(range(2, 6)), "big")
    assert found[10][2][:2] == b"\x01\x05"


def test_what_is_no_packet_starts_the_chip_and_is_not_lost():
    made = loader()
    made.receive(SYNC + b"\r\x03rest")
    assert made.run and made.left == b"\r\x03rest"


def test_packed_blocks_end_up_in_flash_and_erase_no_more_than_they_touch():
    made = loader(stub=True)
    content = bytes(range(256)) * 40
    packed = zlib.compress(content)
    made.receive(request(0x10, struct.pack("<IIII", len(content), 1, 0x4000, 0x1000)))
    half = len(packed) // 2
    for number, part in enumerate((packed[:half], packed[half:])):
        assert answers(made.receive(block(0x11, part, number)))[0][2] == b"\0\0"
    flash = made.flash.getvalue()
    assert flash[0x1000 : 0x1000 + len(content)] == content
    assert flash[0xFFF] == 0xA5 and flash[0x4000] == 0xA5 and flash[0x1000 + len(content)] == 0xFF
    digest = answers(made.receive(request(0x13, struct.pack("<IIII", 0x1000, len(content), 0, 0))))[0][2]
    assert digest[:16] == hashlib.md5(content).digest()


@pytest.mark.parametrize(
    "asked",
    [
        request(0x02, struct.pack("<IIII", 0x2000, 1, 0x400, FLASH_BYTES - 0x1000)),
        request(0xD1, struct.pack("<II", 0x1001, 0x1000)),
        request(0xD1, struct.pack("<II", FLASH_BYTES, 0x1000)),
        block(0x03, b"nobody began"),
        request(0x0A, b"?"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(asked):
    made = loader(stub=True)
    assert answers(made.receive(asked))[0][2][0] == 1
    assert made.flash.getvalue() == b"\xa5" * FLASH_BYTES


def test_damaged_blocks_and_lost_replies_count_down():
    made = loader(stub=True, faults=Faults(corrupt_blocks=1, lost_replies=1))
    made.receive(request(0x02, struct.pack("<IIII", 0x1000, 1, 0x400, 0)))
    assert answers(made.receive(block(0x03, b"abcd")))[0][2] == b"\x01\x07"
    assert made.receive(block(0x03, b"abcd")) == b""
    assert answers(made.receive(block(0x03, b"efgh")))[0][2] == b"\0\0"
    assert made.flash.getvalue()[:8] == b"abcdefgh"


def test_the_cable_ends_at_the_byte_that_was_ordered():
    faults = Faults(cut_after=5)
    assert faults.on_the_cable(b"abc") == (b"abc", False)
    assert faults.on_the_cable(b"defg") == (b"de", True)
    assert faults.on_the_cable(b"again") == (b"again", False)
    faults = Faults(silent_after=2)
    assert not faults.silent
    assert faults.on_the_cable(b"abc") == (b"ab", False)
    assert faults.silent and faults.on_the_cable(b"d") == (b"", False)


@pytest.mark.parametrize("chip", CHIPS.values(), ids=CHIPS)
def test_an_image_starts_on_its_chip_and_nowhere_else(chip):
    flash = (b"\xff" * chip.image_offset + image.micropython(chip)).ljust(FLASH_BYTES, b"\xff")
    assert image.boot_trouble(flash, chip) is None
    for other in CHIPS.values():
        if other is not chip:
            assert image.boot_trouble(flash, other) is not None


@pytest.mark.parametrize("at", [0, 1, 12, 40, TABLE_OFFSET, APP_OFFSET, APP_OFFSET + 12, 0x180000])
def test_no_byte_of_an_image_can_be_another_one(at):
    flash = bytearray(image.micropython(C3).ljust(FLASH_BYTES, b"\xff"))
    flash[at] ^= 2
    assert image.boot_trouble(bytes(flash), C3) is not None


def test_an_unknown_chip_is_named():
    with pytest.raises(UnknownChip):
        chip_named("esp8266")
