"""MicroPython's image: fetched once, kept with the checksum that it had then, looked at before it is written.

An image file holds bootloader, partition table and application (MicroPython, ports/esp32/makeimg.py).
Bootloader and application are Espressif images: header, segments, checksum, and a SHA-256 behind them
(esptool documentation, "Firmware Image Format"; ESP-IDF, "Partition Tables").
"""

import contextlib
import hashlib
import os
import string
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from hedgerow.flashing import download, errors
from hedgerow.flashing.catalogue import OFFSETS, Kind

SOURCE = "https://micropython.org/resources/firmware"
# Of the header (esptool, bin_image.py); "esp32" and so on as esptool calls them.
CHIP_IDS = {0: "esp32", 2: "esp32s2", 5: "esp32c3", 9: "esp32s3", 12: "esp32c2", 13: "esp32c6", 16: "esp32h2"}
MOST_BYTES = 16 << 20
_MAGIC = 0xE9
_HEADER = struct.Struct("<BBBBI4xH9xB")
_SIZE_AT = 3  # its upper half: 0 for 1 MB, 1 for 2, and so on
_SEGMENT = struct.Struct("<II")
_MOST_SEGMENTS = 16
_CHECKSUM = 0xEF
_TABLE = 0x8000
_TABLE_BYTES = 0xC00
_ENTRY = struct.Struct("<HBBII16s4x")
_ENTRY_MAGIC = 0x50AA
_APP = 0
_SUM_DIGITS = 64

Progress = Callable[[float], None]


@dataclass(frozen=True)
class Image:
    """A file that may be written: for ``chip``, at its offset. ``sha256`` is of the whole file, ``flash_mb``
    what it is made for."""

    path: Path
    chip: str
    sha256: str
    size: int
    flash_mb: int


def address_of(kind: Kind, image: str | None = None) -> str:
    """Where MicroPython's download pages have it."""
    return f"{SOURCE}/{image or kind.image}-{kind.date}-v{kind.version}.bin"


def cache_folder() -> Path:
    """Where images are kept, each with a file .sha256 beside it."""
    return Path(platformdirs.user_cache_dir("hedgerow")) / "images"


