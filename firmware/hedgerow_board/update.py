"""What a board knows of updates (docs/protocol.md, "Updates"); imported when there may be one, and forgotten.

The pieces lie on the shelf. What is signed goes into the folder that does not run, and that is tried once.
"""

import asyncio
import sys

import machine

from hedgerow_board import settings, trial
from hedgerow_board.settings import SettingsError
from hedgerow_board.version import NUMBER
from hedgerow_board.watchdog import BEACON, RADIO
from hedgerow_core import limits, package, service, slot_state
from hedgerow_core.errors import PeerError
from hedgerow_core.mac import sha256

_WELL_MS = 120_000  # of a trial that goes well
_ALONE_MS = 12 * 60_000  # after which a board that hears nobody need not have met anybody
_SEEK_MS = 90_000


def answer(board: object, line: object, message: bytes) -> bytes:
    """The answer to UPDATE; without a message only look whether there is something to do."""
    if message and message != bytes((service.UPDATE,)):
        return b""
    if board.update is None:
        board.update = [0] * trial.PLACES
    slot = trial.running()
    key, first = _trusted()
    record = trial.record(board.journal.store)
    if board.trial:
        record = _judge(board, slot, record)
    if slot < slot_state.NO_SLOT and key and not board.trial and not board.update[trial.BUSY]:
        _look(board, slot, key, _next_leaf(record, key, first))
    return _state(board, slot, key, first, record) if message else b""


def _trusted() -> tuple:
    """(public key that signs updates, empty where there is none; its first one-time key that may have)."""
    try:
        found = settings.fields(settings.newest())
    except (SettingsError, PeerError):
        return b"", 0
    key = found.get("update_key")
    leaf = found.get("update_leaf", 0)
    return key if isinstance(key, bytes) else b"", leaf if isinstance(leaf, int) else 0


def _board_id(board: object) -> bytes:
    secret = board.settings.care_key or machine.unique_id()
    return sha256(b"hedgerow board" + secret)[: package.TARGET_BYTES]


def _next_leaf(record: bytearray, key: bytes, first: int) -> int:
    """The first one-time key that may have signed an update: what is remembered in the non-volatile storage
    is lost where the board is flashed again, so the settings say from where on, too."""
    if record[12] and record[:4] == trial.key_id(key)[:4]:
        return max(int.from_bytes(record[4:8], "big") + 1, first)
    return first


def _state(board: object, slot: int, key: bytes, first: int, record: bytearray) -> bytes:
    known = board.update
    failure, failed = known[trial.FAILURE], known[trial.NUMBER]
    if not failure and record[12] == trial.FAILED:
        failure, failed = slot_state.DID_NOT_RUN, int.from_bytes(record[8:12], "big")
    numbers = [NUMBER, slot, 1 if board.trial else 0, _next_leaf(record, key, first)]
    numbers += known[trial.ARRIVING : trial.PIECES + 1]
    numbers += [failure, failed]
    return slot_state.encode_state(numbers, _board_id(board), trial.key_id(key))


# After a start


def _judge(board: object, slot: int, record: bytearray) -> bytearray:
    """What came of the last start: the first look after it, and all of a firmware that is tried."""
    store = board.journal.store
    if trial.number(store, "slot") != slot:
        if _well(board, record):
            store.set_i32("slot", slot)
            store.set_i32("lost", 0)
            if record[12] == trial.TRIED:
                record[12] = trial.RAN
            trial.keep(store, record)
            board.trial = False
            board.journal.note("firmware " + str(NUMBER) + " runs well")
        return record
    board.trial = False
    if record[12] == trial.TRIED:
        if board.journal.cause == machine.PWRON_RESET and record[13] < limits.UPDATE_TRIES:
            # It was not its fault.
            record[13] += 1
            trial.begin(store, slot, record)
            asyncio.create_task(trial.restart())
        else:
            record[12] = trial.FAILED
            trial.keep(store, record)
            board.journal.note("firmware " + str(int.from_bytes(record[8:12], "big")) + " did not run well")
    if trial.number(store, "lost"):
        store.set_i32("lost", 0)
        store.commit()
    return record


def _well(board: object, record: bytearray) -> bool:
    """Whether the firmware has run well for long enough: all tasks come round, the shelf can be used, and the
    board talks with somebody again, where it did before and there is anybody."""
    up = board.journal.uptime_s() * 1_000
    tasks = board.dog.tasks
    if up < _WELL_MS or RADIO not in tasks or BEACON not in tasks:
        return False
    if record[14] & trial.SOUND and not board.shelf.durable:
        return False
    if not record[14] & trial.COMPANY or trial.company(board):
        return True
    if up >= _ALONE_MS and not board.carrier.neighbours(board.now()):
        return True
    # Who knows what we know would not be called.
    board.carrier.seek_until = board.now() + _SEEK_MS
    return False


# What is on the shelf


def _look(board: object, slot: int, key: bytes, following: int) -> None:
    """See what is on its way, signed with the one-time key ``following`` or a later one, and begin with what
    is here. A few heads at a time: a member may make many."""
    known = board.update
    shelf = board.shelf
    mark = package.mark_of(board.settings.mesh_key)
    best = None
    for _ in range(limits.UPDATE_HEADS):
        known[trial.NEXT], envelope = shelf.marked(mark, known[trial.NEXT])
        if known[trial.NEXT] < 0:
            known[trial.NEXT] = 0
            break
        if envelope is None:
            continue
        try:
            head = package.decode_head(envelope.body, mark)
        except PeerError:
            shelf.drop(envelope.id)
            continue
        if head.target not in (package.EVERYBODY, _board_id(board)) or head.leaf < following:
            continue
        if head.number <= NUMBER and not head.flags & package.DOWNGRADE:
            known[trial.FAILURE] = slot_state.NOT_NEWER
            known[trial.NUMBER] = head.number
            continue
        here = trial.count(shelf, head.ids)
        # What is whole goes before what is not, the later before the earlier.
        if best is None or (here == head.count(), head.leaf) > best[0]:
            best = ((here == head.count(), head.leaf), here, head, envelope.id)
    if best is None:
        known[trial.ARRIVING] = known[trial.HERE] = known[trial.PIECES] = 0
        return
    (whole, _), here, head, identity = best
    known[trial.ARRIVING] = head.number
    known[trial.HERE] = here
    known[trial.PIECES] = head.count()
    if whole:
        known[trial.BUSY] = 1
        told = (head.number, head.leaf, head.flags, head.target)
        asyncio.create_task(_installer()(board, slot, key, told, head.ids, identity))


def _installer() -> object:
    """What installs; it leaves the heap when it is done."""
    from hedgerow_board.install import install

    del sys.modules["hedgerow_board.install"]
    delattr(sys.modules["hedgerow_board"], "install")
    return install
