"""What came of an update that was tried (docs/protocol.md, "Updates"); imported after a start that is a trial
or follows one, and forgotten.
"""

import asyncio

import machine

from hedgerow_board import trial
from hedgerow_board.version import NUMBER
from hedgerow_board.watchdog import BEACON, RADIO
from hedgerow_core import limits

_WELL_MS = 120_000  # of a trial that goes well
_ALONE_MS = 12 * 60_000  # after which a board that hears nobody need not have met anybody
_SEEK_MS = 90_000


def answer(board: object, line: object, message: bytes) -> bytes:
    """Judge what came of the last start: the first look after it, and all of a firmware that is tried."""
    store = board.journal.store
    slot = trial.running()
    record = trial.record(store)
    if trial.number(store, "slot") != slot:
        if _well(board, record):
            store.set_i32("slot", slot)
            store.set_i32("lost", 0)
            _ran(board, store, record)
        return b""
    board.trial = False
    if record[12] == trial.TRIED and (record[14] & trial.SECOND > 0) == (slot > 0):
        # The power went when it had run well, before that was all written down.
        _ran(board, store, record)
    elif record[12] == trial.TRIED:
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
    return b""


def _ran(board: object, store: object, record: bytearray) -> None:
    if record[12] == trial.TRIED:
        record[12] = trial.RAN
    trial.keep(store, record)
    board.trial = False
    board.journal.note("firmware " + str(NUMBER) + " runs well")


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
