"""`hedgerow board status`: how a board is, and what it counted since its start."""

import asyncio
import contextlib
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

from hedgerow import errors
from hedgerow.boards import telling
from hedgerow.cli.linking import KeyFile, MaybeBoardName, MaybeBoardUrl, board_for
from hedgerow.cli.terminal import AsJson, print_json, shown
from hedgerow.cli.wording import counted, hours
from hedgerow.links.keeper import Keeper
from hedgerow_core import service

_DAMAGE = {
    service.SHELF_RECORDS: "some of its letters were damaged and are left out; others still carry them",
    service.SHELF_FOLDER: "its shelf cannot be used, so it keeps letters in memory only: "
    "`hedgerow board repair` empties the shelf",
    service.FILE_SYSTEM: "its file system cannot be used, so it keeps letters in memory only: "
    "`hedgerow board repair` makes a new one",
}
_SAFE = "it is in safe mode, without radio and shelf, for its last starts ended badly: `hedgerow board log`"


def status(
    context: typer.Context,
    name: MaybeBoardName = None,
    board: MaybeBoardUrl = None,
    key_file: KeyFile = None,
    as_json: AsJson = False,
) -> None:
    """Ask a board how it is, and what it counted since its start."""
    node, keeper = board_for(context, name, board, key_file)
    found = asyncio.run(keeper.linked(lambda: _ask(keeper)))
    if as_json:
        print_json(**found)
    else:
        show_status(found)
    node.close()


async def _ask(keeper: Keeper) -> dict[str, Any]:
    """What every board tells, and what those of an earlier version do not."""
    found = telling.status_of(*await keeper.status())
    with contextlib.suppress(errors.BoardSilent):
        found |= telling.counts_of(*await keeper.counts())
    return found


def show_status(state: dict[str, Any]) -> None:
    """What ``telling.status_of`` made, and what ``telling.counts_of`` did where that is there."""
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for label, text in _rows(state):
        table.add_row(label, text)
    console = Console(highlight=False, markup=False, emoji=False)
    console.print(f"{shown(state['name'])} is up for {_span(state['uptime_s'])}", style="bold")
    console.print(table)
    for warning in _warnings(state):
        console.print(warning, style="yellow")


def _span(seconds: int) -> str:
    if seconds < 60:
        return f"{seconds} s"
    return f"{hours(seconds)} h" if seconds >= 3_600 else f"{seconds // 60} min"


def _rows(state: dict[str, Any]) -> list[tuple[str, str]]:
    rows = [
        (
            "holds",
            f"{counted(state['held'], 'sealed letter')} and {counted(state['proofs'], 'proof')},"
            f" {state['held_bytes']:,} bytes, {state['load_percent']} % full; knows {state['known']:,}",
        ),
        ("around it", f"{counted(state['neighbours'], 'board')}, {counted(state['links'], 'link')} open"),
    ]
    heap = f"{state['free_bytes']:,} bytes free"
    started = f"number {state['starts']}"
    if "counts" in state:
        found = state["counts"]
        refused = sum(found["refused"].values())
        why = ", ".join(
            f"{found['refused'][key]} {words}" for key, words, _ in telling.REFUSED if found["refused"][key]
        )
        rows += [
            ("heard", f"{counted(found['heard'], 'beacon')}; {found['heard_strange']:,} of other meshes"),
            ("met", f"{counted(found['met'], 'link')} with other boards; {found['met_in_vain']:,} in vain"),
            (
                "offered",
                f"{counted(found['offered'], 'letter')}: kept {found['kept']:,},"
                f" knew {found['known_before']:,}, refused {refused:,}" + (f" ({why})" if why else ""),
            ),
            (
                "let go",
                f"{found['purged']:,} that were read, {found['expired']:,} expired,"
                f" {found['evicted']:,} for room",
            ),
        ]
        heap += f", {state['heap_low_water_bytes']:,} at the least"
        by_cause = ", ".join(f"{count} by {name}" for name, count in state["starts_by_cause"].items())
        started += f", by {state['cause']}; of all: {by_cause}"
    rows += [("heap", heap), ("start", started)]
    if state.get("battery_percent") is not None:
        rows.append(("battery", f"{state['battery_percent']} %"))
    return rows


def _warnings(state: dict[str, Any]) -> list[str]:
    found = []
    if state["memory_short"]:
        found.append(
            f"{counted(state['memory_short'], 'time')} its memory was too small for a link or an answer"
        )
    if state["safe_mode"]:
        found.append(_SAFE)
    if state["damage"] in _DAMAGE:
        found.append(_DAMAGE[state["damage"]])
    return found