def from_file(path: Path, sha256: str | None = None) -> Image:
    """The image in a file. ImageMissing, ImageOtherSum, ImageDamaged, or NotASum."""
    expected = None if sha256 is None else checked_sum(sha256)
    try:
        with open(path, "rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise errors.ImageMissing(path=path, reason=(error.strerror or str(error)).lower()) from None
    found = hashlib.sha256(data).hexdigest()
    if expected is not None and found != expected:
        raise errors.ImageOtherSum(path=path, found=found, expected=expected)
    chip, reason = look(data)
    if reason:
        raise errors.ImageDamaged(path=path, reason=reason)
    return Image(path, chip, found, len(data), 1 << (data[_SIZE_AT] >> 4))


def checked_sum(text: str) -> str:
    """A SHA-256 as 64 digits. NotASum."""
    text = text.strip().lower()
    if len(text) != _SUM_DIGITS or not set(text) <= set(string.hexdigits):
        raise errors.NotASum
    return text


def fitting(image: Image, kind: Kind) -> Image:
    """``image`` where it is for the kind's chip. ImageOtherChip."""
    if image.chip != kind.chip:
        raise errors.ImageOtherChip(
            path=image.path, found=image.chip, chip=kind.chip, image=address_of(kind).rpartition("/")[2]
        )
    return image


def fetched(kind: Kind, name: str | None, progress: Progress, folder: Path | None = None) -> Image:
    """The image of MicroPython's download page, from the cache where it is there.

    ImageNotFetched; ImageOtherSum where it is not what it was at the first download; ImageDamaged.
    """
    address = address_of(kind, name)
    folder = folder or cache_folder()
    path = folder / address.rpartition("/")[2]
    note = path.with_suffix(".sha256")
    expected = _noted(note)
    if expected is None or not path.exists() or _sum_of(path) != expected:
        try:
            data = download.get(address, MOST_BYTES, progress)
        except download.Failed as error:
            raise errors.ImageNotFetched(address=address, reason=error) from None
        found = hashlib.sha256(data).hexdigest()
        if expected is not None and found != expected:
            raise errors.ImageOtherSum(path=address, found=found, expected=expected)
        chip, reason = look(data)
        if reason:
            raise errors.ImageDamaged(path=address, reason=reason)
        if chip != kind.chip:
            raise errors.ImageOtherChip(path=address, found=chip, chip=kind.chip, image=path.name)
        if expected is None:
            _keep(note, found.encode() + b"\n")
        _keep(path, data)
    return fitting(from_file(path), kind)


def _noted(note: Path) -> str | None:
    """The checksum of the first download; None where it was not written down whole."""
    try:
        return checked_sum(note.read_text(errors="replace"))
    except (OSError, errors.NotASum):
        return None


def _sum_of(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _keep(path: Path, data: bytes) -> None:
    """Whole or not at all."""
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(unfinished, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        raise errors.NoRoomHere(path=path, reason=(error.strerror or str(error)).lower()) from None


def look(data: bytes) -> tuple[str, str]:
    """(chip, what is wrong) of an image file; nothing is wrong where that is ""."""
    if len(data) > MOST_BYTES:
        return "", f"it has more than {MOST_BYTES} bytes"
    if len(data) < _HEADER.size or data[0] != _MAGIC:
        return "", "it does not begin as one"
    chip = CHIP_IDS.get(_HEADER.unpack_from(data)[5], "")
    if not chip:
        return "", "its header names no chip that is known"
    reason = _wrong(data, "its bootloader")
    if reason:
        return chip, reason
    table = _TABLE - OFFSETS.get(chip, 0)
    for at in range(table, min(table + _TABLE_BYTES, len(data) - _ENTRY.size), _ENTRY.size):
        magic, kind, _, offset, _, _ = _ENTRY.unpack_from(data, at)
        if magic != _ENTRY_MAGIC:
            break
        if kind == _APP:
            return chip, _wrong(data[offset - OFFSETS.get(chip, 0) :], "its application", chip)
    return chip, "it ends before its application" if len(data) <= table else "it has no partition table"


def _wrong(data: bytes, what: str, chip: str | None = None) -> str:
    """What is wrong with one of Espressif's images at the beginning of ``data``."""
    if len(data) < _HEADER.size:
        return f"it ends before {what}"
    magic, segments, _, _, _, chip_id, hashed = _HEADER.unpack_from(data)
    if magic != _MAGIC or not 0 < segments <= _MOST_SEGMENTS:
        return f"{what} is damaged"
    if chip is not None and CHIP_IDS.get(chip_id) != chip:
        return f"{what} is for another chip"
    at, checksum = _HEADER.size, _CHECKSUM
    for _ in range(segments):
        if at + _SEGMENT.size > len(data):
            return f"it ends within {what}"
        size = _SEGMENT.unpack_from(data, at)[1]
        at += _SEGMENT.size
        if at + size > len(data):
            return f"it ends within {what}"
        checksum ^= _xor(data[at : at + size])
        at += size
    end = at + 16 - at % 16
    if end > len(data) or (hashed and end + 32 > len(data)):
        return f"it ends within {what}"
    if data[end - 1] != checksum:
        return f"the checksum of {what} is wrong"
    if hashed and hashlib.sha256(data[:end]).digest() != data[end : end + 32]:
        return f"the SHA-256 of {what} is wrong"
    return ""


def _xor(data: bytes) -> int:
    """All bytes XORed; by halves, since an image has millions."""
    number, size = int.from_bytes(data, "little"), len(data)
    while size > 1:
        half = (size + 1) // 2
        number = (number >> 8 * half) ^ (number & ((1 << 8 * half) - 1))
        size = half
    return number
