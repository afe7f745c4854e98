"""Commands that show the mesh around a board: nodes, trace."""

import asyncio
import contextlib
import os
import time
from itertools import pairwise
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from hedgerow import errors
from hedgerow.boards import telling
from hedgerow.cli.linking import BoardUrl, KeyFile, MaybeBoardUrl, keeper_for
from hedgerow.cli.terminal import AsJson, now_ms, open_node, print_json, shown
from hedgerow.cli.wording import counted
from hedgerow.node import Node
from hedgerow.pings import Answer
from hedgerow_core import probe, survey

_NODE_KEYS = ("id", "heard_s", "rssi_dbm", "load_percent", "known", "version", "battery_percent")
_STEPS = (-90, -80, -70, -60)  # dBm above which one more bar is shown
_BARS = "▂▄▆█"
_LINE = "━"
_LINE_CELLS = 24
_LOOK_S = 0.1
_CALLED_MS = 1_000  # an echo that took longer waited for a link
_BOARD = "board:"  # in front of a name that a contact has, too


def _console() -> Console:
    return Console(highlight=False, markup=False, emoji=False)


# Nodes


def nodes(context: typer.Context, board: BoardUrl, key_file: KeyFile = None, as_json: AsJson = False) -> None:
    """Show the boards around a board: when each was last heard, how well, and what is known of it."""
    node = open_node(context)
    keeper = keeper_for(node, board, key_file)

    async def ask() -> tuple[str, list[tuple[bytes, int, int, int, int, int, int, int]]]:
        _, name = await keeper.status()
        return name, await keeper.nodes()

    name, found = asyncio.run(keeper.linked(ask))
    rows = sorted((_as_json(*row) for row in found), key=_nearest_first)
    if as_json:
        for row in rows:
            print_json(**row)
    else:
        _show_nodes(shown(name), rows)
    node.close()


def _as_json(
    beacon_id: bytes, heard_s: int, rssi: int, load: int, known: int, version: int, battery: int, flags: int
) -> dict[str, Any]:
    heard = any(beacon_id)
    told: tuple[object, ...] = (beacon_id.hex(), heard_s, rssi, load * 100 // 255, known)
    about = (f"{version >> 5}.{version & 31}" if version else None, telling.percent_of(battery))
    return {
        **dict(zip(_NODE_KEYS, (*(told if heard else (None,) * 5), *about), strict=True)),
        "linked": bool(flags & survey.LINKED),
        "connectable": bool(flags & survey.CONNECTABLE) if heard else None,
    }


def _nearest_first(row: dict[str, Any]) -> tuple[bool, int]:
    return not row["linked"], -(row["rssi_dbm"] if row["id"] is not None else -128)


def _show_nodes(name: str, rows: list[dict[str, Any]]) -> None:
    console = _console()
    if not rows:
        console.print(f"{name} hears nobody. A board with its mesh key has to be switched on nearby.")
        return
    console.print(f"{name} hears {counted(len(rows), 'board')}", style="bold")
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 3, 0, 0))
    for heading in ("board", "heard", "signal", "load", "knows", "version", "battery", ""):
        right = heading in ("load", "knows", "battery")
        table.add_column(heading, justify="right" if right else "left", no_wrap=True)
    for row in rows:
        table.add_row(
            row["id"][:6] if row["id"] else "?",
            f"{row['heard_s']} s ago" if row["id"] else "not yet",
            _signal(row["rssi_dbm"]) if row["id"] else "",
            f"{row['load_percent']} %" if row["id"] else "",
            f"{row['known']:,}" if row["id"] else "",
            row["version"] or "",
            "" if row["battery_percent"] is None else f"{row['battery_percent']} %",
            "linked" if row["linked"] else "" if row["connectable"] else "no place free",
        )
    console.print(table)
    console.print("A board takes another id every 15 minutes.", style="dim")


def _signal(rssi: int) -> str:
    bars = sum(rssi > step for step in _STEPS)
    return f"{_BARS[:bars]:<{len(_BARS)}} {rssi} dBm"


# Trace


