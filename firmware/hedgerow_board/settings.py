"""What a board was provisioned with: a CBOR map, kept in two files so that one of them is always whole."""

from collections import namedtuple

from hedgerow_board.places import SETTINGS
from hedgerow_core import limits, slots
from hedgerow_core.cbor import read_head
from hedgerow_core.errors import HedgerowError, PeerError

SAVER = "saver"  # the profile that spares the battery
RELAY = "relay"  # the one for a board that has its power from the wall


class SettingsError(HedgerowError):
    """The board has no valid settings."""


# ``name`` for people, the 32-byte ``mesh_key`` and ``pairing_key``, how many letters the shelf holds (0: as
# many as the memory allows), the ``slot`` that the files hold, the ``profile``, whether it takes part in
# ``trace``, and the ``battery_pin`` (-1: none). No class: its methods would keep all of it in the heap.
Settings = namedtuple(
    "Settings",
    ("name", "mesh_key", "pairing_key", "shelf_count", "slot", "profile", "trace", "battery_pin"),
)


def _read(data: bytes, at: int) -> tuple:
    """(number, truth, text or bytes, position behind it) at ``at``: the whole codec would cost heap."""
    major, number, at = read_head(data, at)
    if major == 0:
        return number, at
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


def _fields(data: bytes) -> dict:
    major, count, at = read_head(data, 0)
    if major != 5:
        raise PeerError("damaged settings")
    found = {}
    for _ in range(count):
        name, at = _read(data, at)
        found[name], at = _read(data, at)
    return found


def _slots(paths: tuple) -> list:
    """What is in the files; nothing where there is no such file, or no file system."""
    found = []
    for path in paths:
        try:
            with open(path, "rb") as file:
                found.append(file.read(limits.SETTINGS_BYTES))
        except OSError:
            found.append(b"")
    return found


def _write(path: str, slot: bytes) -> None:
    with open(path, "wb") as file:
        file.write(slot)


def load(copy: bytes = b"", paths: tuple = SETTINGS) -> "Settings":
    """Read the settings, and mend the file that is damaged while the other is not.

    ``copy`` is a slot from elsewhere, which serves where neither file does. SettingsError, with the sentence
    to show, where there are none or wrong ones.
    """
    found = _slots(paths)
    at = slots.newest(found)
    slot = copy if at < 0 else found[at]
    if slots.generation(slot) < 0:
        if any(found):
            raise SettingsError("The settings of this board are damaged: flash it again with ./flash.sh.")
        raise SettingsError("This board has no settings: flash it with ./flash.sh.")
    settings = _parse(slot)
    for path, other in zip(paths, found):
        if slots.generation(other) < 0:
            try:
                _write(path, slot)
            except OSError:
                pass  # there is one that can be read
    return settings


def _parse(slot: bytes) -> "Settings":
    try:
        found = _fields(slots.content(slot))
    except PeerError:
        raise SettingsError("The settings of this board are damaged: flash it again with ./flash.sh.")
    keys = []
    for name in ("mesh_key", "pairing_key"):
        key = found.get(name)
        if not isinstance(key, bytes) or len(key) != 32:
            raise SettingsError("The settings of this board lack a " + name + ": flash it again.")
        keys.append(key)
    count = found.get("shelf_count", 0)
    if not isinstance(count, int) or not 0 <= count <= limits.BOARD_LETTERS:
        raise SettingsError("The settings of this board have a wrong shelf_count: flash it again.")
    pin = found.get("battery_pin")
    return Settings(
        str(found.get("name", "board")),
        keys[0],
        keys[1],
        count,
        slot,
        found.get("profile"),
        found.get("trace") is True,
        pin if isinstance(pin, int) and not isinstance(pin, bool) else -1,
    )


def save(content: bytes, paths: tuple = SETTINGS) -> None:
    """Write new settings over the older ones. OSError where the flash refuses; then the former ones hold."""
    found = _slots(paths)
    at = slots.newest(found)
    generation = 0 if at < 0 else slots.generation(found[at])
    _write(paths[1 if at == 0 else 0], slots.seal(generation + 1, content))
