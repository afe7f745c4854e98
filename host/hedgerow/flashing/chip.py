"""What esptool does for us: tells which chip is there, and writes MicroPython."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hedgerow.flashing import errors, limits, ports, tool
from hedgerow.flashing.catalogue import Kind
from hedgerow.flashing.ports import Port

_BAUD = "460800"
_CHIP = re.compile(r"Chip type: +(\S+)")
# Of a C6 it says the long one of 802.15.4 first.
_MAC = re.compile(r"MAC: +((?:[0-9a-f]{2}:){5}[0-9a-f]{2})$", re.MULTILINE)
_SIZE = re.compile(r"Detected flash size: (\d+)MB")
_PERCENT = re.compile(r"(\d+(?:\.\d+)?) ?%")
_FATAL = re.compile(r"A (?:fatal|serial exception) error occurred: (.+)")
_VERIFIED = "Hash of data verified"

_NO_CHIP = re.compile(r"Failed to connect|No serial data received|Wrong boot mode")


@dataclass(frozen=True)
class Chip:
    """``name`` as esptool's --chip takes it, the flash in MB (0: nobody knows), the address of the board."""

    name: str
    flash_mb: int
    address: str


def chip_of(text: str) -> str:
    """esp32c3 for "ESP32-C3FN4", esp32 for "ESP32-D0WD-V3" or "ESP32-PICO-D4"."""
    found = re.match(r"ESP32-([SCHP]\d+)", text.upper())
    return f"esp32{found[1].lower()}" if found else text.lower().partition("-")[0]


def look(port: Port) -> Chip:
    """Which chip is at ``port``. NoChip, PortBusy, PortForbidden, PortMissing, TooLong."""
    arguments = ["--port", port.device, "flash-id"]
    try:
        status, lines = tool.run(tool.ESPTOOL, arguments, limits.LOOK_S)
    except tool.ToolStuck:
        raise errors.TooLong(step="Asking the chip", limit_s=limits.LOOK_S) from None
    text = "\n".join(lines)
    found = told(text)
    if status or found is None:
        raise _port_trouble(text, port) or errors.NoChip(port=port.device)
    return found


def told(text: str) -> Chip | None:
    """What esptool's flash-id says; None where it says nothing of a chip."""
    chip, size, address = _CHIP.search(text), _SIZE.search(text), _MAC.search(text)
    if chip is None:
        return None
    return Chip(chip_of(chip[1]), int(size[1]) if size else 0, address[1] if address else "")


def fits(chip: Chip, kind: Kind, port: Port) -> None:
    """OtherChip or FlashTooSmall where ``kind`` is not what is there."""
    if chip.name != kind.chip:
        raise errors.OtherChip(port=port.device, found=chip.name, board=kind.name, chip=kind.chip)
    least = 4 if kind.image_4mb else kind.flash_mb
    if chip.flash_mb and chip.flash_mb < least:
        raise errors.FlashTooSmall(port=port.device, found=chip.flash_mb, board=kind.name, needed=least)


def writing(kind: Kind, port: str, image: Path | str, erase: bool) -> list[str]:
    """The arguments of the esptool that writes. Never --force."""
    begin = ["--chip", kind.chip, "--port", port, "--baud", _BAUD, "write-flash"]
    return [*begin, *(["--erase-all"] if erase else []), f"{kind.offset:#x}", str(image)]


def write(kind: Kind, port: Port, image: Path, erase: bool, progress: Callable[[float], None]) -> None:
    """Write MicroPython and compare it. WriteFailed, NotVerified, TooLong, or what ``look`` raises."""
    wrote = False

    def hear(line: str) -> float | None:
        nonlocal wrote
        found = _PERCENT.search(line)
        if found:
            wrote = True
            progress(min(float(found[1]) / 100, 1.0))
        return limits.ERASE_S if "rasing" in line else None

    try:
        status, lines = tool.run(
            tool.ESPTOOL, writing(kind, port.device, image, erase), limits.WRITE_S, limits.WRITE_QUIET_S, hear
        )
    except tool.ToolStuck:
        raise errors.WriteFailed(reason="the board fell silent") from None
    text = "\n".join(lines)
    if status == 0 and _VERIFIED in text:
        return
    fatal = _FATAL.search(text)
    reason = _plain(fatal[1] if fatal else lines[-1] if lines else "esptool said nothing")
    if "MD5" in reason or "verif" in reason or status == 0:
        raise errors.NotVerified(reason=reason)
    if not wrote:
        raise _port_trouble(text, port) or errors.WriteFailed(reason=reason)
    raise errors.WriteFailed(reason=reason)


def _plain(text: str) -> str:
    return text.strip().rstrip(".:!") or "no reason given"


def _port_trouble(text: str, port: Port) -> errors.FlashError | None:
    """The sentence for what is wrong with the port, None where nothing is."""
    if _NO_CHIP.search(text):
        return errors.NoChip(port=port.device)
    if "No module named" in text:
        return errors.ToolBroken(tool=tool.ESPTOOL, reason=_plain(text.splitlines()[-1]))
    try:
        ports.check(port)
    except errors.FlashError as error:
        return error
    return None
