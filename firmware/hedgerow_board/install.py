"""Installs one update that is on the shelf; imported for it, and forgotten afterwards.

The signature and every file are checked before anything is written, every file once more on the flash. Power
may go at any time: the folder that runs stays as it is.
"""

import asyncio
import hashlib
import os

from hedgerow_board import trial
from hedgerow_board.places import FULL
from hedgerow_core import counts, package, slot_state
from hedgerow_core.errors import HedgerowError, PeerError

_PAUSE_MS = 20  # between two pieces, for everything else
_READ_BYTES = 256
_BLOCK_BYTES = 4_096


def answer(board: object, line: object, message: bytes) -> bytes:
    """Begin with the update whose head is ``board.whole``."""
    if board.update is None:
        board.update = [0] * trial.PLACES
    identity = board.whole
    envelope = board.shelf.get(identity, board.now())
    if envelope is None:
        board.quiet = 0
    else:
        head = package.decode_head(envelope.body, package.mark_of(board.settings.mesh_key))
        asyncio.create_task(_install(board, identity, head))
        board.quiet = trial.GOING
    return b""


async def _install(board: object, identity: bytes, head: object) -> None:
    """Check an update, write it, check it again, and restart into it; ``identity`` is that of its head."""
    known = board.update
    key = board.settings.update_key
    slot = trial.running()
    try:
        failure = await _installed(board, slot, key, head)
        if failure == slot_state.NO_FAILURE:
            _begin(board, slot, key, head)
            await trial.restart()
            return
        if not trial.pieces_here(board, key, head.ids, head.total)[1]:
            return  # a piece went meanwhile; it may come back
        known[trial.FAILURE] = failure
        known[trial.NUMBER] = head.number
        # Whatever it is, it would be so again.
        board.shelf.drop(identity)
    except MemoryError:
        board.counts[counts.NO_MEMORY] += 1
        board.short = True
    except OSError as error:
        # The storage may take it another time: nothing is changed, and all pieces stay.
        board.journal.note("the update cannot begin: " + repr(error))
        known[trial.FAILURE] = slot_state.NOT_WRITTEN
        known[trial.NUMBER] = head.number
    finally:
        board.quiet = 0


def _begin(board: object, slot: int, key: bytes, head: object) -> None:
    """Let the update have its trial. OSError where the storage refuses."""
    record = bytearray(trial.key_id(key)[:4])
    record += head.leaf.to_bytes(4, "big") + head.number.to_bytes(4, "big")
    before = trial.company(board)
    if board.carrier.neighbours(board.now()):
        before |= trial.COMPANY
    if board.shelf.durable:
        before |= trial.SOUND
    record += bytes((trial.TRIED, 1, before))
    store = board.journal.store
    trial.begin(store, slot, record)
    try:
        # A firmware that is tried starts in no safe mode, whatever the one before it did.
        for name in ("rested", "troubles"):
            store.set_i32(name, 0)
        store.commit()
    except OSError:
        pass  # then the trial shows how it ends


async def _installed(board: object, slot: int, key: bytes, head: object) -> int:
    """Write an update to the folder that does not run; why it cannot be, or NO_FAILURE."""
    get = trial.body(board)
    try:
        opening = package.Opening(key, package.opening_of(head.ids, get))
        leaf = opening.verify()
    except HedgerowError:
        return slot_state.NOT_SIGNED
    try:
        files = opening.files()
    except HedgerowError:
        return slot_state.OTHER_FORMAT
    total = opening.count + head.count()
    told = (head.number, head.leaf, head.flags, head.target, head.total)
    if (opening.number, leaf, opening.flags, opening.target, total) != told:
        return slot_state.NOT_SIGNED  # the head is somebody else's
    pieces = package.Pieces(opening.name, get)
    try:
        at = 0
        for _, size, digest in files:
            found = hashlib.sha256()
            await _each(pieces, at, size, found.update)
            if found.digest() != digest:
                return slot_state.NOT_SIGNED  # the pieces are
            at += size
    except HedgerowError:
        return slot_state.NOT_SIGNED
    folder = trial.FOLDERS[1 - slot]
    try:
        if _blocks(files) > _free(folder):
            return slot_state.NO_ROOM
        _clear(folder)
        os.mkdir(folder)
        at = 0
        for path, size, digest in files:
            await _write(folder, path, size, pieces, at)
            at += size
            if await _digest(folder + "/" + path) != digest:
                return slot_state.NOT_WRITTEN
    except OSError as error:
        return slot_state.NO_ROOM if error.errno == FULL else slot_state.NOT_WRITTEN
    except HedgerowError:
        return slot_state.NOT_WRITTEN
    return slot_state.NO_FAILURE


# The folder


def _blocks(files: list) -> int:
    """Blocks of the flash for ``files``, and some for folders."""
    return 4 + sum([1 + size // _BLOCK_BYTES for _, size, _ in files])


def _paths(folder: str) -> list:
    """All below ``folder``, folders behind what is in them."""
    found = []
    try:
        names = os.listdir(folder)
    except OSError:
        return found
    for name in names:
        path = folder + "/" + name
        if os.stat(path)[0] & 0x4000:
            found += _paths(path)
        found.append(path)
    return found


def _free(folder: str) -> int:
    """Free blocks of the flash, when ``folder`` is empty."""
    found = os.statvfs("/")
    return found[3] * found[0] // _BLOCK_BYTES + sum(
        [os.stat(path)[6] // _BLOCK_BYTES for path in _paths(folder)]
    )


def _clear(folder: str) -> None:
    for path in _paths(folder):
        if os.stat(path)[0] & 0x4000:
            os.rmdir(path)
        else:
            os.remove(path)
    try:
        os.rmdir(folder)
    except OSError:
        pass  # there was none


async def _write(folder: str, path: str, size: int, pieces: object, at: int) -> None:
    if "/" in path:
        try:
            os.mkdir(folder + "/" + path.split("/")[0])
        except OSError:
            pass  # it is there
    with open(folder + "/" + path, "wb") as file:
        await _each(pieces, at, size, file.write)


async def _each(pieces: object, at: int, size: int, take: object) -> None:
    """Hand ``size`` bytes of the update from ``at`` on to ``take``. PeerError where there are fewer."""
    end = at + size
    while at < end:
        part = pieces.read(at, min(end - at, package.PIECE_BYTES - at % package.PIECE_BYTES))
        if not part:
            raise PeerError("an update that is too short")
        take(part)
        at += len(part)
        await asyncio.sleep_ms(_PAUSE_MS)


async def _digest(path: str) -> bytes:
    """SHA-256 of what the flash gives back."""
    found = hashlib.sha256()
    with open(path, "rb") as file:
        part = file.read(_READ_BYTES)
        while part:
            found.update(part)
            await asyncio.sleep_ms(0)
            part = file.read(_READ_BYTES)
    return found.digest()
