"""What is needed only in trouble; imported then, so that it takes no heap before."""

import asyncio
import os

import machine

from hedgerow_board.places import SHELF
from hedgerow_core import service
from hedgerow_core.mac import hkdf
from hedgerow_core.manage import OWNER
from hedgerow_core.store import MemoryStore

__all__ = ["MemoryStore", "answer"]

_LAST_WORDS_MS = 500  # for an answer to reach the host before the board restarts


def answer(board: object, line: object, message: bytes) -> bytes:
    """The answer to a service message of the paired host that comes seldom; nothing where there is none."""
    if len(message) == 2:
        if message[0] == service.LOG:
            return _log(board.journal, message[1])
        if message[0] == service.REPAIR:
            owned = board.rights(line) == OWNER
            result = _repair(board, message[1]) if owned else service.NOT_ALLOWED
            return bytes((service.REPAIR_IS, result))
    elif message == bytes((service.STREET,)):
        if board.rights(line) != OWNER:
            return b""  # the key would outlive the loan
        # The mesh key itself opens links and recorded ones: no host needs it.
        street = hkdf(board.settings.mesh_key, b"", b"hedgerow street", 32)
        return bytes((service.STREET_IS,)) + street
    elif message == bytes((service.FINDING,)):
        finding = board.settings.finding
        return bytes((service.FINDING_IS,)) + finding if finding else b""
    return b""


def _log(journal: object, part: int) -> bytes:
    counts = []
    for cause in range(service.CAUSES):
        try:
            counts.append(journal.store.get_i32("reset" + str(cause)))
        except OSError:
            counts.append(0)
    kept = journal.kept()
    return service.encode_log(part, journal.starts, journal.cause, journal.troubles, counts, kept)


def _repair(board: object, damage: int) -> int:
    """Mend the damage that the host was told of, nothing else. In safe mode the shelf counts as damaged: it
    may be the reason."""
    if damage == service.EVERYTHING:
        asyncio.create_task(_erase(board))
        return service.DONE
    known = board.damage
    if known == service.SOUND and board.journal.safe:
        known = service.SHELF_FOLDER
    if known == service.SOUND or damage != known:
        return service.NOT_NEEDED
    result = mend(damage)
    board.journal.note("repair of damage " + str(damage) + " ended with " + str(result))
    if result == service.DONE:
        board.damage = service.SOUND
        board.journal.well()
        asyncio.create_task(_restart())
    return result


async def _restart() -> None:
    await asyncio.sleep_ms(_LAST_WORDS_MS)
    machine.reset()


async def _erase(board: object) -> None:
    """Erase every block, for a file that is deleted stays on the flash. The board is to be flashed anew."""
    from flashbdev import bdev

    await asyncio.sleep_ms(_LAST_WORDS_MS)
    board.dog.rest()  # it takes half a minute, in which nothing else goes on
    # Keys first: who pulls the plug keeps letters, which are sealed.
    devices = [bdev]
    try:
        from esp32 import Partition

        devices = Partition.find(Partition.TYPE_DATA, label="nvs") + devices
    except (ImportError, OSError):
        pass
    for name in ("settings", "seed"):
        try:
            board.journal.store.erase_key(name)
        except OSError:
            pass  # it was not there
    board.journal.store.commit()
    for device in devices:
        for block in range(device.ioctl(4, 0)):
            device.ioctl(6, block)
    machine.reset()


def _clear() -> None:
    try:
        os.remove(SHELF)
        return  # it was a file
    except OSError:
        pass
    if SHELF[1:] in os.listdir("/"):
        for name in os.listdir(SHELF):
            os.remove(SHELF + "/" + name)
        os.rmdir(SHELF)


def _format() -> None:
    import vfs
    from flashbdev import bdev

    try:
        vfs.umount("/")
    except OSError:
        pass  # it could not be mounted
    vfs.VfsLfs2.mkfs(bdev)
    vfs.mount(vfs.VfsLfs2(bdev), "/")


def mend(damage: int) -> int:
    """Mend ``damage``; what came of it. The letters on the flash are lost. Where the file system had to be
    made anew, the next start writes the settings again, from their copy."""
    try:
        if damage == service.SHELF_FOLDER:
            _clear()
        elif __file__[:3] in ("/a/", "/b/") or __file__.startswith("/lib/"):
            return service.FIRMWARE_LIES_THERE
        else:
            _format()
    except OSError:
        return service.FAILED
    return service.DONE
