"""The kinds of boards as people read them: one by one, and as the table of docs/boards.md."""

from dataclasses import asdict
from typing import Any

from hedgerow.flashing import image
from hedgerow.flashing.catalogue import Kind

SERIAL = {"uart": "UART bridge", "usb": "native USB"}
_LED = {
    "none": "none known",
    "high": "on pin {pin}",
    "low": "on pin {pin}, on when low",
    "addressable": "addressable, pin {pin}",
}
_MEMORY = {"small": "about 100 to 130 kB before Bluetooth", "large": "with PSRAM"}


def fields(kind: Kind) -> dict[str, Any]:
    """For JSON."""
    return {**asdict(kind), "address": image.address_of(kind)}


def rows(kind: Kind) -> list[tuple[str, str]]:
    """(label, text) of all but the notes."""
    battery = "none known"
    if kind.battery_pin is not None and kind.battery_ratio is not None:
        battery = f"pin {kind.battery_pin}, divider {kind.battery_ratio / 100:g} : 1"
    return [
        ("Product", kind.product),
        ("Chip", kind.chip),
        ("Flash", f"{kind.flash_mb} MB"),
        ("Memory", _MEMORY[kind.memory]),
        ("Console", SERIAL[kind.serial]),
        ("MicroPython", f"{kind.image} {kind.version} of {kind.date}, at {kind.offset:#x}"),
        ("Profile", kind.profile),
        ("LED", _LED[kind.led].format(pin=kind.led_pin)),
        ("Button", "none known" if kind.button_pin is None else f"pin {kind.button_pin}"),
        ("Battery", battery),
    ]


def markdown(found: list[Kind]) -> str:
    """A table of the kinds, and what to know about each."""
    lines = [
        "| `--board` | product | chip | flash | console | MicroPython image |",
        "|---|---|---|---|---|---|",
    ]
    for kind in found:
        cells = (
            f"`{kind.name}`",
            kind.product,
            kind.chip,
            f"{kind.flash_mb} MB",
            SERIAL[kind.serial],
            f"`{kind.image}`",
        )
        lines.append(f"| {' | '.join(cells)} |")
    for kind in found:
        pins = "; ".join(
            f"{label.lower()} {text}" for label, text in rows(kind) if label in ("LED", "Button", "Battery")
        )
        lines += ["", f"**`{kind.name}`**: {kind.image} {kind.version} of {kind.date}; {pins}.", ""]
        lines += [f"- {note}" for note in kind.notes]
    return "\n".join(lines) + "\n"
