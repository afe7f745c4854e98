"""Installs one update that is on the shelf; imported for it, and forgotten afterwards.

The signature and every file are checked before anything is written, every file once more on the flash. Power
may go at any time: the folder that runs stays as it is.
"""

import asyncio
import hashlib
import os

from hedgerow_board import trial
from hedgerow_board.places import FULL
from hedgerow_core import counts, limits, package, slot_state
from hedgerow_core.errors import HedgerowError, PeerError

_PAUSE_MS = 20  # between two pieces, for everything else
_READ_BYTES = 1_024
_BLOCK_BYTES = 4_096


async def install(board: object, slot: int, key: bytes, told: tuple, ids: bytes, head: bytes) -> None:
    """Check the update whose pieces have these ``ids``, write it, check it again, and restart into it.

    ``slot`` is the folder that runs, ``key`` whom the board trusts; ``head`` is the id of the head, which has
    ``told`` (number, leaf, flags, target).
    """
    number, leaf, _, _ = told
    known = board.update
    try:
        failure = await _installed(board, slot, key, told, ids)
        if failure == slot_state.NO_FAILURE:
            record = bytearray(trial.key_id(key)[:4])
            record += leaf.to_bytes(4, "big") + number.to_bytes(4, "big")
            before = trial.company(board)
            if board.carrier.neighbours(board.now()):
                before |= trial.COMPANY
            if board.shelf.durable:
                before |= trial.SOUND
            record += bytes((trial.TRIED, 1, before))
            trial.begin(board.journal.store, slot, record)
            await trial.restart()
        known[trial.FAILURE] = failure
        known[trial.NUMBER] = number
        if trial.count(board.shelf, ids) * limits.ID_BYTES == len(ids):
            # Whatever it is, it would be so again. Where a piece went meanwhile, it may come back.
            board.shelf.drop(head)
    except MemoryError:
        board.counts[counts.NO_MEMORY] += 1
    finally:
        known[trial.BUSY] = 0


async def _installed(board: object, slot: int, key: bytes, told: tuple, ids: bytes) -> int:
    """Write an update to the folder that does not run; why it cannot be, or NO_FAILURE."""

    def piece(identity: bytes) -> bytes | None:
        envelope = board.shelf.get(identity, board.now())
        return None if envelope is None else envelope.body

    pieces = package.Pieces(ids, piece)
    try:
        leaf, data = package.open_manifest(key, pieces)
    except HedgerowError:
        return slot_state.NOT_SIGNED
    try:
        manifest = package.decode_manifest(data, key)
    except HedgerowError:
        return slot_state.OTHER_FORMAT
    if (manifest.number, leaf, manifest.flags, manifest.target) != told:
        return slot_state.NOT_SIGNED  # the head is somebody else's
    try:
        at = manifest.start
        for _, size, digest in manifest.files:
            found = hashlib.sha256()
            await _each(pieces, at, size, found.update)
            if found.digest() != digest:
                return slot_state.NOT_SIGNED  # the pieces are
            at += size
    except HedgerowError:
        return slot_state.NOT_SIGNED
    folder = trial.FOLDERS[1 - slot]
    try:
        if _blocks(manifest.files) > _free(folder):
            return slot_state.NO_ROOM
        _clear(folder)
        os.mkdir(folder)
        at = manifest.start
        for path, size, digest in manifest.files:
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
