"""Pairing this computer with a board: by its cable, or by a code that an owner showed."""

import asyncio
import contextlib
import re
from collections.abc import Callable
from typing import Any

from hedgerow import errors, links
from hedgerow.boards.code import Code
from hedgerow.boards.console import Console
from hedgerow.boards.managing import Managing, Welcome, data_of, label_of, over, welcome
from hedgerow.boards.naming import numbered
from hedgerow.boards.paired import Paired
from hedgerow.links.keeper import Keeper
from hedgerow.node import Node
from hedgerow_core import manage, sealed

MakeKeeper = Callable[[str, bytes, bytes | None], Keeper]

# The firmware is in /a or /b where it was flashed by `hedgerow flash`, and main.py did not run after a soft
# reset.
_SCRIPT = """
import gc, sys
gc.collect()
from esp32 import NVS
try:
    slot = NVS("hedgerow").get_i32("slot")
except OSError:
    slot = 0
sys.path += ["/b", "/a"] if slot == 1 else ["/a", "/b"]
from hedgerow_board.manage import cable
print("reply", cable(bytes.fromhex("{command}")).hex())
"""
_REPLY = re.compile(r"reply ((?:[0-9a-f]{2})+)\b")
_REFUSALS = (errors.NotOwner, errors.OtherVersion, errors.BoardFailed, errors.TooManyPairings)
# Answers after which a board surely has no key of ours.
_DECIDED = (errors.NotOwner, errors.OtherVersion, errors.TooManyPairings)
# What a board that restarts says, or one whose address changes; a port that has just come back is nobody's.
_SOON = (
    *(errors.BoardSilent, errors.BoardTakesNoCall, errors.BoardGone, errors.LinkLost),
    *(errors.PortMissing, errors.PortLost, errors.PortForbidden, errors.PortBusy),
)
_BACK_S = 30.0
_AGAIN_S = 1.0


async def by_cable(node: Node, url: str, label: str, now: Callable[[], int], make: MakeKeeper) -> Paired:
    """Pair as an owner: who holds the cable may change the settings anyway. Letters stay.

    NoConsole, BoardWithoutManaging, TooManyPairings; and as the link.
    """
    begun = _begun(node, url=url)
    key = node.new_key() if begun is None else begun.pairing_key
    record = manage.encode_record(manage.OWNER, 0, key, label_of(label))
    port = await links.open(url)
    try:
        console = Console(port)
        await console.enter()
        # Before the board has the key: its answer may get lost.
        paired = begun or node.boards.add(_name(node, ""), key, now(), url=url, used_ms=0)
        try:
            printed = await console.run(_SCRIPT.format(command=(bytes((manage.PAIR,)) + record).hex()))
            found = _REPLY.search(printed)
            if found is None:
                raise errors.NoConsole
            told = welcome(data_of(bytes.fromhex(found[1]), *_REFUSALS))
            # Before the restart: native USB goes with it.
            former = _keep(node, key, told, now(), url)
        except errors.ConsoleFailed as error:
            node.boards.forget(paired.id)
            raise errors.BoardWithoutManaging(reason=error.details["reason"]) from None
        except _DECIDED:
            node.boards.forget(paired.id)
            raise
        finally:
            with contextlib.suppress(errors.PortLost):
                await console.reset()
    finally:
        await port.close()
    return await _finish(node, key, former, make(url, key, told.finding), now)


async def by_code(
    node: Node, code: Code, url: str, label: str, now: Callable[[], int], make: MakeKeeper
) -> Paired:
    """Pair as an owner with a one-time code: the board takes a key of ours in its place. PairingCodeUsed.

    A loan needs no link: its key is in the code.
    """
    finding = code.finding
    if code.ends_ms is not None:
        if code.ends_ms <= now():
            raise errors.LoanOver(name=code.name)
        return node.boards.add(
            _name(node, code.name),
            code.key,
            now(),
            rights=manage.GUEST,
            expires_ms=code.ends_ms,
            finding=finding,
            url=url,
        )
    begun = _begun(node, finding=finding)
    key = node.new_key() if begun is None else begun.pairing_key
    # Before anybody is asked: the answer may get lost, and who tries once more completes it.
    paired = begun or node.boards.add(_name(node, code.name), key, now(), finding=finding, url=url, used_ms=0)
    told = former = None
    trouble: errors.UserError = errors.PairingCodeUsed(name=code.name)
    asked = False
    try:
        keeper = make(url, code.key, finding)
        try:
            await keeper.open()
            asked = True
            told = await Managing(over(keeper)).pair(key, manage.OWNER, label)
        finally:
            await keeper.close()
    except (errors.WrongPairingKey, errors.NotOwner):
        if begun is None:
            node.boards.forget(paired.id)
            raise trouble from None
        # The board may have taken our key the last time.
    except errors.BoardNotInReach:
        # Who does not take a code any more has another finding key, too.
        trouble = errors.CodeNotInReach(name=code.name)
        if begun is None:
            node.boards.forget(paired.id)
            raise trouble from None
    except BaseException as error:
        # Once the board was asked, only a link with our key shows whether it took that.
        if isinstance(error, _DECIDED) if asked else begun is None:
            node.boards.forget(paired.id)
        if not asked or not isinstance(error, errors.UserError) or isinstance(error, _DECIDED):
            raise
        trouble = error
    if told is not None:
        former = _keep(node, key, told, now(), url)
    try:
        return await _finish(node, key, former, make(url, key, told.finding if told else finding), now)
    except errors.WrongPairingKey:
        node.boards.forget(paired.id)
        raise trouble from None
    except (*_SOON, errors.BoardNotInReach):
        if told is None:
            raise errors.PairingUnfinished(name=code.name) from None
        raise


