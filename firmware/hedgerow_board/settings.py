"""What a board was provisioned with: a CBOR map, kept in two files so that one of them is always whole."""

import os
from collections import namedtuple

from hedgerow_board.places import SETTINGS
from hedgerow_core import limits, slots
from hedgerow_core.cbor import read_head
from hedgerow_core.errors import HedgerowError, PeerError
from hedgerow_core.manage import OWNER, decode_records

SAVER = "saver"  # the profile that spares the battery
RELAY = "relay"  # the one for a board that has its power from the wall
_EQUAL_RESISTORS = 200  # percent: half of the battery's voltage is on the pin


class SettingsError(HedgerowError):
    """The board has no valid settings."""


# What the firmware needs at any time: ``name`` for people, the 32-byte ``mesh_key``, how many letters the
# shelf holds (0: as many as the memory allows), the ``profile``, whether it takes part in ``trace``, the
# ``battery_pin`` (-1: none) and the ``battery_ratio`` of its divider in percent, the ``pairings`` as (rights,
# expires, key), ``finding`` and ``care_key`` (empty: none), the minutes awake and of a cycle of sleep (0:
# none), and who signs updates (empty: nobody). What else is in the files is read when it is needed. No class:
# its methods would keep all of it in the heap.
Settings = namedtuple(
    "Settings",
    (
        "name",
        "mesh_key",
        "shelf_count",
        "profile",
        "trace",
        "battery_pin",
        "battery_ratio",
        "pairings",
        "finding",
        "care_key",
        "sleep_awake",
        "sleep_cycle",
        "next_key",
        "next_at",
        "update_key",
        "update_leaf",
    ),
)


def _read(data: bytes, at: int) -> tuple:
    """(number, truth, text or bytes, position behind it) at ``at``: the whole codec would cost heap."""
    major, number, at = read_head(data, at)
    if major == 0:
        return number, at
    if major == 1:
        return -1 - number, at
    if major == 7 and 20 <= number <= 21:
        return number == 21, at
    raw = data[at : at + number]
    if len(raw) == number:
        if major == 2:
            return raw, at + number
        if major == 3:
            try:
                return raw.decode(), at + number
            except (UnicodeError, ValueError):
                pass
    raise PeerError("damaged settings")


def fields(slot: bytes) -> dict:
    """What a slot holds. PeerError where it is damaged."""
    major, count, at = read_head(slot, slots.HEAD_BYTES)
    if major != 5:
        raise PeerError("damaged settings")
    found = {}
    for _ in range(count):
        name, at = _read(slot, at)
        found[name], at = _read(slot, at)
    return found


def _slot(path: str) -> bytes:
    """What is in the file; nothing where there is no such file, or no file system."""
    try:
        with open(path, "rb") as file:
            return file.read(min(os.stat(path)[6], limits.SETTINGS_BYTES))
    except OSError:
        return b""


def _write(path: str, slot: bytes) -> None:
    with open(path, "wb") as file:
        file.write(slot)


def newest(copy: bytes = b"", paths: tuple = SETTINGS) -> bytes:
    """The slot that holds. The file that is damaged is mended where the other is not.

    ``copy`` is a slot from elsewhere, which serves where neither file does. SettingsError, with the sentence
    to show, where there are none.
    """
    slot = copy
    best = -1
    damaged = []
    empty = True
    for path in paths:
        # One after the other: a board has little room.
        found = _slot(path)
        empty = empty and not found
        number = slots.generation(found)
        if number < 0:
            damaged.append(path)
        elif number > best:
            best = number
            slot = found
        found = b""
    if slots.generation(slot) < 0:
        if not empty:
            raise SettingsError("The settings of this board are damaged: flash it again with ./flash.sh.")
        raise SettingsError("This board has no settings: flash it with ./flash.sh.")
    parse(slot)
    for path in damaged:
        try:
            _write(path, slot)
        except OSError:
            pass  # there is one that can be read
    return slot


def load(copy: bytes = b"", paths: tuple = SETTINGS) -> "Settings":
    """The settings of the slot that holds. SettingsError where there are none or wrong ones."""
    return parse(newest(copy, paths))


def _sized(found: dict, name: str, size: int) -> bytes:
    """The key ``name``, empty where there is none. SettingsError where it has another size."""
    key = found.get(name, b"")
    if not isinstance(key, bytes) or len(key) not in (0, size):
        raise SettingsError("The settings of this board lack a " + name + ": flash it again.")
    return key


def _number(found: dict, name: str, missing: int) -> int:
    value = found.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else missing


def parse(slot: bytes) -> "Settings":
    """The settings in a slot. SettingsError where they are wrong."""
    try:
        found = fields(slot)
        records = decode_records(_bytes(found.get("pairings", b"")))
    except PeerError:
        raise SettingsError("The settings of this board are damaged: flash it again with ./flash.sh.")
    mesh_key = _sized(found, "mesh_key", 32)
    first = _sized(found, "pairing_key", 32)
    pairings = [(OWNER, 0, first)] if first else []
    for rights, expires, key, _ in records:
        pairings.append((rights, expires, key))
    for name, there in (("mesh_key", mesh_key), ("pairing_key", [p for p in pairings if p[0] == OWNER])):
        if not there:
            raise SettingsError("The settings of this board lack a " + name + ": flash it again.")
    count = found.get("shelf_count", 0)
    if not isinstance(count, int) or not 0 <= count <= limits.BOARD_LETTERS:
        raise SettingsError("The settings of this board have a wrong shelf_count: flash it again.")
    signer = found.get("update_key")
    return Settings(
        str(found.get("name", "board")),
        mesh_key,
        count,
        found.get("profile"),
        found.get("trace") is True,
        _number(found, "battery_pin", -1),
        _number(found, "battery_ratio", _EQUAL_RESISTORS),
        pairings,
        _sized(found, "finding", 16),
        _sized(found, "care_key", 32),
        _number(found, "sleep_awake", 0),
        _number(found, "sleep_cycle", 0),
        _sized(found, "next_key", 32),
        _number(found, "next_at", 0),
        signer if isinstance(signer, bytes) else b"",
        _number(found, "update_leaf", 0),
    )


def _bytes(value: object) -> bytes:
    if not isinstance(value, bytes):
        raise PeerError("damaged settings")
    return value


def save(content: bytes, paths: tuple = SETTINGS) -> tuple:
    """Write new settings over the older ones: (the slot, the settings). SettingsError where they are wrong,
    OSError where the flash refuses, MemoryError where the heap is full: then the former ones hold."""
    first = slots.generation(_slot(paths[0]))
    second = slots.generation(_slot(paths[1]))
    slot = slots.seal(max(first, second, 0) + 1, content)
    content = b""  # it makes room
    found = parse(slot)
    # The older one; the first of equal ones holds.
    path = paths[1 if 0 <= first >= second else 0]
    try:
        _write(path, slot)
    except (OSError, MemoryError) as error:
        # It may have failed behind the step that counts.
        if _slot(path) != slot:
            raise error
    return slot, found
