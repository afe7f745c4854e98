"""The kinds of boards: one TOML file each, checked key by key. docs/boards.md explains the keys."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from hedgerow.flashing import errors, sources

# Where the ROM loader of a chip looks for MicroPython's combined image (esptool, BOOTLOADER_FLASH_OFFSET).
OFFSETS = {"esp32": 0x1000, "esp32c3": 0, "esp32c6": 0, "esp32s3": 0}
_GENERIC = {
    f"{chip}-generic": chip.replace("-", "") for chip in ("esp32", "esp32-c3", "esp32-c6", "esp32-s3")
}
_PIN_MAX = 48
_CHOICES = {
    "chip": tuple(OFFSETS),
    "memory": ("small", "large"),
    "serial": ("uart", "usb"),
    "profile": ("balanced", "private", "relay", "saver"),
    "led": ("none", "high", "low", "addressable"),
}
_TEXTS = {
    "product": re.compile(r"\S.{0,79}"),
    "image": re.compile(r"[A-Z0-9_]+(-[A-Z0-9_]+)?"),
    "image_4mb": re.compile(r"[A-Z0-9_]+(-[A-Z0-9_]+)?"),
    "version": re.compile(r"\d+\.\d+\.\d+"),
    "date": re.compile(r"20\d{6}"),
}
_NUMBERS = {
    "offset": (0, 0xFFFF),
    "flash_mb": (4, 128),
    "led_pin": (0, _PIN_MAX),
    "button_pin": (0, _PIN_MAX),
    "battery_pin": (0, _PIN_MAX),
    "battery_ratio": (100, 2_000),
}


@dataclass(frozen=True)
class Kind:
    """One kind of board. ``name`` is its file's; pins are those of GPIOs, None where no source names one."""

    name: str
    product: str
    chip: str
    image: str
    version: str
    date: str
    offset: int
    flash_mb: int
    memory: str
    serial: str
    profile: str
    led: str
    notes: tuple[str, ...]
    image_4mb: str | None = None
    led_pin: int | None = None
    button_pin: int | None = None
    battery_pin: int | None = None
    battery_ratio: int | None = None

    def image_for(self, flash_mb: int) -> str:
        """MicroPython's name of the image for a chip with ``flash_mb`` of flash."""
        return self.image_4mb if self.image_4mb is not None and flash_mb < self.flash_mb else self.image


_KEYS = tuple(field.name for field in fields(Kind) if field.name != "name")
_OPTIONAL = ("image_4mb", "led_pin", "button_pin", "battery_pin", "battery_ratio")


def read(path: Path) -> Kind:
    """The kind in a file. BadBoardFile, with the key that is wrong."""
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise errors.BadBoardFile(path=path, reason=f"it cannot be read: {reason}") from None
    for key in found:
        if key not in _KEYS:
            raise errors.BadBoardFile(path=path, reason=f"there is no key `{key}`")
    for key in _KEYS:
        if key not in found and key not in _OPTIONAL:
            raise errors.BadBoardFile(path=path, reason=f"the key `{key}` is missing")
    # What a key may be together with others is asked of others that are right.
    for look in (_wrong, _wrong_together):
        for key in found:
            if reason := look(key, found):
                raise errors.BadBoardFile(path=path, reason=f"`{key}` {reason}")
    return Kind(name=path.stem, **{**found, "notes": tuple(found["notes"])})


def _wrong(key: str, found: Mapping[str, Any]) -> str:
    """What is wrong with a value, "" where nothing is."""
    value = found[key]
    if key in _CHOICES:
        return "" if value in _CHOICES[key] else f"is one of {', '.join(_CHOICES[key])}"
    if key in _TEXTS:
        good = isinstance(value, str) and _TEXTS[key].fullmatch(value) is not None
        return "" if good else f"is a text like {_TEXTS[key].pattern}"
    if key in _NUMBERS:
        least, most = _NUMBERS[key]
        good = isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
        return "" if good else f"is a number from {least} to {most}"
    good = isinstance(value, list) and all(isinstance(note, str) and note for note in value)
    return "" if good else "is a list of texts"


def _wrong_together(key: str, found: Mapping[str, Any]) -> str:
    """What of a value does not fit to the others, "" where all does."""
    if key == "offset" and found["offset"] != OFFSETS[found["chip"]]:
        return f"is {OFFSETS[found['chip']]:#x} on an {found['chip']}"
    if key == "led" and (found["led"] == "none") == ("led_pin" in found):
        return "needs `led_pin`, unless it is none"
    if key in ("battery_pin", "battery_ratio") and ("battery_pin" in found) != ("battery_ratio" in found):
        return "needs its partner: `battery_pin` and `battery_ratio` go together"
    return ""


def kinds(folder: Path | None = None) -> list[Kind]:
    """All kinds, generic ones first. BadBoardFile."""
    paths = (folder or sources.find().boards).glob("*.toml")
    return sorted((read(path) for path in paths), key=lambda kind: (kind.name not in _GENERIC, kind.name))


def named(name: str, folder: Path | None = None) -> Kind:
    """The kind of that name. UnknownKind."""
    folder = folder or sources.find().boards
    names = sorted(path.stem for path in folder.glob("*.toml"))
    if name not in names:
        raise errors.UnknownKind(name=name, names=", ".join(names))
    return read(folder / f"{name}.toml")


def generic_of(chip: str, folder: Path | None = None) -> Kind:
    """The kind that any board with ``chip`` is of. UnknownChip."""
    for name, its in _GENERIC.items():
        if its == chip:
            return named(name, folder)
    raise errors.UnknownChip(chip=chip, chips=", ".join(OFFSETS))