def _begun(node: Node, **what: object) -> Paired | None:
    """A pairing that was begun and not finished: so long, its row was never used."""
    for board in node.boards.all():
        if not board.used_ms and all(getattr(board, name) == value for name, value in what.items()):
            return board
    return None


def _name(node: Node, wanted: str, own: Paired | None = None) -> str:
    """``wanted`` as no other row than ``own`` has it."""
    cleaned = "".join(c for c in wanted if c not in ":/").strip() or "board"
    return numbered(cleaned, {board.name for board in node.boards.all() if board != own})


def _keep(node: Node, key: bytes, told: Welcome, now: int, url: str) -> bytes | None:
    """Remember a board. One that was paired before keeps its name here; the key that it took then."""
    fields = secrets_of(told)
    former, own = node.boards.of_board(fields["board_id"]), node.boards.of_key(key)
    if former is None and fields["board_id"] is not None:
        former = _lent(node, {told.finding, own.finding if own is not None else None})
        if former is not None:
            node.boards.change(former.id, board_id=fields["board_id"])
    if former is not None and own is not None and former.id != own.id:
        node.boards.forget(own.id)
    begun = None if former is not None else own
    name = _name(node, told.name, begun)
    board = node.boards.add(name, key, now, rights=manage.OWNER, expires_ms=None, url=url, **fields)
    if begun is not None and not begun.used_ms:
        node.boards.rename(board.id, name)
    return None if former is None or former.pairing_key == key else former.pairing_key


def _lent(node: Node, findings: set[bytes | None]) -> Paired | None:
    """The board that was lent to us and is ours now, by one of its finding keys."""
    lent = [board for board in node.boards.all() if not board.owned and board.finding]
    return next((board for board in lent if board.finding in findings), None)


async def in_step(node: Node, board: Paired, managing: Managing) -> dict[str, Any]:
    """Ask a board of ours what it is, and write that down. Where another owner took a pairing away since, it
    has another care key, which it gives with a pairing: so it gets ours once more. The answer."""
    found = await managing.config()
    mesh = node.meshes.of_fingerprint(found["mesh"].hex())
    node.boards.change(
        board.id,
        mesh=None if mesh is None else mesh.id,
        firmware=found["firmware"],
        unique_id=found["unique"],
    )
    if board.board_id is None or found.get("board") != board.board_id:
        own = manage.pairing_id(board.pairing_key)
        labels = [one.label for one in await managing.pairings() if one.id == own]
        with contextlib.suppress(errors.TooManyPairings):
            told = await managing.pair(board.pairing_key, manage.OWNER, labels[0] if labels else "")
            node.boards.change(board.id, **secrets_of(told))
    return found


def secrets_of(told: Welcome) -> dict[str, object]:
    """What of a welcome is kept, as fields of ``Paired``."""
    board_id = sealed.board_id(told.care_key) if told.care_key else None
    return {"finding": told.finding or None, "care_key": told.care_key or None, "board_id": board_id}


async def _finish(
    node: Node, key: bytes, former: bytes | None, keeper: Keeper, now: Callable[[], int]
) -> Paired:
    """Link with the new key, ask the board what it is, and take the ``former`` key of ours away."""
    loop = asyncio.get_running_loop()
    until = loop.time() + _BACK_S
    while True:
        try:
            await keeper.open()
            break
        except _SOON:
            await keeper.close()
            if loop.time() >= until:
                raise
            await asyncio.sleep(_AGAIN_S)
    try:
        managing = Managing(over(keeper))
        paired = node.boards.of_key(key)
        if paired is None:
            raise errors.BoardFailed
        await in_step(node, paired, managing)
        node.boards.change(paired.id, used_ms=now())
        if former is not None:
            with contextlib.suppress(errors.NoSuchPairing):
                told = await managing.unpair(manage.pairing_id(former))
                if told is not None:
                    node.boards.change(paired.id, **secrets_of(told))
    finally:
        await keeper.close()
    return node.boards.of_number(paired.id)
