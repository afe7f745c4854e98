"""Boards of this computer: board list, board rename, board config, board wipe, board locate."""

from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from hedgerow import errors
from hedgerow.boards import telling
from hedgerow.boards.choices import SETTINGS, settings_of
from hedgerow.boards.managing import Pairing
from hedgerow.boards.naming import checked_name
from hedgerow.boards.paired import Paired
from hedgerow.cli.board import app as group
from hedgerow.cli.pairing import BoardName, managed
from hedgerow.cli.terminal import AsJson, clock, confirm, now_ms, open_node, print_json, shown
from hedgerow.cli.wiping import erase_board
from hedgerow.cli.wording import spoken
from hedgerow.node import Node
from hedgerow_core import manage
from hedgerow_core.clock import EPOCH_MINUTES

config = typer.Typer(no_args_is_help=True, help="Settings of a board.")
_UNNAMED = "who flashed it"
_RIGHTS = {manage.OWNER: "owner", manage.GUEST: "guest", manage.CODE: "one-time code"}


def _print(table: Table) -> None:
    Console(highlight=False, markup=False, emoji=False).print(table)


def list_(
    context: typer.Context,
    who: Annotated[
        str | None, typer.Option("--who", metavar="NAME", help="Ask this board who is paired with it.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the boards that this computer is paired with; or who is paired with one of them."""
    node = open_node(context)
    if who is not None:
        board = node.boards.named(who)
        pairings = managed(node, board.name, lambda managing: managing.pairings())
        node.close()
        _show_pairings(board, pairings, as_json)
        return
    boards = node.boards.all()
    meshes = {mesh.id: mesh.name for mesh in node.meshes.all()}
    node.close()
    if as_json:
        for board in boards:
            print_json(
                name=board.name,
                owner=board.owned,
                expires_ms=board.expires_ms,
                mesh=meshes.get(board.mesh or 0),
                kind=board.kind,
                address=board.address,
                firmware=board.firmware,
                paired_ms=board.paired_ms,
                used_ms=board.used_ms,
            )
    elif not boards:
        print("This computer is paired with no board: `hedgerow board pair --port` does it by cable.")
    else:
        table = Table("Name", "Mesh", "Rights", "Where", "Last used", box=None, pad_edge=False)
        for board in boards:
            mesh = meshes.get(board.mesh or 0, "")
            table.add_row(
                board.name,
                mesh,
                _rights(board),
                board.address,
                clock(board.used_ms) if board.used_ms else "never",
            )
        _print(table)


def _rights(board: Paired) -> str:
    if board.expires_ms is None:
        return "owner" if board.owned else "guest"
    return f"guest until {clock(board.expires_ms)}" if board.expires_ms > now_ms() else "loan is over"


def _show_pairings(board: Paired, pairings: list[Pairing], as_json: bool) -> None:
    own = manage.pairing_id(board.pairing_key)
    rows = []
    for one in pairings:
        ends_ms = (one.expires + EPOCH_MINUTES) * 60_000 if one.expires else None
        label = one.label or (_UNNAMED if one.rights == manage.OWNER and not as_json else "")
        rows.append((one.id.hex(), shown(label), _RIGHTS[one.rights], ends_ms, one.id == own))
    if as_json:
        for identity, label, rights, ends_ms, this in rows:
            print_json(id=identity, label=label, rights=rights, expires_ms=ends_ms, this_computer=this)
        return
    table = Table("Id", "Who", "Rights", "Until", "", box=None, pad_edge=False)
    for identity, label, rights, ends_ms, this in rows:
        until = "" if ends_ms is None else clock(ends_ms)
        table.add_row(identity, label, rights, until, "this computer" if this else "")
    _print(table)


def rename(
    context: typer.Context,
    name: BoardName,
    new: Annotated[str, typer.Argument(help="Its new name.")],
    here: Annotated[bool, typer.Option("--here", help="Only on this computer, not on the board.")] = False,
    as_json: AsJson = False,
) -> None:
    """Give a board another name, here and on the board itself."""
    node = open_node(context)
    board = node.boards.named(name)
    new = checked_name(new)
    taken = [other for other in node.boards.all() if other.name.casefold() == new.casefold()]
    if any(other.id != board.id for other in taken):
        raise errors.BoardNameTaken(name=new)
    if not here:
        managed(node, board.name, lambda managing: managing.rename(new))
    node.boards.rename(board.id, new)
    node.close()
    if as_json:
        print_json(name=new, before=board.name)
    else:
        print(f"{board.name} is called {new} now.")


def options() -> None:
    """Settings of a board."""


def get(context: typer.Context, name: BoardName, as_json: AsJson = False) -> None:
    """Show the settings of a board, and what it is."""
    node = open_node(context)
    board = node.boards.named(name)
    found = managed(node, board.name, lambda managing: managing.config())
    told = telling.config_of(found)
    if as_json:
        mesh = node.meshes.of_fingerprint(told["mesh"])
        print_json(**told, mesh_name=None if mesh is None else mesh.name)
    else:
        show_config(node, told)
    node.close()


def show_config(node: Node, told: dict[str, Any]) -> None:
    """What ``telling.config_of`` made."""
    mesh = node.meshes.of_fingerprint(told["mesh"])
    for key in SETTINGS:
        if key in told:
            print(f"{key:<14} {spoken(told[key])}")
    print(f"{'mesh':<14} {'another one' if mesh is None else mesh.name}, fingerprint {told['mesh']}")
    print(f"{'chip':<14} {told['chip_id']}")
    print(f"{'firmware':<14} number {told['firmware']}")
    print(f"{'flash':<14} {told['free_bytes']:,} bytes free")


def set_(
    context: typer.Context,
    name: BoardName,
    values: Annotated[list[str], typer.Argument(help="SETTING=VALUE, or SETTING=default; several at once.")],
    as_json: AsJson = False,
) -> None:
    """Change settings of a board. Those that it looks at only at its start make it restart."""
    wanted = settings_of(values)
    if "name" in wanted:
        raise errors.BadSetting(name="name", reason="`hedgerow board rename` does that")
    node = open_node(context)
    board = node.boards.named(name)
    restarts = managed(node, board.name, lambda managing: managing.set_config(wanted))
    node.close()
    if as_json:
        print_json(name=board.name, set=wanted, restarts=restarts)
    else:
        print(f"{board.name} has it" + (", and restarts." if restarts else "."))


def wipe(
    context: typer.Context,
    name: BoardName,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Let a board erase itself: keys, settings, letters. It has to be flashed before it is used again."""
    node = open_node(context)
    board = node.boards.named(name)
    if not yes:
        confirm(f"All that {board.name} holds will be lost: its keys, its settings, its letters.")
    erase_board(node, board.name, None)
    node.boards.forget(board.id)
    node.close()
    if as_json:
        print_json(erased=board.name)
    else:
        print(f"{board.name} erased itself: flash it before it is used again.")


def locate(
    context: typer.Context,
    name: BoardName,
    seconds: Annotated[int, typer.Option(min=1, max=255, help="For how long.")] = 10,
    as_json: AsJson = False,
) -> None:
    """Let the LED of a board blink, to see which one it is."""
    node = open_node(context)
    board = node.boards.named(name)

    managed(node, board.name, lambda managing: managing.locate(seconds))
    node.close()
    if as_json:
        print_json(name=board.name, seconds=seconds)
    else:
        print(f"{board.name} blinks for {seconds} s.")


def restart(context: typer.Context, name: BoardName, as_json: AsJson = False) -> None:
    """Let a board restart. Its letters stay."""
    node = open_node(context)
    board = node.boards.named(name)
    managed(node, board.name, lambda managing: managing.reboot())
    node.close()
    if as_json:
        print_json(name=board.name, restarts=True)
    else:
        print(f"{board.name} restarts.")


def register() -> None:
    """Add the commands to `hedgerow board`."""
    group.command("list", epilog="Example: hedgerow board list --who mill")(list_)
    group.command(epilog="Example: hedgerow board rename mill 'Old mill'")(rename)
    config.callback()(options)
    config.command("get", epilog="Example: hedgerow board config get mill")(get)
    config.command("set", epilog="Example: hedgerow board config set mill profile=saver trace=on")(set_)
    group.command(epilog="Example: hedgerow board wipe mill")(wipe)
    group.command(epilog="Example: hedgerow board locate mill --seconds 20")(locate)
    group.command(epilog="Example: hedgerow board restart mill")(restart)
    group.add_typer(config, name="config")
