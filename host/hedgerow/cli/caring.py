"""The group `hedgerow care`: boards that are several hops away; and another key for a whole mesh."""

import asyncio
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from hedgerow import errors
from hedgerow.boards.managing import settings_of
from hedgerow.care import rekeying, words
from hedgerow.care.rekeying import Rekeying
from hedgerow.care.words import Command
from hedgerow.cli import meshes
from hedgerow.cli.conversations import minutes_of
from hedgerow.cli.linking import KeyFile, MaybeBoardUrl, keeper_for, open_known
from hedgerow.cli.pairing import BoardName
from hedgerow.cli.terminal import AsJson, clock, confirm, now_ms, open_node, print_json, shown
from hedgerow.node import Node
from hedgerow_core import cbor, manage

app = typer.Typer(no_args_is_help=True, help="Look after boards that are out of reach, over the mesh.")
For = Annotated[
    str, typer.Option("--for", help="It counts for so long: 8h, 3d, 2w. Then it is given up, not run late.")
]
Wait = Annotated[
    str, typer.Option("--wait", help="With --board: wait so long for the answer, like 30m; off: do not.")
]


@app.callback()
def options() -> None:
    """Look after boards that are out of reach, over the mesh."""


def _ask(
    context: typer.Context,
    name: str,
    command: bytes,
    how_long: str,
    board: str | None,
    key_file: Any,
    wait: str,
    as_json: bool,
) -> None:
    """Send ``command``; with a board to link to, wait for the answer."""
    minutes = minutes_of(how_long)
    if not minutes:
        raise errors.UnknownDuration(wanted=how_long)
    patience_s = minutes_of(wait) * 60.0
    node = open_node(context)
    number = node.care.ask(name, command, now_ms() + minutes * 60_000, now_ms())
    if board is not None:
        asyncio.run(_exchange(node, board, key_file, number, patience_s))
    found = node.care.command(number, now_ms())
    node.close()
    _tell(found, as_json)


async def _exchange(node: Node, board: str, key_file: Any, number: int, patience_s: float) -> None:
    keeper = keeper_for(node, board, key_file)
    try:
        await open_known(node, keeper)
        await keeper.settle()
        if patience_s:
            await keeper.watch(lambda: node.care.command(number, now_ms()).reply is not None, patience_s)
            await keeper.settle()  # our proof, so that nobody carries the answer any further
    finally:
        await keeper.close()


def _tell(found: Command, as_json: bool) -> None:
    if as_json:
        print_json(**_fields(found))
    elif found.reply is None:
        print(
            f"Command {found.id} for {found.board} is {found.state}: `hedgerow run` or `hedgerow sync` brings"
        )
        print(f"it to a board, and its answer back; `hedgerow care answer {found.id}` shows that.")
    else:
        _show_answer(found)


def _fields(found: Command) -> dict[str, Any]:
    return {
        "number": found.id,
        "board": found.board,
        "command": found.what,
        "state": found.state,
        "result": found.result,
        "answer": found.fields() if found.reply is not None else None,
        "made_ms": found.made_ms,
        "until_ms": found.until_ms,
        "answered_ms": found.answered_ms,
    }


def _show_answer(found: Command) -> None:
    print(f"{found.board}, {found.what}: {found.result}.")
    for key, value in found.fields().items():
        print(f"  {key:<16} {shown(str(value))}")


def status(
    context: typer.Context,
    name: BoardName,
    how_long: For = "3d",
    board: MaybeBoardUrl = None,
    key_file: KeyFile = None,
    wait: Wait = "2m",
    as_json: AsJson = False,
) -> None:
    """Ask a board how it is."""
    _ask(context, name, bytes((manage.STATUS,)), how_long, board, key_file, wait, as_json)


def config(
    context: typer.Context,
    name: BoardName,
    how_long: For = "3d",
    board: MaybeBoardUrl = None,
    key_file: KeyFile = None,
    wait: Wait = "2m",
    as_json: AsJson = False,
) -> None:
    """Ask a board for its settings."""
    _ask(context, name, bytes((manage.CONFIG_GET,)), how_long, board, key_file, wait, as_json)


def set_(
    context: typer.Context,
    name: BoardName,
    values: Annotated[list[str], typer.Argument(help="SETTING=VALUE, or SETTING=default; several at once.")],
    how_long: For = "3d",
    board: MaybeBoardUrl = None,
    key_file: KeyFile = None,
    wait: Wait = "2m",
    as_json: AsJson = False,
) -> None:
    """Change settings of a board, as `hedgerow board config set` does within reach."""
    wanted = settings_of(values)
    command = bytes((manage.CONFIG_SET,)) + cbor.encode(wanted)
    _ask(context, name, command, how_long, board, key_file, wait, as_json)


def restart(
    context: typer.Context,
    name: BoardName,
    how_long: For = "3d",
    board: MaybeBoardUrl = None,
    key_file: KeyFile = None,
    wait: Wait = "2m",
    as_json: AsJson = False,
) -> None:
    """Let a board restart. Its letters stay."""
    _ask(context, name, bytes((manage.REBOOT,)), how_long, board, key_file, wait, as_json)


def locate(
    context: typer.Context,
    name: BoardName,
    seconds: Annotated[int, typer.Option(min=1, max=255, help="For how long.")] = 60,
    how_long: For = "1h",
    board: MaybeBoardUrl = None,
    key_file: KeyFile = None,
    wait: Wait = "2m",
    as_json: AsJson = False,
) -> None:
    """Let the LED of a board blink when the command gets there."""
    _ask(context, name, bytes((manage.LOCATE, seconds)), how_long, board, key_file, wait, as_json)