def trace(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(help="A contact, or a board; board:NAME where both have that name.")
    ] = None,
    board: MaybeBoardUrl = None,
    key_file: KeyFile = None,
    wait: Annotated[int, typer.Option(min=1, help="Seconds to wait for a contact's answer.")] = 60,
    allow: Annotated[
        bool | None, typer.Option("--allow/--deny", help="Answer the traces of your contacts, or do not.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show the way to a board with the time of each hop, or how long a contact's computer takes to answer.

    Only who agreed to it answers: boards with trace = true in their settings, contacts who said --allow.
    """
    node = open_node(context)
    if allow is not None:
        node.pings.allow(allow)
        if as_json:
            print_json(allowed=allow)
        else:
            print("Your contacts' traces are answered from now on." if allow else "No trace is answered now.")
    if name is None:
        if allow is None:
            raise errors.NothingToTrace
    elif not name.startswith(_BOARD) and any(
        contact.name.casefold() == name.casefold() for contact in node.contacts()
    ):
        found = _ask_contact(node, name, board, key_file, wait)
        _show_contact(name, found, as_json)
    else:
        if board is None:
            raise errors.NoBoardToTrace(name=name)
        ways = _ask_board(node, name.removeprefix(_BOARD), board, key_file)
        _show_way(name.removeprefix(_BOARD), ways, as_json)
    node.close()


def _ask_contact(node: Node, name: str, board: str | None, key_file: KeyFile, wait: int) -> Answer:
    nonce = node.ping(name, now_ms())

    async def wait_here() -> None:
        # Another process keeps the link.
        end = time.monotonic() + wait
        while node.pings.answer(nonce) is None and time.monotonic() < end:
            node.poll(now_ms())
            await asyncio.sleep(_LOOK_S)

    async def wait_linked(url: str) -> None:
        keeper = keeper_for(node, url, key_file)
        await keeper.linked(lambda: keeper.watch(lambda: node.pings.answer(nonce) is not None, wait))

    asyncio.run(wait_here() if board is None else wait_linked(board))
    answer = node.pings.answer(nonce)
    if answer is None:
        raise errors.NoPong(name=name, wait_s=wait)
    return answer


def _show_contact(name: str, answer: Answer, as_json: bool) -> None:
    # The way back may be another; it counts as long as the way there.
    per_link = answer.round_trip_ms // max(2 * answer.links, 1)
    if as_json:
        print_json(contact=name, round_trip_ms=answer.round_trip_ms, links=answer.links, ms_per_link=per_link)
        return
    console = _console()
    console.print(f"{name} answered after {_time(answer.round_trip_ms)}", style="bold")
    console.print(
        f"The question crossed {counted(answer.links, 'link')}, both cables among them:"
        f" about {_time(per_link)} a link."
    )


def _ask_board(node: Node, name: str, board: str, key_file: KeyFile) -> list[tuple[int, str]]:
    keeper = keeper_for(node, board, key_file)

    async def ask() -> list[tuple[int, str]]:
        ways = await keeper.trace(os.urandom(probe.NONCE_BYTES), name)
        if ways[-1][0] > _CALLED_MS:
            # The first had to wait until boards called each other: with their links a hop is what it is.
            with contextlib.suppress(errors.BoardNotFound):
                ways = await keeper.trace(os.urandom(probe.NONCE_BYTES), name)
        return ways

    return asyncio.run(keeper.linked(ask))


def _show_way(name: str, ways: list[tuple[int, str]], as_json: bool) -> None:
    """``ways``: how long each board waited for the echo, the nearest last."""
    there = [(shown(board), waited) for waited, board in reversed(ways)]
    hops = [(board, max(before - waited, 0)) for (_, before), (board, waited) in pairwise(there)]
    first, whole = there[0]
    if as_json:
        print_json(
            **{"from": first},
            to=name,
            round_trip_ms=whole,
            hops=[{"board": board, "ms": ms} for board, ms in hops],
        )
        return
    console = _console()
    if not hops:
        console.print(f"{first} is the board on your cable.")
        return
    console.print(f"{first} → {shown(name)}: {counted(len(hops), 'hop')}, {_time(whole)}", style="bold")
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 3, 0, 0))
    table.add_column("")
    table.add_column("board")
    table.add_column("hop", justify="right", no_wrap=True)
    table.add_column("", style="green", no_wrap=True)
    table.add_row("0", first, "", "")
    done = 0
    for number, (board, ms) in enumerate(hops, 1):
        width = max(1, round(ms * _LINE_CELLS / max(whole, 1)))
        at = min(round(done * _LINE_CELLS / max(whole, 1)), _LINE_CELLS - 1)
        table.add_row(str(number), board, _time(ms), " " * at + _LINE * width)
        done += ms
    console.print(table)
    console.print("Times are there and back, with what each board needed.", style="dim")


def _time(ms: int) -> str:
    return f"{ms} ms" if ms < 10_000 else f"{ms / 1000:.1f} s"


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command(epilog="Example: hedgerow nodes --board serial:/dev/ttyUSB0")(nodes)
    app.command(epilog="Example: hedgerow trace school --board serial:/dev/ttyUSB0")(trace)
