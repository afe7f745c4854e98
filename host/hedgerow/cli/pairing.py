"""Who is paired with a board: board pair, board unpair, board lend, board code."""

import asyncio
import shlex
import sys
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import typer

from hedgerow import errors, links
from hedgerow.boards import code as codes
from hedgerow.boards import pairing
from hedgerow.boards.code import Code
from hedgerow.boards.managing import Managing, Pairing, over
from hedgerow.boards.paired import Paired
from hedgerow.cli import secrets
from hedgerow.cli.board import app as group
from hedgerow.cli.conversations import duration_of
from hedgerow.cli.inviting import drawn, drawn_code
from hedgerow.cli.linking import keeper_for
from hedgerow.cli.terminal import AsJson, clock, confirm, now_ms, open_node, print_json, shown, waiting
from hedgerow.links.keeper import Keeper
from hedgerow.node import Node
from hedgerow_core import manage
from hedgerow_core.clock import EPOCH_MINUTES

BoardName = Annotated[str, typer.Argument(metavar="NAME", help="The board, as `hedgerow board list` has it.")]
_FOR = typer.Option("--for", help="For how long: 8h, 7d, 4w.")
_ASKED = "-"

T = TypeVar("T")


def managed(node: Node, name: str, ask: Callable[[Managing], Awaitable[T]]) -> T:
    """What ``ask`` gives while the board is linked. NotOwner where this computer is its guest."""
    keeper = keeper_for(node, name, None)

    async def go() -> T:
        managing = Managing(over(keeper))
        board = node.boards.named(name)
        if board.owned:
            await pairing.in_step(node, board, managing)
        return await ask(managing)

    with waiting(f"Asking {name}"):
        return asyncio.run(keeper.linked(go))


def pair(
    context: typer.Context,
    port: Annotated[
        str | None, typer.Option("--port", help="The board is on this cable, which is trusted.")
    ] = None,
    ble: Annotated[
        str | None, typer.Option("--ble", help="The code that the board's owner shows; - asks for it.")
    ] = None,
    board: Annotated[
        str | None, typer.Option("--board", help="With --ble: not over the air, but at this address.")
    ] = None,
    label: Annotated[str | None, typer.Option(help="What owners see this computer called.")] = None,
    as_json: AsJson = False,
) -> None:
    """Pair this computer with a board, by its cable or by a code. Others that are paired stay so."""
    if (port is None) == (ble is None):
        raise typer.BadParameter("give either --port or --ble", param_hint="--port")
    node = open_node(context)

    def make(url: str, key: bytes, finding: bytes | None) -> Keeper:
        return Keeper(node, url, [key], now_ms, lambda event: None, finding=finding)

    label = label or node.name
    if port is not None:
        url = links.lasting(f"serial:{port}" if ":" not in port else port)
        with waiting("Pairing", as_json):
            found = asyncio.run(pairing.by_cable(node, url, label, now_ms, make))
    else:
        text = secrets.ask("The code") if ble == _ASKED else ble or ""
        code = codes.parse(text)
        url = links.lasting(board or f"ble:{code.name}")
        with waiting("Pairing", as_json):
            found = asyncio.run(pairing.by_code(node, code, url, label, now_ms, make))
    mesh = _mesh_of(node, found)
    node.close()
    if as_json:
        print_json(name=found.name, owner=found.owned, expires_ms=found.expires_ms, mesh=mesh)
    elif found.expires_ms is not None:
        print(f"{found.name} is lent to this computer until {clock(found.expires_ms)}.")
    else:
        print(f"This computer is an owner of {found.name} now" + (f", of {mesh}." if mesh else "."))
        print(f"Next: `hedgerow sync --board {shlex.quote(found.name)}`.")


def _mesh_of(node: Node, board: Paired) -> str | None:
    return next((mesh.name for mesh in node.meshes.all() if mesh.id == board.mesh), None)


