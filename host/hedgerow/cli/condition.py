"""`hedgerow board status`: how a board is, and what it counted since its start."""

import asyncio
import contextlib
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

from hedgerow import errors
from hedgerow.cli.asking import CAUSES, counted, hours, linked, percent_of
from hedgerow.cli.linking import KeyFile, MaybeBoardName, MaybeBoardUrl, board_for
from hedgerow.cli.terminal import AsJson, print_json, shown
from hedgerow.links.keeper import Keeper
from hedgerow_core import counts, service

_DAMAGE = {
    service.SHELF_RECORDS: "some of its letters were damaged and are left out; others still carry them",
    service.SHELF_FOLDER: "its shelf cannot be used, so it keeps letters in memory only: "
    "`hedgerow board repair` empties the shelf",
    service.FILE_SYSTEM: "its file system cannot be used, so it keeps letters in memory only: "
    "`hedgerow board repair` makes a new one",
}
_SAFE = "it is in safe mode, without radio and shelf, for its last starts ended badly: `hedgerow board log`"
_REFUSED = (
    ("lifetime_over", "lifetime over", counts.OVER),
    ("no_room", "no room", counts.NO_ROOM),
    ("above_share", "above the share of its link", counts.ABOVE_SHARE),
)


def status(
    context: typer.Context,
    name: MaybeBoardName = None,
    board: MaybeBoardUrl = None,
    key_file: KeyFile = None,
    as_json: AsJson = False,
) -> None:
    """Ask a board how it is, and what it counted since its start."""
    node, keeper = board_for(context, name, board, key_file)
    state, more = asyncio.run(linked(node, keeper, lambda: _ask(keeper)))
    if as_json:
        print_json(**state, **more)
    else:
        _show(state, more)
    node.close()


async def _ask(keeper: Keeper) -> tuple[dict[str, Any], dict[str, Any]]:
    """What every board tells, and what those of an earlier version do not."""
    numbers, name = await keeper.status()
    more: dict[str, Any] = {}
    with contextlib.suppress(errors.BoardSilent):
        more = _counts_as_json(*await keeper.counts())
    return _status_as_json(numbers, name), more


def _status_as_json(numbers: tuple[int, ...], name: str) -> dict[str, Any]:
    held, known, held_bytes, load, uptime_s, free_bytes, starts, neighbours, links = numbers[:9]
    damage, safe, too_large, proofs = numbers[9:]
    return {
        "name": name,
        "held": held - proofs,
        "proofs": proofs,
        "known": known,
        "held_bytes": held_bytes,
        "load_percent": load * 100 // 255,
        "uptime_s": uptime_s,
        "free_bytes": free_bytes,
        "starts": starts,
        "neighbours": neighbours,
        "links": links,
        "damage": damage,
        "safe_mode": bool(safe),
        "memory_short": too_large,
    }


def _counts_as_json(cause: int, starts: list[int], battery: int, numbers: list[int]) -> dict[str, Any]:
    refused = {key: numbers[place] for key, _, place in _REFUSED}
    return {
        "counts": {
            "heard": numbers[counts.HEARD],
            "heard_strange": numbers[counts.STRANGE],
            "met": numbers[counts.MET],
            "met_in_vain": numbers[counts.VAIN],
            "offered": numbers[counts.OFFERED],
            "kept": numbers[counts.KEPT],
            "known_before": max(numbers[counts.OFFERED] - numbers[counts.KEPT] - sum(refused.values()), 0),
            "refused": refused,
            "purged": numbers[counts.PURGED],
            "expired": numbers[counts.EXPIRED],
            "evicted": numbers[counts.EVICTED],
        },
        "heap_low_water_bytes": numbers[counts.LOW_WATER],
        "cause": CAUSES[cause],
        "starts_by_cause": {name: count for name, count in zip(CAUSES, starts, strict=True) if count},
        "battery_percent": percent_of(battery),
    }


def _show(state: dict[str, Any], more: dict[str, Any]) -> None:
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for label, text in _rows(state, more):
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


def _rows(state: dict[str, Any], more: dict[str, Any]) -> list[tuple[str, str]]:
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
    if more:
        found = more["counts"]
        refused = sum(found["refused"].values())
        why = ", ".join(
            f"{found['refused'][key]} {words}" for key, words, _ in _REFUSED if found["refused"][key]
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
        heap += f", {more['heap_low_water_bytes']:,} at the least"
        by_cause = ", ".join(f"{count} by {name}" for name, count in more["starts_by_cause"].items())
        started += f", by {more['cause']}; of all: {by_cause}"
    rows += [("heap", heap), ("start", started)]
    if more.get("battery_percent") is not None:
        rows.append(("battery", f"{more['battery_percent']} %"))
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
