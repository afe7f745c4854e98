"""Settings that an owner changes; imported for it, and forgotten afterwards."""

import machine

from hedgerow_board import changes
from hedgerow_core import cbor, limits, manage, sleep
from hedgerow_core.errors import HedgerowError, PeerError

_PIN_MAX = 48
_SIGNER_BYTES = 56  # of the public key that signs updates
# Short texts become names that never leave the heap, and their table grows in large pieces: here they are
# parts of longer ones.
_PROFILES = "relay balanced saver private"
_TRUTHS = "led_low trace"
_COUNTS = "shelf_count battery_pin battery_ratio led_pin button_pin sleep_awake sleep_cycle update_leaf"
_PIN = (-1, _PIN_MAX)
_MINUTES = (0, 1_440)
_LEAF = (0, limits.UPDATE_LEAVES)
_BOUNDS = ((0, limits.BOARD_LETTERS), _PIN, (100, 10_000), _PIN, _PIN, _MINUTES, _MINUTES, _LEAF)
_AT_START = "shelf_count profile sleep_awake sleep_cycle"  # what is looked at only then


def answer(board: object, fields: dict, op: int, more: bytes, rights: int, pairing: bytes) -> tuple:
    """(reply to CONFIG_SET, what it changes)."""
    try:
        again = _set(fields, more)
    except HedgerowError:
        return bytes((manage.BAD_ARGUMENT,)), changes.NOTHING
    return bytes((manage.DONE, again)), changes.RESTARTS if again else changes.WRITTEN


def _set(fields: dict, more: bytes) -> int:
    """Put new values into ``fields``, None for the default; 1 where they need a restart. PeerError."""
    wanted = cbor.decode(more)
    if not isinstance(wanted, dict) or not wanted:
        raise PeerError("no settings")
    again = 0
    for name, value in wanted.items():
        if not _fits(name, value):
            raise PeerError("a wrong setting")
        if name in _AT_START.split() and fields.get(name) != value:
            again = 1
        if value is None:
            fields.pop(name, None)
        else:
            fields[name] = value
            if name[-4:] == "_pin" and value >= 0:
                _try_pin(name, value)
    if not sleep.valid(fields.get("sleep_awake", 0), fields.get("sleep_cycle", 0)):
        raise PeerError("a sleep in which nobody meets")
    return again


def _try_pin(name: str, pin: int) -> None:
    """PeerError where this chip has no such pin, or measures no voltage there."""
    try:
        if name == "battery_pin":
            machine.ADC(pin, atten=machine.ADC.ATTN_11DB)
        else:
            machine.Pin(pin)
    except (ValueError, OSError):
        raise PeerError("a wrong pin")


def _fits(name: object, value: object) -> bool:
    if name == "name":
        return isinstance(value, str) and 0 < len(value.encode()) <= 64
    if name == "update_key":
        return isinstance(value, bytes) and len(value) == _SIGNER_BYTES
    if name == "profile":
        return value is None or value in _PROFILES.split()
    if name in _TRUTHS.split():
        return value is None or isinstance(value, bool)
    counts = _COUNTS.split()
    if name not in counts:
        return False
    if value is None:
        return True
    if isinstance(value, bool) or not isinstance(value, int):
        return False
    least, most = _BOUNDS[counts.index(name)]
    return least <= value <= most
