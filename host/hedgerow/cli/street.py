"""What all members of a mesh can read: say, hear."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from hedgerow import errors
from hedgerow.cli.linking import (
    KeyFile,
    MaybeBoardUrl,
    exchange_now,
    keeper_for,
    run_until_interrupted,
    state_printer,
)
from hedgerow.cli.terminal import (
    VISIBLE,
    AsJson,
    clock,
    heard_fields,
    now_ms,
    open_node,
    print_event,
    print_json,
    shown,
)
from hedgerow.events import Event, Heard
from hedgerow.links.keeper import Keeper
from hedgerow.node import Node
from hedgerow.street.channel import KEPT_MS, SHOWN_MS

_ANSWER_S = 5.0
_LOOK_S = 0.25
_MINUTE_MS = 60_000
_SOS_STYLE = "bold white on red"
_BELL = "\a"


def say(
    context: typer.Context,
    text: Annotated[str, typer.Argument(help="What everybody is to read; 400 bytes at most.")],
    sos: Annotated[
        bool, typer.Option("--sos", help="It goes before everything else. For danger only.")
    ] = False,
    board: MaybeBoardUrl = None,
    key_file: KeyFile = None,
    as_json: AsJson = False,
) -> None:
    """Say something to everybody around: it is visible to all members of the mesh, for a day."""
    node = open_node(context)
    if board is None or node.street.known:
        said = node.say(text, sos, now_ms())
        try:
            if board is not None:
                exchange_now(node, board, key_file, as_json)
        finally:
            # Said it is, whatever happens to the board: nobody is to say it again.
            _print_said(node, said.id, as_json)
    else:
        said = asyncio.run(_say_first(node, text, sos, board, key_file, as_json))
        _print_said(node, said.id, as_json)
    node.close()


def _print_said(node: Node, number: int, as_json: bool) -> None:
    (said,) = [heard for heard in node.street.heard(0) if heard.id == number]
    if as_json:
        print_json(**heard_fields(said))
    else:
        way = "a board has it" if said.carried else "it leaves with the next board"
        print(f"{'SOS said' if said.sos else 'Said'}, {VISIBLE}; {way}.")


async def _say_first(
    node: Node, text: str, sos: bool, board: str, key_file: Path | None, quiet: bool
) -> Heard:
    """Say something over a board that has yet to tell its street."""

    def show(event: Event) -> None:
        if not quiet:
            print_event(event)

    keeper = keeper_for(node, board, key_file, show)

    async def say() -> Heard:
        _check_street(node, keeper)
        if not await keeper.watch(lambda: node.street.known, _ANSWER_S):
            raise errors.StreetSilent
        said = node.say(text, sos, now_ms())
        await keeper.settle()
        return said

    return await keeper.linked(say)


def hear(
    context: typer.Context,
    follow: Annotated[bool, typer.Option("--follow", help="Go on until Ctrl-C.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Of the last 14 days, not of one.")] = False,
    board: MaybeBoardUrl = None,
    key_file: KeyFile = None,
    as_json: AsJson = False,
) -> None:
    """Show what was said to everybody around: it is visible to all members of the mesh."""
    node = open_node(context)
    events = node.poll(now_ms())
    if board is not None and not follow:
        # What is new is shown below.
        asyncio.run(_listen(node, board, key_file))
    elif not as_json:
        for event in events:
            if not isinstance(event, Heard):
                print_event(event)
    since = now_ms() - (KEPT_MS if everything else SHOWN_MS)
    heard = node.street.heard(since)
    if as_json:
        for one in heard:
            print_json(**heard_fields(one))
        print_json(visible_to="all members", left_out=node.street.left_out(since))
    else:
        _print_all(node, heard, node.street.left_out(since), follow)
    if follow:
        _follow(node, heard, board, key_file, as_json)
    node.close()


async def _listen(node: Node, board: str, key_file: Path | None) -> None:
    keeper = keeper_for(node, board, key_file)

    async def listen() -> None:
        _check_street(node, keeper)
        await keeper.settle()

    await keeper.linked(listen)


def _check_street(node: Node, keeper: Keeper) -> None:
    """StreetNotLent where the board that is linked tells its street to its owners alone, and no other street
    is known."""
    board = None if keeper.key is None else node.boards.of_key(keeper.key)
    if board is not None and not board.owned and not node.street.known:
        raise errors.StreetNotLent(name=board.name)


def _print_all(node: Node, heard: list[Heard], left_out: int, follow: bool) -> None:
    console = Console(highlight=False, markup=False, emoji=False)
    console.print(Text.assemble(("The street", "bold"), (f" · {VISIBLE}", "yellow")))
    if heard:
        console.print()
        console.print(_table(heard, _names(node)))
    elif not node.street.known:
        console.print("No street is known yet: `hedgerow hear --board NAME` asks a board for it.")
    elif not follow:
        console.print("Nobody said anything. `hedgerow say 'Is anyone there?'` begins.")
    notes = []
    if any(not one.mine and not one.contact for one in heard):
        notes.append(
            "~ marks who is no contact of yours: anybody may use the name, and the mark changes daily."
        )
    if left_out:
        letters = "1 letter is" if left_out == 1 else f"{left_out:,} letters are"
        notes.append(f"{letters} not shown: there were too many of them within an hour.")
    if notes:
        console.print()
        console.print(Text("\n".join(notes), "dim"))


def _table(heard: list[Heard], names: set[str]) -> Table:
    """Age beside who and what; who said several things in a row is named once."""
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(justify="right", style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    now = now_ms()
    before: Heard | None = None
    for one in heard:
        when = age(one, now)
        again = before is not None and (before.mine, before.mark) == (one.mine, one.mark)
        if not again or before is None or before.sos != one.sos:
            if before is not None:
                table.add_row("", "")
            table.add_row(when, _who(one, names))
            when = ""
        elif when == age(before, now):
            when = ""
        # A line of a text must not pass for a name.
        table.add_row(when, Padding(_what(one), (0, 0, 0, 2)))
        before = one
    return table


def _who(heard: Heard, names: set[str]) -> Text:
    """Names are others' words, but marks are not: nobody looks like a contact who is none."""
    badge = Text.assemble((" SOS ", _SOS_STYLE), "  ") if heard.sos else Text()
    if heard.mine:
        return badge + Text("you", "bold")
    if heard.contact:
        return badge + Text(heard.name, "bold green")
    badge.append(heard.name, "bold")
    badge.append(f" ~{heard.mark}", "dim")
    if heard.name.casefold() in names:
        badge.append("  not your contact", "bold red")
    return badge


