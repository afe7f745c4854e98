"""What an owner asks of a board (docs/protocol.md, "Manage"); imported for it, and forgotten afterwards.

Each kind of command has a module of its own, which leaves the heap before the next one comes. An error that
gets out of here, MemoryError most of all, means that nothing was done: the same may be tried again.
"""

import gc

import machine

from hedgerow_board import changes
from hedgerow_core import manage, service

_MODULES = {
    manage.CONFIG_GET: "about",
    manage.CONFIG_SET: "config",
    manage.LOCATE: "soon",
    manage.PAIRINGS: "pairings",
    manage.PAIR: "pairings",
    manage.UNPAIR: "pairings",
    manage.NEW_CODE: "pairings",
    manage.REKEY: "mesh_key",
}
_IN_TIME = 0  # no command: the mesh clock says so


def answer(board: object, line: object, message: bytes) -> bytes:
    """The answer to MANAGE of the host on ``line``; nothing where the message is another one. Without a
    message the mesh has its next key from now on; without a line pairings are over."""
    if line is None:
        name = "pairings" if message else "mesh_key"
        _do(board, b"", name, _IN_TIME, b"", manage.OWNER, b"")
        return b""
    if message[0] != service.MANAGE:
        return b""
    head = bytes((service.MANAGE_IS,))
    return execute(board, message[1:], board.rights(line), line.link.session.pairing, head)


def execute(board: object, command: bytes, rights: int, pairing: bytes = b"", head: bytes = b"") -> bytes:
    """``head`` and the reply to a command of who has these ``rights``: over a link of the key ``pairing``, or
    the mesh."""
    op = command[0] if command else 0
    more = command[1:]
    if rights == manage.CODE and op != manage.PAIR:
        return head + bytes((manage.REFUSED,))
    if rights != manage.OWNER and op != manage.PAIR:
        own = op == manage.UNPAIR and more == manage.pairing_id(pairing)
        if rights != manage.GUEST or not (own or op == manage.STATUS):
            return head + bytes((manage.REFUSED,))
    if op == manage.STATUS and not more:
        return head + bytes((manage.DONE,)) + board.condition()
    if op == manage.REBOOT and not more:
        reply = head + bytes((manage.DONE,))
        _module(board, "soon").follow(board, changes.RESTARTS, False)
        return reply
    if op not in _MODULES:
        return head + bytes((manage.BAD_ARGUMENT,))
    try:
        return _do(board, head, _MODULES[op], op, more, rights, pairing)
    except OSError:
        return head + bytes((manage.FAILED,))


def cable(command: bytes) -> bytes:
    """The reply to PAIR of who holds the cable, and has stopped the board with the escape. It is to be reset
    then."""
    try:
        return _do(None, b"", "pairings", manage.PAIR, command[1:], manage.OWNER, b"")
    except OSError:
        return bytes((manage.FAILED,))


def _module(board: object, name: str) -> object:
    """A module for one step; it leaves the heap with who uses it."""
    gc.collect()  # a small heap is cut into pieces otherwise
    try:
        return __import__("hedgerow_board." + name, None, None, (name,))
    finally:
        # Where the memory ended within the import, it may be there in part.
        if board is not None:
            board.forget(name)


def _store(board: object) -> object:
    if board is not None:
        return board.journal.store
    from esp32 import NVS

    return NVS("hedgerow")


def _do(board: object, head: bytes, name: str, op: int, more: bytes, rights: int, pairing: bytes) -> bytes:
    """Let the module ``name`` answer, and write what it changed. Whatever this raises, the former settings
    hold."""
    store = _store(board)
    fields = _module(board, "stored").kept(store)
    if fields is None:
        return head + bytes((manage.FAILED,))
    reply, change = _module(board, name).answer(board, fields, op, more, rights, pairing)
    reply = head + reply
    if change == changes.NOTHING:
        return reply
    # What follows is here before there is no way back.
    soon = _module(board, "soon") if change > changes.WRITTEN and board is not None else None
    finding = board.settings.finding if board is not None else b""
    status = _module(board, "stored").keep(board, store, fields)
    if status != manage.DONE:
        return head + bytes((status,))
    if soon is not None:
        try:
            soon.follow(board, change, board.settings.finding != finding)
        except MemoryError:
            machine.reset()  # that is all of it, and more
    return reply
