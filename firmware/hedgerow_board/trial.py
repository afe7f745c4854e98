"""What a board remembers of the last update (docs/protocol.md, "Updates"), in non-volatile storage.

"update": first bytes of the hash of the key 4 | leaf 4 | number 4 | what the update does 1 | tries 1 | what
the board had before it 1. "slot", "trial" and "lost" are the loader's (hedgerow_loader).
"""

import asyncio
import sys

import machine

from hedgerow_core import counts, limits, slot_state
from hedgerow_core.mac import sha256

FOLDERS = ("/a", "/b")
RECORD_BYTES = 15
# What an update does.
TRIED = 1
RAN = 2
FAILED = 3
# What a board had before: somebody to talk with; a shelf on the flash.
COMPANY = 1
SOUND = 2
# Places in ``Board.update``, a list, for an object would keep its module in the heap: why the last update was
# not installed, and its number; the number of the one on its way, its pieces here, and all; the slot of the
# shelf to look at next; 1 while one is being installed.
FAILURE = 0
NUMBER = 1
ARRIVING = 2
HERE = 3
PIECES = 4
NEXT = 5
BUSY = 6
PLACES = 7
_LAST_WORDS_MS = 1_000  # for acknowledgements to leave before the board restarts


def running() -> int:
    """The folder that the firmware runs from."""
    first = sys.path[0]
    return FOLDERS.index(first) if first in FOLDERS else slot_state.NO_SLOT


def record(store: object) -> bytearray:
    """What is remembered; zeros where there is nothing."""
    found = bytearray(RECORD_BYTES)
    try:
        store.get_blob("update", found)
    except OSError:
        pass
    return found


def number(store: object, name: str) -> int:
    """A number of the loader's, 0 where there is none."""
    try:
        return store.get_i32(name)
    except OSError:
        return 0


def open_question(store: object) -> bool:
    """Whether this firmware has still to show that it runs well, or what became of the last update."""
    slot = running()
    if slot == slot_state.NO_SLOT:
        return False
    return number(store, "slot") != slot or record(store)[12] == TRIED or number(store, "lost") == 1


def key_id(key: bytes) -> bytes:
    """By which a key is known, zeros for none."""
    return sha256(key)[: slot_state.ID_BYTES] if key else bytes(slot_state.ID_BYTES)


def keep(store: object, record: bytearray) -> None:
    """Remember ``record``, and what was set besides."""
    store.set_blob("update", record)
    store.commit()


def begin(store: object, slot: int, record: bytearray) -> None:
    """Let the loader start the folder that does not run, once."""
    store.set_i32("trial", 2 - slot)
    keep(store, record)


def company(board: object) -> int:
    """COMPANY where the board talked with somebody since its start."""
    met = board.counts[counts.MET] or any([line.link.established for line in board.lines])
    return COMPANY if met else 0


def count(shelf: object, ids: bytes) -> int:
    """How many pieces of an update are on the shelf."""
    size = limits.ID_BYTES
    return sum([1 for at in range(0, len(ids), size) if shelf.has(ids[at : at + size])])


async def restart() -> None:
    """Soon."""
    await asyncio.sleep_ms(_LAST_WORDS_MS)
    machine.reset()