def unpair(
    context: typer.Context,
    name: BoardName,
    who: Annotated[
        str | None,
        typer.Option("--who", help="Not this computer, but who `board list --who` calls so, or its id."),
    ] = None,
    forget: Annotated[
        bool, typer.Option("--forget", help="Only here: the board is out of reach, and keeps the pairing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Take a pairing away: this computer's, or as an owner another's. The board goes on."""
    if who is not None and forget:
        raise typer.BadParameter("it is for this computer's own pairing only", param_hint="--forget")
    node = open_node(context)
    board = node.boards.named(name)
    if who is None and not yes:
        confirm(f"This computer will not be paired with {board.name} any more.")
    taken = node.name
    if who is not None:
        taken = managed(node, board.name, lambda managing: _take_away(node, board, managing, who))
    else:
        if not forget:
            own = manage.pairing_id(board.pairing_key)
            try:
                managed(node, board.name, lambda managing: managing.unpair(own))
            except errors.WrongPairingKey:
                raise errors.PairingRefused(name=board.name) from None
        node.boards.forget(board.id)
    node.close()
    if as_json:
        print_json(name=board.name, unpaired=taken, told_the_board=not forget)
    elif who is not None:
        print(f"{shown(taken)} is not paired with {board.name} any more.")
    else:
        print(f"This computer is not paired with {board.name} any more.")


async def _take_away(node: Node, board: Paired, managing: Managing, who: str) -> str:
    found = _called(await managing.pairings(), who)
    if found.id == manage.pairing_id(board.pairing_key):
        raise errors.OwnPairing(name=board.name)
    told = await managing.unpair(found.id)
    if told is not None:
        node.boards.change(board.id, **pairing.secrets_of(told))
    return found.label or found.id.hex()


def _called(pairings: list[Pairing], who: str) -> Pairing:
    """The pairing with this id, or the only one with this label. NoSuchPairing, or PairingsAlike."""
    found = [one for one in pairings if one.id.hex() == who.lower()]
    found = found or [one for one in pairings if one.label.casefold() == who.casefold()]
    if not found:
        raise errors.NoSuchPairing
    if len(found) > 1:
        raise errors.PairingsAlike(ids=", ".join(one.id.hex() for one in found))
    return found[0]


def lend(
    context: typer.Context,
    name: BoardName,
    how_long: Annotated[str, _FOR],
    label: Annotated[str, typer.Option(help="Whom you lend it to, as owners see it.")] = "guest",
    as_json: AsJson = False,
) -> None:
    """Lend a board: print a code with which a neighbour's computer uses it for a while, and no more."""
    _show_code(context, name, how_long, label, manage.GUEST, as_json)


def code(
    context: typer.Context,
    name: BoardName,
    how_long: Annotated[str, _FOR] = "1d",
    as_json: AsJson = False,
) -> None:
    """Print a code with which one more computer becomes an owner of a board. It works once."""
    _show_code(context, name, how_long, codes.LABEL, manage.CODE, as_json)


def _show_code(
    context: typer.Context, name: str, how_long: str, label: str, rights: int, as_json: bool
) -> None:
    minutes = duration_of(how_long)
    node = open_node(context)
    board = node.boards.named(name)
    key = node.new_key()
    end = now_ms() // 60_000 + minutes

    async def ask(managing: Managing) -> Code:
        told = await managing.pair(key, rights, label, end - EPOCH_MINUTES)
        node.boards.change(board.id, **pairing.secrets_of(told))
        return Code(told.name, key, told.finding, end * 60_000 if rights == manage.GUEST else None)

    made = managed(node, board.name, ask)
    node.close()
    if as_json:
        print_json(name=board.name, code=made.uri(), qr=made.for_qr(), expires_ms=end * 60_000)
        return
    sys.stdout.write(drawn(drawn_code(made.for_qr())))
    print(made.uri())
    what = "Whoever has it uses" if rights == manage.GUEST else "The first who has it owns"
    print(f"{what} {board.name}, with `hedgerow board pair --ble -`; it ends at {clock(end * 60_000)}.")


def register() -> None:
    """Add the commands to `hedgerow board`."""
    group.command(epilog="Example: hedgerow board pair --port /dev/ttyUSB0")(pair)
    group.command(epilog="Example: hedgerow board unpair mill --who Bob")(unpair)
    group.command(epilog="Example: hedgerow board lend mill --for 7d --label Bob")(lend)
    group.command(epilog="Example: hedgerow board code mill")(code)
