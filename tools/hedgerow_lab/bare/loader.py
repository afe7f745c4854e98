"""Espressif's ROM loader and the stub that esptool puts in its place, over one flash file.

The protocol is that of esptool's documentation ("Serial Protocol"): packets in SLIP (RFC 1055), a request is
00 | command | size 2 | checksum 4 | data, a response 01 | command | size 2 | value 4 | data | status. This is
the state machine alone: bytes in, bytes out. The stub's code is taken and thrown away.
"""

import hashlib
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import reduce
from typing import BinaryIO

from hedgerow_lab.bare.chips import FLASH_BYTES, SECTOR_BYTES, Chip

SYNC = b"\xc0\x00\x08\x24\x00\x00\x00\x00\x00\x07\x07\x12\x20" + b"\x55" * 32 + b"\xc0"
_END, _ESCAPE, _ESCAPED = 0xC0, 0xDB, {0xDC: 0xC0, 0xDD: 0xDB}
_PACKET_BYTES = 0x10000
_CHECKSUM = 0xEF
_SYNC_ANSWERS = 8
_ROM_VALUE = 0x20120707
_BAD_MESSAGE, _BAD_CHECKSUM, _BAD_WRITE, _BAD_DATA = 0x05, 0x07, 0x08, 0x0B
_FLASH_ID = 0x1640EF  # Winbond, 4 MB
_SFDP = int.from_bytes(b"SFDP", "little")
_READ_ID, _READ_SFDP = 0x9F, 0x5A
_SPI_USER, _WATCHDOG_ON = 1 << 18, 1 << 31


class _Refused(Exception):
    """A command ends with this status."""


@dataclass
class Faults:
    """What goes wrong between a program and the board; the numbers count down to nothing."""

    cut_after: int | None = None  # bytes from the host until somebody pulls the cable
    silent_after: int | None = None  # bytes from the host until the board neither hears nor says anything
    corrupt_blocks: int = 0  # blocks of data that arrive with a wrong byte
    lost_replies: int = 0  # blocks of data whose reply does not arrive
    bad_cells: int = 0  # blocks that are in flash other than they were sent
    mute: bool = False  # the stub says nothing any more, once it runs
    panic: bool = False  # what is in flash crashes whenever it starts

    @property
    def silent(self) -> bool:
        """Whether the board is beyond ``silent_after``."""
        return self.silent_after == 0

    def on_the_cable(self, data: bytes) -> tuple[bytes, bool]:
        """What of ``data`` arrives at the board, and whether the cable is pulled then."""
        if self.silent_after is not None:
            data = data[: self.silent_after]
            self.silent_after -= len(data)
        if self.cut_after is None:
            return data, False
        data = data[: self.cut_after]
        self.cut_after -= len(data)
        cut = self.cut_after == 0
        if cut:
            self.cut_after = None
        return data, cut


@dataclass
class _Writing:
    """A write to flash under way: where the next byte goes, and up to where it is erased."""

    at: int
    end: int
    erased: int
    unpack: "zlib._Decompress | None"


