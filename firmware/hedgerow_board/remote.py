"""Runs the commands that came over the mesh for this board (docs/protocol.md, "Care"); imported when one did.

A command's number is written down before the command runs: whatever happens then, it never runs again.
"""

import os

from hedgerow_core import manage, sealed

_HOPS = 3  # at most that a reply starts with
# The replies to these hold keys, and would be sealed under one that who has just lost its pairing knows.
_BY_LINK = (manage.PAIR, manage.UNPAIR, manage.NEW_CODE)


def answer(board: object, line: object, message: bytes) -> bytes:
    """Run what waits on the shelf, put the replies there, and look for what may come next."""
    shelf = board.shelf
    shelf.caught = False
    store = board.journal.store
    try:
        number = store.get_i32("care")
    except OSError:
        number = 0
    key = board.settings.care_key
    try:
        while key:
            found = sealed.next_command(shelf, key, number, board.now())
            if found is None:
                break
            number = found[0] + 1
            store.set_i32("care", number)
            store.commit()
            _run(board, key, *found)
            key = board.settings.care_key  # it may have been renewed
    finally:
        # Whatever became of this one, the next one is to be noticed.
        shelf.watched = sealed.locks(key, number) if key else b""
    return b""


def _run(board: object, key: bytes, number: int, until: int, salt: bytes, command: bytes) -> None:
    reply = bytes((manage.REFUSED,))
    if board.minute() <= until and not (command and command[0] in _BY_LINK):
        from hedgerow_board.manage import execute

        try:
            reply = execute(board, command, manage.OWNER)
        except MemoryError:
            reply = bytes((manage.FAILED,))
        board.forget("manage")
    random = os.urandom(sealed.SALT_BYTES + 1)
    hops = random[-1] & _HOPS
    shelf = board.shelf
    now = board.now()
    said = sealed.seal(key, sealed.UP, number, board.minute(), salt + reply, random[:-1], hops=hops)
    board.post(said.encode())
    shelf.prove(sealed.token(key, sealed.DOWN, number), now)
    # What the command asked for may end this start.
    shelf.flush(now)
    board.changed()
