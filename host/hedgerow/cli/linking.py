"""Commands that link this computer to boards: sync, run."""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer

from hedgerow import errors
from hedgerow.boards.naming import is_name
from hedgerow.cli.terminal import (
    AsJson,
    author_shown,
    clock,
    now_ms,
    open_node,
    print_event,
    print_json,
    print_letter_json,
    progress,
    shown,
)
from hedgerow.events import Event, Letter, Received
from hedgerow.links.keeper import Keeper
from hedgerow.node import Node

_BOARD_OPTION = typer.Option(
    "--board",
    envvar="HEDGEROW_BOARD",
    help="The board: its name, or where it is: serial:/dev/ttyUSB0, tcp:HOST:PORT or ble:NAME.",
)
BoardUrl = Annotated[str, _BOARD_OPTION]
MaybeBoardUrl = Annotated[str | None, _BOARD_OPTION]
MaybeBoardName = Annotated[
    str | None, typer.Argument(metavar="[NAME]", help="The board, as `hedgerow board list` has it.")
]
_LOOK_S = 0.25
_COUNT_S = 0.2
KeyFile = Annotated[
    Path | None,
    typer.Option(
        "--key-file", envvar="HEDGEROW_KEY_FILE", help="The board's pairing key; only needed the first time."
    ),
]


def one_of(name: str | None, board: str | None) -> str:
    """The board that a command is for: who names it means that one, wherever HEDGEROW_BOARD is."""
    found = name or board
    if found is None:
        raise typer.BadParameter("name the board", param_hint="NAME")
    return found


def keys_for(node: Node, key_file: Path | None) -> list[bytes]:
    """The pairing keys to try: the one in the file, then those known here."""
    known = node.pairing_keys()
    if key_file is None:
        return known
    try:
        text = key_file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not a text file"
        raise errors.BadKeyFile(path=key_file, reason=reason.lower()) from None
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != 32:
        raise errors.BadKeyFile(path=key_file, reason=f"{len(text)} characters")
    return [key, *(other for other in known if other != key)]


def _nothing(*_: object) -> None:
    pass


def keeper_for(
    node: Node,
    board: str,
    key_file: Path | None,
    on_event: Callable[[Event], None] = _nothing,
    on_state: Callable[[str, errors.UserError | None], None] = _nothing,
) -> Keeper:
    """For ``board``, an address or a name. One that is named has but its own key: another board at its
    address is not taken for it. LoanOver."""
    if not is_name(board):
        return Keeper(node, board, keys_for(node, key_file), now_ms, on_event, on_state)
    found = node.boards.named(board)
    if found.expires_ms is not None and found.expires_ms <= now_ms():
        raise errors.LoanOver(name=found.name)
    keys = [found.pairing_key] if key_file is None else keys_for(node, key_file)
    return Keeper(node, found.address, keys, now_ms, on_event, on_state)


def board_for(
    context: typer.Context, name: str | None, board: str | None, key_file: Path | None
) -> tuple[Node, Keeper]:
    """The account, and the keeper of the board that a command is for."""
    where = one_of(name, board)
    node = open_node(context)
    return node, keeper_for(node, where, key_file)


async def exchange(keeper: Keeper, quiet: bool) -> None:
    """Link, exchange everything, hang up. How many letters went either way is shown meanwhile."""

    async def count(show: Callable[[int], None]) -> None:
        while True:
            show(keeper.given + keeper.taken)
            await asyncio.sleep(_COUNT_S)

    with progress("Exchanging letters", quiet) as show:
        counting = asyncio.create_task(count(show))
        try:
            await keeper.linked(keeper.settle)
        finally:
            counting.cancel()


def exchange_now(node: Node, board: str, key_file: Path | None, quiet: bool) -> None:
    """What ``inbox`` does where a board is named."""
    show = (lambda found: None) if quiet else print_event
    asyncio.run(exchange(keeper_for(node, board, key_file, show), quiet))


