"""How large a board's shelf is, and where it lies."""

import gc
import os

from hedgerow_board.flash import FlashStore
from hedgerow_board.places import SHELF, SPARE
from hedgerow_board.timekeeper import Timekeeper
from hedgerow_core import limits, service
from hedgerow_core.mac import hkdf
from hedgerow_core.shelf import Shelf
from hedgerow_core.sketch import Sketch

_BYTES_A_LETTER = 400  # on the average; the largest is three times as long
_TOMBSTONES = 300
_LETTERS_A_CELL = 5  # of the sketch
_HEAP_BYTES_A_LETTER = 19  # a row of the index
_HEAP_BYTES_ELSE = 30_000  # radio, cable, three links and what is left for collecting garbage in time
_LETTERS_LEAST = 100
_IN_MEMORY = 20  # letters, where the flash cannot be used
_IN_SAFE_MODE = 300  # pieces of an update, all that one may have
_BYTES_A_PIECE = 560


def open_shelf(board: object) -> Shelf:
    """The shelf of ``board``, and its clock.

    Where the flash cannot be used, a small one in memory: the board goes on carrying, but loses its letters
    with its power, and acknowledges none. So it does in safe mode, with one that lies beside its own, which
    may be what ended the last starts: there is room for an update on that.
    """
    safe = board.journal.safe
    count = min(board.settings.shelf_count or limits.BOARD_LETTERS, _letters())
    most = min(count * _BYTES_A_LETTER, _room())
    if safe:
        count = _IN_SAFE_MODE
        most = min(count * _BYTES_A_PIECE, _room())
    now = board.now()
    if board.damage == service.SOUND:
        try:
            store = FlashStore(SPARE if safe else SHELF, most)
            board.time = Timekeeper(store.minute, now)
            sketch = None
            if not safe:
                key = hkdf(board.settings.mesh_key, b"", b"hedgerow sketch", 16)
                sketch = Sketch(key, min(count // _LETTERS_A_CELL, limits.SKETCH_CELLS))
            shelf = Shelf(store, board.time.clock, now, count, most, _TOMBSTONES, sketch)
            shelf.durable = not safe
            return shelf
        except OSError:
            if not safe:
                board.damage = service.SHELF_FOLDER
    from hedgerow_board.care import MemoryStore

    board.time = Timekeeper(0, now)
    most = _IN_MEMORY * _BYTES_A_LETTER
    shelf = Shelf(MemoryStore(), board.time.clock, now, _IN_MEMORY, most, _TOMBSTONES)
    shelf.durable = False
    return shelf


def _letters() -> int:
    """How many letters the heap has room for."""
    count = (gc.mem_free() - _HEAP_BYTES_ELSE) // _HEAP_BYTES_A_LETTER
    return min(max(count, _LETTERS_LEAST), limits.BOARD_LETTERS)


def _room() -> int:
    """Bytes of letters that the flash has room for, with as much again for what compaction leaves lying."""
    try:
        state = os.statvfs("/")
        return state[0] * state[2] * 3 // 8
    except OSError:
        return 0
