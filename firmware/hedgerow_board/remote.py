"""Runs the commands that came over the mesh for this board (docs/protocol.md, "Care"); imported when one did.

A command's number is written down before the command runs: whatever happens then, it never runs again. But
where there is no room for it nothing was done, and it waits until there is.
"""

import os

from hedgerow_core import manage, sealed

_TRIES = 3  # of a command, before the answer is that it failed
_HOPS = 3  # at most that a reply starts with
# The replies to these hold keys, and would be sealed under one that who has just lost its pairing knows.
_BY_LINK = (manage.PAIR, manage.UNPAIR, manage.NEW_CODE)


def answer(board: object, line: object, message: bytes) -> bytes:
    """Run what waits on the shelf, put the replies there, and look for what may come next."""
    shelf = board.shelf
    tries = int(shelf.caught)
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
            before, number = number, found[0] + 1
            _count(store, number)
            if not _run(board, key, tries < _TRIES, *found):
                number = before
                _count(store, number)
                shelf.caught = tries + 1
                raise MemoryError
            key = board.settings.care_key  # it may have been renewed
    finally:
        # Whatever became of this one, the next one is to be noticed.
        shelf.watched = sealed.locks(key, number) if key else b""
    return b""


def _count(store: object, number: int) -> None:
    store.set_i32("care", number)
    store.commit()


def _run(
    board: object, key: bytes, again: bool, number: int, until: int, salt: bytes, command: bytes
) -> bool:
    """Run a command and answer. False where there was no room, and it is to be tried ``again``."""
    reply = bytes((manage.REFUSED,))
    if board.minute() <= until and not (command and command[0] in _BY_LINK):
        from hedgerow_board.manage import execute

        board.forget("manage")
        try:
            reply = execute(board, command, manage.OWNER)
        except MemoryError:
            if again:
                return False
            reply = bytes((manage.FAILED,))
        execute = None  # it makes room
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
    return True
