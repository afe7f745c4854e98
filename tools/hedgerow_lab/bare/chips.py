"""The chips of virtual bare boards: what esptool asks them, and where things lie in their flash.

Register addresses and magic values are those of the chips' technical reference manuals, as esptool's targets
name them. Ids and offsets stand here although flashing has them, too (hedgerow.flashing.catalogue, image): a
board that took them from there would start whatever flashing wrote, mistakes included. A test compares both
with esptool's.
"""

from dataclasses import dataclass, field

from hedgerow_core.errors import HedgerowError

FLASH_BYTES = 4 << 20
SECTOR_BYTES = 4096
TABLE_OFFSET = 0x8000
NVS_OFFSET, NVS_BYTES = 0x9000, 0x6000
APP_OFFSET, APP_BYTES = 0x10000, 0x1F0000
FILES_OFFSET = 0x200000
FILES_BLOCKS = (FLASH_BYTES - FILES_OFFSET) // SECTOR_BYTES


class UnknownChip(HedgerowError):
    """The lab has no such chip."""


@dataclass(frozen=True)
class Chip:
    """``id`` is the one of image headers; ``spi`` holds the offsets of USR2 and W0 from ``spi_base``."""

    name: str
    title: str
    id: int
    image_offset: int
    magic: int | None  # None: the ROM answers GET_SECURITY_INFO
    spi_base: int
    spi: tuple[int, int]
    efuse_mac: int
    watchdog: int | None  # the register that starts the RTC watchdog
    registers: dict[int, int] = field(default_factory=dict)
    load: tuple[int, int] = (0x3C000020, 0x42000020)  # where data and code of an image go
    hello: bytes = b""

    def identity(self, address: bytes) -> dict[int, int]:
        """The registers as they are after a reset; ``address`` is the board's, 6 bytes."""
        high, low = int.from_bytes(address[:2], "big"), int.from_bytes(address[2:], "big")
        return {**self.registers, self.efuse_mac: low, self.efuse_mac + 4: high}


_ESP32 = Chip(
    name="esp32",
    title="ESP32",
    id=0,
    image_offset=0x1000,
    magic=0x00F01D83,
    spi_base=0x3FF42000,
    spi=(0x24, 0x80),
    efuse_mac=0x3FF5A004,
    watchdog=None,
    # Revision 3 of an ESP32-D0WD with a crystal of 40 MHz, at 115,200 baud.
    registers={
        0x40001000: 0x00F01D83,
        0x3FF5A00C: 1 << 15 | 1 << 9,
        0x3FF5A014: 1 << 20,
        0x3FF6607C: 1 << 31,
        0x3FF40014: 40_000_000 // 115_200,
    },
    load=(0x3F400020, 0x400D0020),
    hello=b"ets Jul 29 2019 12:21:46\r\n\r\n",
)
_C3 = Chip(
    name="esp32c3",
    title="ESP32C3",
    id=5,
    image_offset=0,
    magic=None,
    spi_base=0x60002000,
    spi=(0x20, 0x58),
    efuse_mac=0x60008844,
    watchdog=0x60008090,
    registers={0x60008850: 4 << 18},
    hello=b"ESP-ROM:esp32c3-api1-20210207\r\nBuild:Feb  7 2021\r\n",
)
_C6 = Chip(
    name="esp32c6",
    title="ESP32C6",
    id=13,
    image_offset=0,
    magic=None,
    spi_base=0x60003000,
    spi=(0x20, 0x58),
    efuse_mac=0x600B0844,
    watchdog=None,
    load=(0x42000020, 0x42010020),
    hello=b"ESP-ROM:esp32c6-20220919\r\nBuild:Sep 19 2022\r\n",
)
_S3 = Chip(
    name="esp32s3",
    title="ESP32S3",
    id=9,
    image_offset=0,
    magic=None,
    spi_base=0x60002000,
    spi=(0x20, 0x58),
    efuse_mac=0x60007044,
    watchdog=0x60008098,
    registers={0x60007050: 2 << 18},
    hello=b"ESP-ROM:esp32s3-20210327\r\nBuild:Mar 27 2021\r\n",
)

CHIPS = {chip.name: chip for chip in (_ESP32, _C3, _C6, _S3)}


def chip_named(name: str) -> Chip:
    """The chip with esptool's name; UnknownChip."""
    if name not in CHIPS:
        raise UnknownChip(f"The lab has no chip {name}: use one of {', '.join(sorted(CHIPS))}.")
    return CHIPS[name]