def _names(node: Node) -> set[str]:
    """What nobody else should call themselves."""
    return {name.casefold() for name in ("you", node.name, *(contact.name for contact in node.contacts()))}


def _what(heard: Heard) -> Text:
    found = Text(shown(heard.text), "bold" if heard.sos else "")
    if heard.late:
        found.append(f"  (dated {clock(heard.written_ms)})", "dim not bold")
    if heard.mine and not heard.carried:
        found.append("  (waits for a board)", "dim not bold")
    return found


def age(heard: Heard, now: int) -> str:
    """How long ago it was said; where its date does not fit our clock, how long ago it came."""
    minutes = max(now - heard.at_ms, 0) // _MINUTE_MS
    if minutes < 1:
        found = "now"
    elif minutes < 60:
        found = f"{minutes} min ago"
    elif minutes < 48 * 60:
        found = f"{minutes // 60} h ago"
    else:
        found = f"{minutes // (24 * 60)} days ago"
    return f"came {found}" if heard.late else found


def _follow(node: Node, heard: list[Heard], board: str | None, key_file: Path | None, as_json: bool) -> None:
    """What is said, as it comes, by ``board`` or by another process on this home."""
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    last = max((one.id for one in heard), default=0)

    def show() -> None:
        nonlocal last
        found = node.street.heard(0, last)
        names = _names(node) if found else set()
        for one in found:
            last = max(last, one.id)
            if as_json:
                print_json(**heard_fields(one))
                continue
            # What goes on in a second line cannot pass for another letter.
            what = _what(one)
            lines = Text("\n      ").join(what.split("\n", allow_blank=True))
            console.print(Text.assemble((clock(one.at_ms), "dim"), "  ", _who(one, names), "  ", lines))
            if one.sos and not one.mine and sys.stdout.isatty():
                print(_BELL, end="")
            sys.stdout.flush()

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


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command(epilog="Example: hedgerow say 'Is anyone there?' --board serial:/dev/ttyUSB0")(say)
    app.command(epilog="Example: hedgerow hear --follow --board serial:/dev/ttyUSB0")(hear)
