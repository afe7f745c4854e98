"""Commands that look after one board: board status, board log, board repair."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import typer

from hedgerow import errors
from hedgerow.cli.linking import BoardUrl, KeyFile, keys_for
from hedgerow.cli.terminal import AsJson, now_ms, open_node, print_json, shown
from hedgerow.links.keeper import Keeper
from hedgerow.node import Node
from hedgerow_core import service

_CAUSES = ("unknown", "power", "reset", "watchdog", "deep sleep", "soft reset")
_DAMAGE = {
    service.SHELF_RECORDS: "some of its letters were damaged and are left out; others still carry them",
    service.SHELF_FOLDER: "its shelf cannot be used, so it keeps letters in memory only: "
    "`hedgerow board repair` empties the shelf",
    service.FILE_SYSTEM: "its file system cannot be used, so it keeps letters in memory only: "
    "`hedgerow board repair` makes a new one",
}
_SAFE = "it is in safe mode, without radio and shelf, for its last starts ended badly: `hedgerow board log`"
_LOST = {
    service.SHELF_FOLDER: "The letters on the shelf of {name} will be lost; keys and settings stay.",
    service.FILE_SYSTEM: "All files of {name} will be lost, its letters too; keys and settings stay.",
}
_AGAIN_S = 1.5
_RESTART_S = 30.0

T = TypeVar("T")


async def _linked(node: Node, keeper: Keeper, ask: Callable[[], Awaitable[T]]) -> T:
    try:
        await keeper.open()
        if keeper.key is not None:
            node.remember_key(keeper.key, now_ms())
        return await ask()
    finally:
        await keeper.close()


def _keeper(node: Node, board: str, key_file: KeyFile) -> Keeper:
    return Keeper(node, board, keys_for(node, key_file), now_ms, lambda found: None)


def status(
    context: typer.Context, board: BoardUrl, key_file: KeyFile = None, as_json: AsJson = False
) -> None:
    """Ask a board how it is."""
    node = open_node(context)
    keeper = _keeper(node, board, key_file)
    numbers, name = asyncio.run(_linked(node, keeper, keeper.status))
    held, known, held_bytes, load, uptime_s, free_bytes, starts, neighbours, links = numbers[:9]
    damage, safe, too_large, proofs = numbers[9:]
    if as_json:
        print_json(
            name=name,
            held=held - proofs,
            proofs=proofs,
            known=known,
            held_bytes=held_bytes,
            load_percent=load * 100 // 255,
            uptime_s=uptime_s,
            free_bytes=free_bytes,
            starts=starts,
            neighbours=neighbours,
            links=links,
            damage=damage,
            safe_mode=bool(safe),
            memory_short=too_large,
        )
    else:
        print(
            f"{shown(name)}: up for {_hours(uptime_s)} h, start number {starts}, "
            f"{free_bytes:,} bytes of heap free"
        )
        print(
            f"  holds {held - proofs} sealed letters and {proofs} proofs"
            f" ({held_bytes:,} bytes, {load * 100 // 255} % full), knows {known}"
        )
        print(f"  hears {neighbours} boards, {links} links open")
        if too_large:
            print(f"  ended {too_large} links because its memory was too small")
        if safe:
            print(f"  {_SAFE}")
        if damage in _DAMAGE:
            print(f"  {_DAMAGE[damage]}")
    node.close()


def log(context: typer.Context, board: BoardUrl, key_file: KeyFile = None, as_json: AsJson = False) -> None:
    """Show why a board started, and what went wrong on it."""
    node = open_node(context)
    keeper = _keeper(node, board, key_file)
    starts, cause, troubles, counts, entries = asyncio.run(_linked(node, keeper, keeper.log))
    resets = {name: count for name, count in zip(_CAUSES, counts, strict=True) if count}
    found = [
        (start, uptime_s, shown(text.decode(errors="replace").replace("\n", " / ")))
        for start, uptime_s, text in entries
    ]
    if as_json:
        print_json(
            starts=starts, cause=_CAUSES[cause], starts_that_ended_badly=troubles, starts_by_cause=resets
        )
        for start, uptime_s, text in found:
            print_json(start=start, uptime_s=uptime_s, text=text)
    else:
        print(f"start number {starts}, by {_CAUSES[cause]}")
        print("  starts: " + ", ".join(f"{count} by {name}" for name, count in resets.items()))
        if troubles:
            print(f"  starts in a row that ended badly: {troubles}")
        for start, uptime_s, text in found:
            print(f"  start {start}, after {_hours(uptime_s)}:{uptime_s % 60:02}  {text}")
    node.close()


def repair(
    context: typer.Context,
    board: BoardUrl,
    key_file: KeyFile = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Empty or make anew what is damaged on a board, and nothing else."""
    node = open_node(context)
    keeper = _keeper(node, board, key_file)

    async def look() -> tuple[int, bool, str]:
        numbers, name = await keeper.status()
        return numbers[9], bool(numbers[10]), shown(name)

    damage, safe, name = asyncio.run(_linked(node, keeper, look))
    # In safe mode the shelf may be what ends every start.
    wanted = service.SHELF_FOLDER if safe and damage not in _LOST else damage
    if wanted not in _LOST:
        _tell(as_json, f"There is nothing to repair on {name}.", damage, damage)
        node.close()
        return
    if not yes:
        _confirm(_LOST[wanted].format(name=name))

    async def mend() -> int:
        result = await keeper.repair(wanted)
        if result in (service.FAILED, service.FIRMWARE_LIES_THERE):
            raise errors.BoardBeyondRepair(name=name)
        return result

    result = asyncio.run(_linked(node, keeper, mend))
    if result == service.NOT_NEEDED:
        raise errors.DamageChanged(name=name)
    left = asyncio.run(_after(node, keeper, look))
    if left in _LOST:
        raise errors.BoardBeyondRepair(name=name)
    _tell(as_json, f"{name} is repaired, and runs again.", damage, left)
    node.close()


def _tell(as_json: bool, sentence: str, before: int, now: int) -> None:
    if as_json:
        print_json(damage_before=before, damage=now)
    else:
        print(sentence)


def _confirm(warning: str) -> None:
    if not sys.stdin.isatty():
        raise errors.NotConfirmed
    print(warning)
    if input("Go on? [y/N] ").strip().lower() not in ("y", "yes"):
        raise errors.NothingDone


async def _after(node: Node, keeper: Keeper, look: Callable[[], Awaitable[tuple[int, bool, str]]]) -> int:
    """The damage that a board tells of when it is back."""
    loop = asyncio.get_running_loop()
    until = loop.time() + _RESTART_S
    while True:
        await asyncio.sleep(_AGAIN_S)
        try:
            return (await _linked(node, keeper, look))[0]
        except errors.UserError:
            if loop.time() >= until:
                raise


def _hours(seconds: int) -> str:
    hours, minutes = divmod(seconds // 60, 60)
    return f"{hours}:{minutes:02}"


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    board = typer.Typer(no_args_is_help=True, help="Look after a board.")
    board.command(epilog="Example: hedgerow board status --board serial:/dev/ttyUSB0 --json")(status)
    board.command(epilog="Example: hedgerow board log --board serial:/dev/ttyUSB0")(log)
    board.command(epilog="Example: hedgerow board repair --board serial:/dev/ttyUSB0")(repair)

    @board.callback()
    def options() -> None:
        """Look after a board."""

    app.add_typer(board, name="board")
