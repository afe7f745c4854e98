"""The group `hedgerow care`: boards that are several hops away."""

import asyncio
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from hedgerow import errors
from hedgerow.boards.choices import settings_of
from hedgerow.care import words
from hedgerow.care.words import Command
from hedgerow.cli.condition import show_status
from hedgerow.cli.conversations import duration_of, minutes_of
from hedgerow.cli.linking import KeyFile, MaybeBoardUrl, keeper_for
from hedgerow.cli.managing import show_config
from hedgerow.cli.pairing import BoardName
from hedgerow.cli.terminal import AsJson, clock, now_ms, open_node, print_json, waiting
from hedgerow.node import Node
from hedgerow_core import cbor, manage

app = typer.Typer(no_args_is_help=True, help="Look after boards that are out of reach, over the mesh.")
For = Annotated[
    str, typer.Option("--for", help="It counts for so long: 8h, 3d, 2w. Then it is given up, not run late.")
]
Wait = Annotated[
    str, typer.Option("--wait", help="With --board: wait so long for the answer, like 30m; off: do not.")
]
_DONE = words.result_of(bytes((manage.DONE,)))
# By command and status.
_WHY = {bytes((manage.LOCATE, manage.FAILED)): str(errors.NoLed())}


@app.callback()
def options() -> None:
    """Look after boards that are out of reach, over the mesh."""


def _asks(make: Callable[..., bytes], how_long: str = "3d") -> Callable[..., None]:
    """A command of the command line that sends what ``make`` makes of its own parameters; all of them share
    the others. It counts for ``how_long`` where nothing else is said."""

    def ask(
        context: typer.Context,
        name: BoardName,
        how_long: For = how_long,
        board: MaybeBoardUrl = None,
        key_file: KeyFile = None,
        wait: Wait = "2m",
        as_json: AsJson = False,
        **own: Any,
    ) -> None:
        _ask(context, name, make(**own), how_long, board, key_file, wait, as_json)

    context, name, *shared, _ = inspect.signature(ask).parameters.values()
    own = inspect.signature(make).parameters.values()
    # Each with its keyword: behind one that has a default there may be one that has none.
    parameters = [one.replace(kind=one.KEYWORD_ONLY) for one in (context, name, *own, *shared)]
    ask.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    ask.__annotations__ = {one.name: one.annotation for one in parameters}
    ask.__doc__ = make.__doc__
    return ask


def _ask(
    context: typer.Context,
    name: str,
    command: bytes,
    how_long: str,
    board: str | None,
    key_file: Path | None,
    wait: str,
    as_json: bool,
) -> None:
    """Send ``command``; with a board to link to, wait for the answer."""
    minutes = duration_of(how_long)
    patience_s = minutes_of(wait) * 60.0
    node = open_node(context)
    number = node.care.ask(name, command, now_ms() + minutes * 60_000, now_ms())
    if board is not None:
        with waiting(f"Waiting for {name}", as_json):
            asyncio.run(_exchange(node, board, key_file, number, patience_s))
    found = node.care.command(number, now_ms())
    _tell(node, found, as_json)
    node.close()
    if found.result not in (None, _DONE):
        raise typer.Exit(1)


async def _exchange(node: Node, board: str, key_file: Path | None, number: int, patience_s: float) -> None:
    keeper = keeper_for(node, board, key_file)

    async def go() -> None:
        await keeper.settle()
        if patience_s:
            await keeper.watch(lambda: node.care.command(number, now_ms()).reply is not None, patience_s)
            await keeper.settle()  # our proof, so that nobody carries the answer any further

    try:
        await keeper.linked(go)
    except errors.UserError:
        # A board that is told to restart takes its link with it.
        if node.care.command(number, now_ms()).state == words.QUEUED:
            raise


def _tell(node: Node, found: Command, as_json: bool) -> None:
    if as_json:
        print_json(**_fields(found))
    elif found.reply is not None:
        _show_answer(node, found)
    elif found.state == words.EXPIRED:
        print(f"Command {found.id} for {found.board} is expired: no answer came in time.")
    else:
        print(
            f"Command {found.id} for {found.board} is {found.state}: `hedgerow run` or `hedgerow sync` brings"
        )
        print(f"it to a board, and its answer back; `hedgerow care answer {found.id}` shows that.")


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


def _show_answer(node: Node, found: Command) -> None:
    print(f"{found.board}, {found.what}: {found.result}.")
    why = _WHY.get(found.command[:1] + (found.reply or b"")[:1])
    if why is not None:
        print(f"  {why}")
    told = found.fields()
    if "held" in told:
        show_status(told)
    elif "chip_id" in told:
        show_config(node, told)
    elif told.get("restarts"):
        print("It restarts for it.")
    elif "fingerprint" in told:
        print(f"It has the key {told['fingerprint']}.")


def status() -> bytes:
    """Ask a board how it is."""
    return bytes((manage.STATUS,))


def config() -> bytes:
    """Ask a board for its settings."""
    return bytes((manage.CONFIG_GET,))


def set_(
    values: Annotated[list[str], typer.Argument(help="SETTING=VALUE, or SETTING=default; several at once.")],
) -> bytes:
    """Change settings of a board, as `hedgerow board config set` does within reach."""
    return bytes((manage.CONFIG_SET,)) + cbor.encode(settings_of(values))


def restart() -> bytes:
    """Let a board restart. Its letters stay."""
    return bytes((manage.REBOOT,))


def locate(
    seconds: Annotated[int, typer.Option(min=1, max=255, help="For how long.")] = 60,
) -> bytes:
    """Let the LED of a board blink when the command gets there."""
    return bytes((manage.LOCATE, seconds))


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
    if found.reply is None and not as_json:
        raise errors.NotAnswered(name=found.board)
    _tell(node, found, as_json)
    node.close()


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


def register(parent: typer.Typer) -> None:
    """Add the commands to ``parent``."""
    app.command("status", epilog="Example: hedgerow care status weir --board mill")(_asks(status))
    app.command("config", epilog="Example: hedgerow care config weir")(_asks(config))
    app.command("set", epilog="Example: hedgerow care set weir sleep_cycle=15 sleep_awake=2")(_asks(set_))
    app.command("restart", epilog="Example: hedgerow care restart weir --for 8h")(_asks(restart))
    app.command("locate", epilog="Example: hedgerow care locate weir --seconds 120")(_asks(locate, "1h"))
    app.command("list", epilog="Example: hedgerow care list weir --json")(list_)
    app.command(epilog="Example: hedgerow care answer 3")(answer)
    app.command(epilog="Example: hedgerow care cancel 3")(cancel)
    parent.add_typer(app, name="care")
