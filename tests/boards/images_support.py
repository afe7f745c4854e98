"""Images of MicroPython's form, with other bytes inside."""

import hashlib
import struct


def one(chip_id: int, content: bytes) -> bytes:
    """Bootloader or application: header, one segment, checksum, SHA-256."""
    head = struct.pack("<BBBBI4xH9xB", 0xE9, 1, 2, 0x20, 0x40000000, chip_id, 1)
    body = head + struct.pack("<II", 0x3F400020, len(content)) + content
    checksum = 0xEF
    for byte in content:
        checksum ^= byte
    body += bytes(15 - len(body) % 16) + bytes((checksum,))
    return body + hashlib.sha256(body).digest()


def whole(chip_id: int, offset: int = 0) -> bytes:
    """Bootloader, partition table with an application at 0x10000, application."""
    table = struct.pack("<HBBII16s4x", 0x50AA, 1, 2, 0x9000, 0x6000, b"nvs")
    table += struct.pack("<HBBII16s4x", 0x50AA, 0, 0, 0x10000, 0x1F0000, b"factory")
    boot = one(chip_id, b"boot" * 25).ljust(0x8000 - offset, b"\xff")
    return boot + table.ljust(0x8000, b"\xff") + one(chip_id, b"application " * 100)
