"""What a board does behind its answer to an owner. It stays in the heap meanwhile: so it is alone here."""

import asyncio

import machine

from hedgerow_board import changes, trial
from hedgerow_core import limits, manage

_LAST_WORDS_MS = 500  # for an answer to reach the host
_BLINK_MS = 125


def follow(board: object, change: int, hides: bool) -> None:
    """Do what follows a ``change``; ``hides``: whoever is gone knew the finding key."""
    asyncio.create_task(_restart(board) if change == changes.RESTARTS else _part(board, hides))


def answer(board: object, fields: dict, op: int, more: bytes, rights: int, pairing: bytes) -> tuple:
    """(reply to LOCATE, what it changes)."""
    pin = fields.get("led_pin", -1)
    status = manage.FAILED
    if len(more) != 1:
        status = manage.BAD_ARGUMENT
    elif pin >= 0:
        try:
            led = machine.Pin(pin, machine.Pin.OUT)
            asyncio.create_task(_blink(led, fields.get("led_low") is True, more[0]))
            status = manage.DONE
        except ValueError:
            pass  # settings may name a pin that this chip does not have
    return bytes((status,)), changes.NOTHING


async def _restart(board: object) -> None:
    await asyncio.sleep_ms(_LAST_WORDS_MS)
    if board.trial:
        _try_on(board.journal.store)
    machine.reset()


def _try_on(store: object) -> None:
    """A restart that somebody asked for is no fault of a firmware that is tried: it is tried once more."""
    slot = trial.running()
    record = trial.record(store)
    if trial.number(store, "slot") != slot and record[13] < limits.UPDATE_TRIES:
        record[13] += 1
        try:
            trial.begin(store, 1 - slot, record)
        except OSError:
            pass  # then it has failed


async def _part(board: object, hides: bool) -> None:
    # The answer still leaves over the link of a pairing that is gone.
    await asyncio.sleep_ms(_LAST_WORDS_MS)
    board.part()
    if hides and board.radio is not None:
        # The beacon id of the former finding key is known to who has just gone.
        board.radio.rotate_at = 0


async def _blink(led: object, low: bool, seconds: int) -> None:
    for _ in range(seconds * 1_000 // _BLINK_MS // 2):
        led.value(0 if low else 1)
        await asyncio.sleep_ms(_BLINK_MS)
        led.value(1 if low else 0)
        await asyncio.sleep_ms(_BLINK_MS)
