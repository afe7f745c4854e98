"""What a board knows of updates (docs/protocol.md, "Updates"); imported when there may be one, and forgotten.

The pieces lie on the shelf. What is signed goes into the folder that does not run, and that is tried once.
"""

import machine

from hedgerow_board import trial
from hedgerow_board.version import NUMBER
from hedgerow_core import limits, package, service, slot_state
from hedgerow_core.errors import PeerError
from hedgerow_core.mac import sha256
from hedgerow_core.session import MESH

_REST_S = 3_600  # between two quiet starts


def answer(board: object, line: object, message: bytes) -> bytes:
    """The answer to UPDATE; without a message only look whether there is something to do."""
    if message and message != bytes((service.UPDATE,)):
        return b""
    if board.update is None:
        board.update = [0] * trial.PLACES
    if board.trial:
        board.aside("judge", None, b"")
    slot = trial.running()
    key = board.settings.update_key
    record = trial.record(board.journal.store)
    following = _next_leaf(board, record)
    if slot < slot_state.NO_SLOT and key and not board.trial and not board.quiet:
        _look(board, key, following)
    return _state(board, slot, following, record) if message else b""


def _board_id(board: object) -> bytes:
    secret = board.settings.care_key or machine.unique_id()
    return sha256(b"hedgerow board" + secret)[: package.TARGET_BYTES]


def _next_leaf(board: object, record: bytearray) -> int:
    """The first one-time key that may have signed an update: what is remembered in the non-volatile storage
    is lost where the board is flashed again, so the settings say from where on, too."""
    known = board.settings
    if record[12] and record[:4] == trial.key_id(known.update_key)[:4]:
        return max(int.from_bytes(record[4:8], "big") + 1, known.update_leaf)
    return known.update_leaf


def _state(board: object, slot: int, following: int, record: bytearray) -> bytes:
    known = board.update
    failure, failed = known[trial.FAILURE], known[trial.NUMBER]
    if not failure and record[12] == trial.FAILED:
        failure, failed = slot_state.DID_NOT_RUN, int.from_bytes(record[8:12], "big")
    numbers = [NUMBER, slot, 1 if board.trial else 0, following]
    numbers += known[trial.ARRIVING : trial.PIECES + 1]
    numbers += [failure, failed]
    return slot_state.encode_state(numbers, _board_id(board), trial.key_id(board.settings.update_key))


# What is on the shelf


def _look(board: object, key: bytes, following: int) -> None:
    """See what is on its way, signed with the one-time key ``following`` or a later one, and begin with what
    is here. A few heads at a time: a member may make many."""
    known = board.update
    shelf = board.shelf
    mark = package.mark_of(board.settings.mesh_key)
    best = None
    after = known[trial.NEXT]
    for _ in range(limits.UPDATE_HEADS):
        after, envelope = shelf.marked(mark, after)
        if after < 0:
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
        here, whole = trial.pieces_here(board, key, head.ids, head.total)
        # What is whole goes before what is not, the later before the earlier.
        if best is None or (whole, head.leaf) > best[0]:
            best = ((whole, head.leaf), here, head, envelope.id)
    known[trial.NEXT] = max(after, 0)  # not before: where the memory ends, it is looked at once more
    if best is None:
        known[trial.ARRIVING] = known[trial.HERE] = known[trial.PIECES] = 0
        return
    (whole, _), here, head, identity = best
    known[trial.ARRIVING] = head.number
    known[trial.HERE] = here
    known[trial.PIECES] = head.total
    if not whole:
        return
    if board.journal.rested and board.journal.uptime_s() < _REST_S:
        # Whoever forges updates would have it restart all the time.
        known[trial.FAILURE] = slot_state.NO_MEMORY
        known[trial.NUMBER] = head.number
        return
    # Writing it takes the heap that links to neighbours have; a task of the board's begins it.
    board.whole = identity
    board.quiet = trial.WAITING
    for line in board.lines:
        if line.link.kind == MESH:
            line.lost()