def list_(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Only those for this board.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the commands of the last 30 days, and what became of them."""
    node = open_node(context)
    node.poll(now_ms())
    found = node.care.commands(now_ms(), name)
    node.close()
    if as_json:
        for one in found:
            print_json(**_fields(one))
    elif not found:
        print("No command was sent over the mesh: `hedgerow care status NAME` asks a board how it is.")
    else:
        table = Table("", "Board", "Command", "State", "Made", "Until", box=None, pad_edge=False)
        for one in found:
            state = one.state if one.reply is None else f"{one.state}: {one.result}"
            table.add_row(str(one.id), one.board, one.what, state, clock(one.made_ms), clock(one.until_ms))
        Console(highlight=False, markup=False, emoji=False).print(table)


def answer(
    context: typer.Context,
    number: Annotated[int, typer.Argument(help="The command, as `hedgerow care list` numbers it.")],
    as_json: AsJson = False,
) -> None:
    """Show what a board answered to a command."""
    node = open_node(context)
    node.poll(now_ms())
    found = node.care.command(number, now_ms())
    node.close()
    if found.reply is None and not as_json:
        raise errors.NotAnswered(name=found.board)
    _tell(found, as_json)


def cancel(
    context: typer.Context,
    number: Annotated[int, typer.Argument(help="The command, as `hedgerow care list` numbers it.")],
    as_json: AsJson = False,
) -> None:
    """Give a command up: it is not sent again. One that is on its way may still be run."""
    node = open_node(context)
    found = node.care.cancel(number, now_ms())
    node.close()
    if as_json:
        print_json(number=found.id, board=found.board, state=found.state)
    else:
        print(f"Command {found.id} for {found.board} is given up; it was {found.state}.")


def rekey(
    context: typer.Context,
    name: meshes.MeshName,
    how_soon: Annotated[
        str, typer.Option("--in", help="When the new key holds, the same minute everywhere: 1h, 2d.")
    ] = "1h",
    without: Annotated[
        list[str] | None,
        typer.Option("--without", metavar="BOARD", help="A board that is not to get it; repeat for several."),
    ] = None,
    yes: meshes.Yes = False,
    as_json: AsJson = False,
) -> None:
    """Give all boards of a mesh another key, over the mesh. Who has only the old one is out then."""
    minutes = minutes_of(how_soon)
    if minutes < rekeying.LEAST_MINUTES:
        raise errors.RekeyTooSoon(minutes=rekeying.LEAST_MINUTES)
    node = open_node(context)
    mesh = node.meshes.named(name)
    if not yes:
        confirm(
            f"In {how_soon} the boards of {mesh.name} that did not get the new key by then are out of it,"
            " and so is everybody who joined it: they need a new invitation."
        )
    at_ms = (now_ms() // 60_000 + minutes) * 60_000
    found = node.rekeyings.begin(mesh.name, at_ms, without or [], now_ms())
    node.close()
    _tell_keys(found, as_json)


def keys(context: typer.Context, name: meshes.MeshName, as_json: AsJson = False) -> None:
    """Show which boards of a mesh have the key that `mesh rekey` sent."""
    node = open_node(context)
    node.poll(now_ms())
    found = node.rekeyings.of(name, now_ms())
    mesh = node.meshes.named(name)
    node.close()
    if found is None:
        if as_json:
            print_json(name=mesh.name, fingerprint=mesh.fingerprint, at_ms=None, boards={})
        else:
            print(f"{mesh.name} has the key that it was made with, or joined with: {mesh.fingerprint}.")
    else:
        _tell_keys(found, as_json)


def _tell_keys(found: Rekeying, as_json: bool) -> None:
    if as_json:
        print_json(
            name=found.mesh,
            fingerprint=found.fingerprint,
            at_ms=found.at_ms,
            boards=found.boards,
            missing=found.missing,
        )
        return
    holds = "holds since" if found.at_ms <= now_ms() else "holds from"
    print(f"The key {found.fingerprint} of {found.mesh} {holds} {clock(found.at_ms)}.")
    for board, state in found.boards.items():
        print(f"  {board:<20} {'has it' if state == words.ANSWERED else state}")
    if found.missing:
        print(
            "Who does not have it then gets it from a computer that comes by: `hedgerow sync --board NAME`;"
        )
        print(f"those with {rekeying.NO_WAY} need `hedgerow flash --mesh` once it holds.")


def register(parent: typer.Typer) -> None:
    """Add the commands to ``parent`` and to `hedgerow mesh`."""
    app.command(epilog="Example: hedgerow care status weir --board mill")(status)
    app.command(epilog="Example: hedgerow care config weir")(config)
    app.command("set", epilog="Example: hedgerow care set weir sleep_cycle=15 sleep_awake=2")(set_)
    app.command(epilog="Example: hedgerow care restart weir --for 8h")(restart)
    app.command(epilog="Example: hedgerow care locate weir --seconds 120")(locate)
    app.command("list", epilog="Example: hedgerow care list weir --json")(list_)
    app.command(epilog="Example: hedgerow care answer 3")(answer)
    app.command(epilog="Example: hedgerow care cancel 3")(cancel)
    meshes.app.command(epilog="Example: hedgerow mesh rekey 'Mill Lane' --in 2h --without stolen")(rekey)
    meshes.app.command(epilog="Example: hedgerow mesh keys 'Mill Lane'")(keys)
    parent.add_typer(app, name="care")