@dataclass
class Loader:
    """``receive`` takes what the host sent.

    ``run`` is true once the chip is to leave the loader; ``left`` is what came after that.
    """

    chip: Chip
    address: bytes
    flash: BinaryIO
    faults: Faults = field(default_factory=Faults)
    stub: bool = False
    run: bool = False
    left: bytes = b""

    def __post_init__(self) -> None:
        self._registers = self.chip.identity(self.address)
        self._packet: bytearray | None = None
        self._escaped = False
        self._writing: _Writing | None = None
        self._reading: tuple[int, int, int] | None = None  # from, to, where it began
        self._answers: dict[int, Callable[[bytes], tuple[int, bytes]]] = {
            0x02: self._begin,
            0x03: self._block,
            0x04: self._finish,
            0x05: self._nothing,
            0x06: self._nothing,
            0x07: self._memory_block,
            0x09: self._write_register,
            0x0A: self._read_register,
            0x0B: self._nothing,
            0x0D: self._nothing,
            0x0F: self._nothing,
            0x10: self._begin_packed,
            0x11: self._block,
            0x12: self._finish,
            0x13: self._md5,
            0x14: self._security,
            0xD0: self._erase_all,
            0xD1: self._erase_region,
            0xD2: self._read,
            0xD3: self._start,
        }

    # Packets

    def receive(self, data: bytes) -> bytes:
        """What the chip answers. After a byte that belongs to no packet ``run`` is true."""
        out = bytearray()
        for at, byte in enumerate(data):
            if byte == _END:
                packet, self._packet = self._packet, bytearray()
                if packet:
                    self._packet = None
                    out += self._take(bytes(packet))
            elif self._packet is None:
                self.run, self.left = True, data[at:]
                break
            elif self._escaped:
                self._escaped = False
                self._packet.append(_ESCAPED.get(byte, byte))
            elif byte == _ESCAPE:
                self._escaped = True
            elif len(self._packet) < _PACKET_BYTES:
                self._packet.append(byte)
        return b"" if self.faults.mute and self.stub else bytes(out)

    def _take(self, packet: bytes) -> bytes:
        if self._reading is not None and len(packet) == 4:
            return self._read_on()
        if len(packet) < 8 or packet[0] != 0:
            return b""
        command, size, checksum = struct.unpack_from("<xBHI", packet)
        data = packet[8 : 8 + size]
        if command == 0x08:
            # The host holds the chip in reset before it asks for this.
            self.stub = False
            return self._response(command, _ROM_VALUE, b"", 0) * _SYNC_ANSWERS
        if command in (0x03, 0x07, 0x11) and not self._sound(data, checksum):
            return self._response(command, 0, b"", _BAD_CHECKSUM)
        if command not in self._answers:
            return self._response(command, 0, b"", _BAD_MESSAGE)
        try:
            value, content = self._answers[command](data)
        except _Refused as refused:
            return self._response(command, 0, b"", refused.args[0])
        except (struct.error, zlib.error):
            return self._response(command, 0, b"", _BAD_DATA)
        out = self._response(command, value, content, 0)
        if command in (0x03, 0x11) and self.faults.lost_replies:
            self.faults.lost_replies -= 1
            return b""
        if command == 0x06 and not self.stub and int.from_bytes(data[4:8], "little"):
            self.stub = True
            out += _slip(b"OHAI")
        elif command == 0xD2:
            out += self._next_part()
        return out

    def _sound(self, data: bytes, checksum: int) -> bool:
        body = data[16:]
        if self.stub and self.faults.corrupt_blocks and body:
            self.faults.corrupt_blocks -= 1
            body = body[:-1] + bytes((body[-1] ^ 1,))
        return reduce(int.__xor__, body, _CHECKSUM) == checksum & 0xFF

    def _response(self, command: int, value: int, content: bytes, error: int) -> bytes:
        status = bytes((1 if error else 0, error)) + (b"" if self.stub else bytes(2))
        content += status
        return _slip(struct.pack("<BBHI", 1, command, len(content), value) + content)

    # Registers, and what the ROM has besides

    def _nothing(self, _data: bytes) -> tuple[int, bytes]:
        return 0, b""

    def _memory_block(self, _data: bytes) -> tuple[int, bytes]:
        return 0, b""

    def _read_register(self, data: bytes) -> tuple[int, bytes]:
        return self._registers.get(struct.unpack_from("<I", data)[0], 0), b""

    def _write_register(self, data: bytes) -> tuple[int, bytes]:
        address, value = struct.unpack_from("<II", data)
        usr2, result = self.chip.spi_base + self.chip.spi[0], self.chip.spi_base + self.chip.spi[1]
        if address == self.chip.spi_base and value & _SPI_USER:
            command = self._registers.get(usr2, 0) & 0xFF
            self._registers[result] = {_READ_ID: _FLASH_ID, _READ_SFDP: _SFDP}.get(command, 0)
            value = 0  # done
        if address == self.chip.watchdog and value & _WATCHDOG_ON:
            self.run = True
        self._registers[address] = value
        return 0, b""

    def _security(self, _data: bytes) -> tuple[int, bytes]:
        if self.chip.magic is not None:
            raise _Refused(_BAD_MESSAGE)
        return 0, bytes(12) + struct.pack("<II", self.chip.id, 0)

    def _start(self, _data: bytes) -> tuple[int, bytes]:
        self.run = True
        return 0, b""

    # Flash

    def _begin(self, data: bytes, unpack: "zlib._Decompress | None" = None) -> tuple[int, bytes]:
        size, _, _, offset = struct.unpack_from("<IIII", data)
        if offset + size > FLASH_BYTES:
            raise _Refused(_BAD_WRITE)
        self._writing = _Writing(offset, offset + size, offset // SECTOR_BYTES * SECTOR_BYTES, unpack)
        return 0, b""

    def _begin_packed(self, data: bytes) -> tuple[int, bytes]:
        return self._begin(data, zlib.decompressobj())

    def _block(self, data: bytes) -> tuple[int, bytes]:
        writing = self._writing
        if writing is None:
            raise _Refused(_BAD_MESSAGE)
        size = struct.unpack_from("<I", data)[0]
        content = data[16 : 16 + size]
        if writing.unpack is not None:
            content = writing.unpack.decompress(content)
        content = content[: writing.end - writing.at]
        if self.faults.bad_cells and content:
            self.faults.bad_cells -= 1
            content = content[:-1] + bytes((content[-1] ^ 1,))
        end = -(-(writing.at + len(content)) // SECTOR_BYTES) * SECTOR_BYTES
        if end > writing.erased:
            self._erase(writing.erased, end)
            writing.erased = end
        self.flash.seek(writing.at)
        self.flash.write(content)
        self.flash.flush()
        writing.at += len(content)
        return 0, b""

    def _finish(self, data: bytes) -> tuple[int, bytes]:
        self._writing = None
        if struct.unpack_from("<I", data)[0] == 0:
            # The stub gives way to the loader that it came from, the loader to what is in flash.
            self.run, self.stub = not self.stub, False
        return 0, b""

    def _erase(self, start: int, end: int) -> None:
        self.flash.seek(start)
        self.flash.write(b"\xff" * (end - start))
        self.flash.flush()

    def _erase_all(self, _data: bytes) -> tuple[int, bytes]:
        self._erase(0, FLASH_BYTES)
        return 0, b""

    def _erase_region(self, data: bytes) -> tuple[int, bytes]:
        start, size = struct.unpack_from("<II", data)
        if start % SECTOR_BYTES or size % SECTOR_BYTES or start + size > FLASH_BYTES:
            raise _Refused(_BAD_WRITE)
        self._erase(start, start + size)
        return 0, b""

    def _content(self, start: int, size: int) -> bytes:
        self.flash.seek(start)
        return self.flash.read(size)

    def _md5(self, data: bytes) -> tuple[int, bytes]:
        digest = hashlib.md5(self._content(*struct.unpack_from("<II", data)))
        return 0, digest.digest() if self.stub else digest.hexdigest().encode()

    def _read(self, data: bytes) -> tuple[int, bytes]:
        start, size = struct.unpack_from("<II", data)
        self._reading = (start, start + size, start)
        return 0, b""

    def _next_part(self) -> bytes:
        assert self._reading is not None
        at, end, start = self._reading
        size = min(SECTOR_BYTES, end - at)
        self._reading = (at + size, end, start)
        return _slip(self._content(at, size))

    def _read_on(self) -> bytes:
        assert self._reading is not None
        at, end, start = self._reading
        if at < end:
            return self._next_part()
        self._reading = None
        return _slip(hashlib.md5(self._content(start, end - start)).digest())


def _slip(packet: bytes) -> bytes:
    return b"\xc0" + packet.replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc") + b"\xc0"
