"""What a board remembers of the last update (docs/protocol.md, "Updates"), in non-volatile storage.

"update": first bytes of the hash of the key 4 | leaf 4 | number 4 | what the update does 1 | tries 1 | what
the board had before it, and where it lies 1. "slot", "trial" and "lost" are the loader's (hedgerow_loader).
"""

import asyncio
import sys

import machine

from hedgerow_core import counts, limits, package, slot_state
from hedgerow_core.errors import PeerError
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
SECOND = 4  # it is folder /b that is tried
# What ``Board.quiet`` is while an update is installed, 0 else.
WAITING = 1
GOING = 2
QUIET_BYTES = limits.ID_BYTES + 1  # in the storage, for a quiet start: id of the head | COMPANY or not
# Places in ``Board.update``, a list, for an object would keep its module in the heap: why the last update was
# not installed, and its number; the number of the one on its way, its pieces here, and all; the slot of the
# shelf to look at next.
FAILURE = 0
NUMBER = 1
ARRIVING = 2
HERE = 3
PIECES = 4
NEXT = 5
PLACES = 6
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


def begin(store: object, slot: int, new: bytearray) -> None:
    """Let the loader start the folder that does not run, once. OSError where the storage refuses: then it
    starts the same folder as ever."""
    before = record(store)
    new[14] = new[14] & ~SECOND | (0 if slot else SECOND)
    keep(store, new)
    try:
        store.set_i32("trial", 2 - slot)
        store.commit()
    except OSError:
        try:
            store.set_i32("trial", 0)
        except OSError:
            pass  # as it was, then
        keep(store, before)
        raise


def company(board: object) -> int:
    """COMPANY where the board talked with somebody since its start, or before a quiet one."""
    met = (
        board.journal.quiet[limits.ID_BYTES :] == b"\1"
        or board.counts[counts.MET]
        or any([line.link.established for line in board.lines])
    )
    return COMPANY if met else 0


def body(board: object) -> object:
    """What gives the body of a piece by its id, None where it is not on the shelf."""

    def get(identity: bytes) -> bytes | None:
        envelope = board.shelf.get(identity, board.now())
        return None if envelope is None else envelope.body

    return get


def pieces_here(board: object, key: bytes, ids: bytes, total: int) -> tuple:
    """(how many of the ``total`` pieces of an update are on the shelf, whether those are all); ``ids`` are
    those of its opening. One that cannot be is as good as all there: it is to be refused."""
    shelf = board.shelf
    size = limits.ID_BYTES
    here = sum([1 for at in range(0, len(ids), size) if shelf.has(ids[at : at + size])])
    if here * size < len(ids):
        return here, False
    try:
        opening = package.Opening(key, package.opening_of(ids, body(board)))
        if opening.count + here != total:
            return here, True
        for number in range(opening.count):
            if shelf.has(opening.name(number)):
                here += 1
    except PeerError:
        return here, True
    return here, here == total


async def restart() -> None:
    """Soon."""
    await asyncio.sleep_ms(_LAST_WORDS_MS)
    machine.reset()
