"""Opens the shelf, and finds out what of the file system can be used."""

import os

from hedgerow_board.flash import FlashStore
from hedgerow_core import service
from hedgerow_core.shelf import Shelf

FOLDER = "/shelf"
_BYTES_A_LETTER = 400  # on the average; the largest is three times as long
_TOMBSTONES = 500
_IN_MEMORY = 20  # letters, where the flash cannot be used


def _probe(folder: str) -> None:
    """OSError where ``folder`` cannot be listed or written."""
    os.listdir(folder + "/")
    path = folder + "/probe"
    with open(path, "wb") as file:
        file.write(b"?")
    os.remove(path)


def open_shelf(count: int, now: int, safe: bool) -> tuple:
    """(shelf of ``count`` letters, damage). Where the flash cannot be used, or ``safe`` forbids it, a small
    shelf in memory: the board goes on carrying, but loses its letters with its power."""
    damage = service.SOUND
    try:
        if not safe:
            if FOLDER[1:] not in os.listdir("/"):
                os.mkdir(FOLDER)
            _probe(FOLDER)
            return Shelf(FlashStore(FOLDER), now, count, count * _BYTES_A_LETTER, _TOMBSTONES), damage
    except OSError:
        damage = service.SHELF_FOLDER
    try:
        _probe("")
    except OSError:
        damage = service.FILE_SYSTEM
    from hedgerow_board.care import MemoryStore

    return Shelf(MemoryStore(), now, _IN_MEMORY, _IN_MEMORY * _BYTES_A_LETTER, _TOMBSTONES), damage