def checked_keeper(node: Node, board: str | None, key_file: Path | None, quiet: bool) -> Keeper | None:
    """For ``board``, before anything is written for it: what is wrong with its name, its address or its keys
    is told now. None where no board is named."""
    if board is None:
        return None
    keeper = keeper_for(node, board, key_file, _nothing if quiet else print_event)
    keeper.check()
    return keeper


def follow(
    node: Node,
    name: str | None,
    shown_already: list[Letter],
    board: str | None,
    key_file: Path | None,
    as_json: bool,
) -> None:
    """Show letters as they come, by ``board`` or by another process on this home, until Ctrl-C."""
    seen = {letter.id for letter in shown_already}

    def show() -> None:
        new = [letter for letter in node.inbox(name) if letter.id not in seen]
        for letter in new:
            seen.add(letter.id)
            if as_json:
                print_letter_json(letter)
            else:
                who = author_shown(node, letter)
                print(f"{clock(letter.written_ms)}  {who}  {shown(letter.text)}", flush=True)
        if new:
            node.read(name, now_ms())

    async def watch() -> None:
        while True:
            node.poll(now_ms())
            show()
            await asyncio.sleep(_LOOK_S)

    async def go() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(watch())
            if board is not None:
                states = state_printer(board, as_json, sys.stderr)
                group.create_task(keeper_for(node, board, key_file, on_state=states).keep())

    run_until_interrupted(go)


def sync(context: typer.Context, board: BoardUrl, key_file: KeyFile = None, as_json: AsJson = False) -> None:
    """Link to a board, give it our letters, take those it holds, and hang up."""
    node = open_node(context)
    opened: list[Received] = []

    def event(found: Event) -> None:
        if isinstance(found, Received):
            opened.append(found)
        if not as_json:
            print_event(found)

    keeper = keeper_for(node, board, key_file, event)
    asyncio.run(exchange(keeper, as_json))
    if as_json:
        print_json(given=keeper.given, taken=keeper.taken, opened=len(opened))
    else:
        print(f"Gave {keeper.given} sealed letters, took {keeper.taken}; {len(opened)} were for you.")
    node.close()


def run(
    context: typer.Context,
    boards: Annotated[
        list[str], typer.Option("--board", envvar="HEDGEROW_BOARD", help="A board; repeat for several.")
    ],
    key_file: KeyFile = None,
    as_json: AsJson = False,
) -> None:
    """Keep boards linked until Ctrl-C; letters come and go as they are written."""
    node = open_node(context)

    def event(found: Event) -> None:
        print_event(found, as_json)

    async def keep() -> None:
        async with asyncio.TaskGroup() as group:
            for url in boards:
                keeper = keeper_for(node, url, key_file, event, state_printer(url, as_json))
                group.create_task(keeper.keep())

    run_until_interrupted(keep)
    node.close()


def state_printer(
    url: str, as_json: bool, stream: TextIO = sys.stdout
) -> Callable[[str, errors.UserError | None], None]:
    last: list[object] = [None]

    def show(state: str, error: errors.UserError | None) -> None:
        now = (state, str(error))
        if now == last[0] or state == "connecting":
            return
        last[0] = now
        if as_json and stream is sys.stdout:
            print_json(board=url, state=state, reason=None if error is None else str(error))
        else:
            print(f"{url}: {state}" + ("" if error is None else f" — {error}"), file=stream, flush=True)

    return show


def run_until_interrupted(main: Callable[[], Any]) -> None:
    """Run ``main`` until it ends or Ctrl-C; of a group of errors the first is raised alone."""
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        print()
    except BaseExceptionGroup as group:
        found = group.exceptions[0]
        while isinstance(found, BaseExceptionGroup):
            found = found.exceptions[0]
        raise found from None


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command(epilog="Example: hedgerow sync --board serial:/dev/ttyUSB0 --key-file mill.key")(sync)
    app.command(epilog="Example: hedgerow run --board serial:/dev/ttyUSB0 --board tcp:192.168.1.7:7000")(run)
