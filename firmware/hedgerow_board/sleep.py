"""Deep sleep of a board that spares its battery; imported when it may be time for it."""

import machine

from hedgerow_core import counts, limits, sleep
from hedgerow_core.session import PAIR

_HOST_MS = 60_000  # without a word of a host: it is gone
_MOVED_MS = 20_000  # since something new came: it is to go on
_AT_HAND_S = 300  # after a start that was no waking up: somebody wants something of the board
# Others may sleep while we are awake: each so many starts a board listens for a whole cycle.
_SEARCH_EVERY = 96
_SEARCH_EVERY_ALONE = 16


def answer(board: object, line: object, message: bytes) -> bytes:
    """Sleep until the next minutes in which boards are awake, unless something speaks against it."""
    settings = board.settings
    if not sleep.valid(settings.sleep_awake, settings.sleep_cycle) or _stays_awake(board):
        return b""
    clock = board.time.clock
    now = board.now()
    # Somebody may have come through this window without trouble for days, but never for ten minutes.
    board.journal.well()
    clock.checkpointed(now)
    board.shelf.checkpoint(now)
    now = board.now()
    left = sleep.left_ms(settings.sleep_cycle, clock.minute(now), clock.into_minute(now))
    if left:
        board.time.save(now)
        board.radio.ble.active(False)
        machine.deepsleep(left)
    return b""


def _stays_awake(board: object) -> bool:
    now = board.now()
    journal = board.journal
    clock = board.time.clock
    # Without a host's time every board may have another one.
    if (
        journal.safe
        or not clock.certain
        or clock.minute(now) < limits.M_TOLD
        or now - board.moved < _MOVED_MS
    ):
        return True
    if journal.cause != machine.DEEPSLEEP_RESET and journal.uptime_s() < _AT_HAND_S:
        return True
    if journal.starts % (_SEARCH_EVERY if board.counts[counts.HEARD] else _SEARCH_EVERY_ALONE) == 0:
        return True
    for line in board.lines:
        if line.link.kind == PAIR:
            if now - line.active < _HOST_MS:
                return True
        elif not line.link.settled:
            return True
    return False
