"""Images as MicroPython's builds make them, with our own bytes inside; and what a chip does with them.

An image file holds bootloader, partition table and application in one (MicroPython, ports/esp32/makeimg.py);
bootloader and application each have a header, segments, a checksum and a SHA-256 behind them (Espressif,
"Firmware Image Format" of esptool's documentation; ESP-IDF, "Partition Tables").
"""

import hashlib
import random
import struct
from collections.abc import Callable

from hedgerow_lab.bare import chips
from hedgerow_lab.bare.chips import Chip

IMAGE_BYTES = 1_600_000
NOISE_BYTES = 48_000
MAGIC = 0xE9
_CHECKSUM = 0xEF
_HEADER = struct.Struct("<BBBBIB3xHBHH4xB")
_DESCRIPTION = struct.Struct("<II8x32s32s16s16s32s32s80x")
_DESCRIPTION_MAGIC = 0xABCD5432
_DIO, _4MB = 2, 0x20
_MOST_SEGMENTS = 16
_ENTRY = struct.Struct("<2sBBII16sI")
_ENTRY_MAGIC, _DIGEST_MAGIC = b"\xaa\x50", b"\xeb\xeb"
_APP, _DATA = 0, 1
_PARTITIONS = (
    (_DATA, 0x02, chips.NVS_OFFSET, chips.NVS_BYTES, b"nvs"),
    (_DATA, 0x01, 0xF000, 0x1000, b"phy_init"),
    (_APP, 0x00, chips.APP_OFFSET, chips.APP_BYTES, b"factory"),
    (_DATA, 0x81, chips.FILES_OFFSET, chips.FLASH_BYTES - chips.FILES_OFFSET, b"vfs"),
)


def micropython(
    chip: Chip, size: int = IMAGE_BYTES, noise: int = NOISE_BYTES, version: str = "1.25.0"
) -> bytes:
    """A file of about ``size`` bytes that esptool writes at ``chip.image_offset`` and that the chip starts.

    ``noise`` of its bytes cannot be compressed: they are what the cable has to carry.
    """
    description = _DESCRIPTION.pack(
        *(_DESCRIPTION_MAGIC, 0, f"v{version}".encode(), b"micropython", b"12:00:00", b"Nov 30 2026"),
        *(b"v5.2.2", hashlib.sha256(chip.name.encode()).digest()),
    )
    filler = random.Random(f"image {chip.name} {version}").randbytes(noise)
    code = size - (chips.APP_OFFSET - chip.image_offset) - len(description) - len(filler) - 100
    app = _image(chip, [description + filler, _text(code)])
    boot = _image(chip, [_text(18_000)])
    return b"".join(
        (
            boot.ljust(chips.TABLE_OFFSET - chip.image_offset, b"\xff"),
            _table().ljust(chips.APP_OFFSET - chips.TABLE_OFFSET, b"\xff"),
            app,
        )
    )


def installed(chip: Chip) -> bytes:
    """The flash of a board that has MicroPython on it and was never started."""
    return (b"\xff" * chip.image_offset + micropython(chip)).ljust(chips.FLASH_BYTES, b"\xff")


def _text(size: int) -> bytes:
    line = b"Where code would be, there is this line of the lab's.           "
    return (line * (max(0, size) // len(line) + 1))[: max(4, size) // 4 * 4]


def _image(chip: Chip, segments: list[bytes]) -> bytes:
    header = _HEADER.pack(MAGIC, len(segments), _DIO, _4MB, chip.load[1], 0xEE, chip.id, 0, 0, 0xFFFF, 1)
    body = header + b"".join(
        struct.pack("<II", address, len(data)) + data
        for address, data in zip(chip.load, segments, strict=False)
    )
    body += bytes(15 - len(body) % 16) + bytes((_checksum(b"".join(segments)),))
    return body + hashlib.sha256(body).digest()


def _checksum(data: bytes) -> int:
    """All bytes XORed; by halves, since an image has millions."""
    while len(data) > 1:
        half = (len(data) + 1) // 2
        folded = int.from_bytes(data[:half], "little") ^ int.from_bytes(data[half:], "little")
        data = folded.to_bytes(half, "little")
    return _CHECKSUM ^ (data[0] if data else 0)


def _table() -> bytes:
    rows = b"".join(
        _ENTRY.pack(_ENTRY_MAGIC, kind, subtype, offset, size, label, 0)
        for kind, subtype, offset, size, label in _PARTITIONS
    )
    return rows + _DIGEST_MAGIC + b"\xff" * 14 + hashlib.md5(rows).digest()


def trouble(image: bytes, chip: Chip) -> str | None:
    """What a chip prints about an image that it does not start; None where it starts it."""
    if len(image) < _HEADER.size or image[0] != MAGIC or not 0 < image[1] <= _MOST_SEGMENTS:
        return f"invalid header: 0x{int.from_bytes(image[:4], 'little'):08x}"
    chip_id, hashed = _HEADER.unpack_from(image)[6], _HEADER.unpack_from(image)[-1]
    if chip_id != chip.id:
        return f"boot: Mismatch chip ID, expected {chip.id}, found {chip_id}"
    at, content = _HEADER.size, b""
    for _ in range(image[1]):
        if at + 8 > len(image):
            return "esp_image: segment is outside of the flash"
        size = int.from_bytes(image[at + 4 : at + 8], "little")
        data = image[at + 8 : at + 8 + size]
        if len(data) < size:
            return "esp_image: segment is outside of the flash"
        content += data
        at += 8 + size
    end = at + 16 - at % 16
    if image[end - 1 : end] != bytes((_checksum(content),)):
        return "esp_image: Checksum failed"
    if hashed and hashlib.sha256(image[:end]).digest() != image[end : end + 32]:
        return "esp_image: Image hash failed - image is corrupt"
    return None


def boot_trouble(flash: bytes, chip: Chip) -> str | None:
    """The same for a whole flash: the ROM starts the bootloader, which starts the application."""
    found = trouble(flash[chip.image_offset : chips.TABLE_OFFSET], chip)
    if found is not None:
        return found
    for at in range(chips.TABLE_OFFSET, chips.NVS_OFFSET, _ENTRY.size):
        magic, kind, _, offset, size, _, _ = _ENTRY.unpack_from(flash, at)
        if magic != _ENTRY_MAGIC:
            break
        if kind == _APP:
            return trouble(flash[offset : offset + size], chip)
    return "boot: Failed to verify partition table"


# Images that flashing has to refuse.


def truncated(image: bytes) -> bytes:
    """The first half, as a download that broke off."""
    return image[: len(image) // 2]


def spoiled(image: bytes) -> bytes:
    """The hash behind it is that of another image."""
    return image[:-1] + bytes((image[-1] ^ 1,))


FAULTS: dict[str, Callable[[bytes], bytes]] = {"truncated": truncated, "spoiled": spoiled}
