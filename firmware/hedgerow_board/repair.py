"""Opens the shelf, finds out what of the file system can be used, and mends it by the host's word."""

import os

from hedgerow_board.flash import FlashStore
from hedgerow_board.settings import PATHS
from hedgerow_core import service
from hedgerow_core.shelf import MemoryStore, Shelf

_FOLDER = "/shelf"
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
            if "shelf" not in os.listdir("/"):
                os.mkdir(_FOLDER)
            _probe(_FOLDER)
            return Shelf(FlashStore(_FOLDER), now, count, count * _BYTES_A_LETTER, _TOMBSTONES), damage
    except OSError:
        damage = service.SHELF_FOLDER
    try:
        _probe("")
    except OSError:
        damage = service.FILE_SYSTEM
    shelf = Shelf(MemoryStore(), now, _IN_MEMORY, _IN_MEMORY * _BYTES_A_LETTER, _TOMBSTONES)
    return shelf, damage


def _clear() -> None:
    try:
        os.remove(_FOLDER)  # a file in its place
        return
    except OSError:
        pass
    if "shelf" in os.listdir("/"):
        for name in os.listdir(_FOLDER):
            os.remove(_FOLDER + "/" + name)
        os.rmdir(_FOLDER)


def _format(settings: bytes) -> None:
    import vfs
    from flashbdev import bdev

    try:
        vfs.umount("/")
    except OSError:
        pass  # it could not be mounted
    vfs.VfsLfs2.mkfs(bdev)
    vfs.mount(vfs.VfsLfs2(bdev), "/")
    for path in PATHS:
        with open(path, "wb") as file:
            file.write(settings)


def repair(damage: int, settings: bytes) -> int:
    """Mend ``damage``; what came of it. Letters are lost with what is mended, and nothing else is."""
    try:
        if damage == service.SHELF_FOLDER:
            _clear()
        elif __file__.startswith("/lib/"):
            return service.FIRMWARE_LIES_THERE
        else:
            _format(settings)
    except OSError:
        return service.FAILED
    return service.DONE
