"""What a board tells an owner of itself; imported for it, and forgotten afterwards."""

import os

import machine

from hedgerow_board import changes
from hedgerow_board.version import NUMBER
from hedgerow_core import cbor, manage, service
from hedgerow_core.mac import sha256

# Short texts become names that never leave the heap, and their table grows in large pieces: here they are
# parts of a longer one.
_WORDS = "mesh unique version firmware free radio next_mesh"


def answer(board: object, fields: dict, op: int, more: bytes, rights: int, pairing: bytes) -> tuple:
    """(reply to CONFIG_GET, what it changes)."""
    status = bytes((manage.BAD_ARGUMENT if more else manage.DONE,))
    return status if more else status + cbor.encode(_told(board, fields)), changes.NOTHING


def _told(board: object, fields: dict) -> dict:
    """The settings that are no keys, and what the board is."""
    found = {}
    for name, value in fields.items():
        if not isinstance(value, bytes):  # those are keys
            found[name] = value
    words = _WORDS.split()
    values = [
        sha256(b"hedgerow mesh" + fields["mesh_key"])[:4],
        machine.unique_id(),
        service.VERSION,
        NUMBER,
        _free_bytes(),
        board.radio is not None and board.radio.ble.active(),
    ]
    for name, value in zip(words, values):
        found[name] = value
    care_key = fields.get("care_key")
    if care_key:
        found["board"] = sha256(b"hedgerow board" + care_key)[:8]
    if fields.get("next_key"):
        found[words[-1]] = sha256(b"hedgerow mesh" + fields["next_key"])[:4]
    return found


def _free_bytes() -> int:
    try:
        state = os.statvfs("/")
        return state[0] * state[3]
    except OSError:
        return 0
