"""Commands that look after one board: board log, board repair, and what is around it (seeing)."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated

import typer

from hedgerow import errors
from hedgerow.boards import telling
from hedgerow.cli import board as group
from hedgerow.cli import seeing
from hedgerow.cli.condition import status
from hedgerow.cli.linking import KeyFile, MaybeBoardName, MaybeBoardUrl, board_for
from hedgerow.cli.terminal import AsJson, confirm, print_json, shown
from hedgerow.cli.wording import hours
from hedgerow.links.keeper import Keeper
from hedgerow.node import Node
from hedgerow_core import service

_LOST = {
    service.SHELF_FOLDER: "The letters on the shelf of {name} will be lost; keys and settings stay.",
    service.FILE_SYSTEM: "All files of {name} will be lost, its letters too; keys and settings stay.",
}
_AGAIN_S = 1.5
_RESTART_S = 30.0


def log(
    context: typer.Context,
    name: MaybeBoardName = None,
    board: MaybeBoardUrl = None,
    key_file: KeyFile = None,
    as_json: AsJson = False,
) -> None:
    """Show why a board started, and what went wrong on it."""
    node, keeper = board_for(context, name, board, key_file)
    starts, cause, troubles, counts, entries = asyncio.run(keeper.linked(keeper.log))
    resets = {cause_name: count for cause_name, count in zip(telling.CAUSES, counts, strict=True) if count}
    found = [
        (start, uptime_s, shown(text.decode(errors="replace").replace("\n", " / ")))
        for start, uptime_s, text in entries
    ]
    if as_json:
        print_json(
            starts=starts,
            cause=telling.CAUSES[cause],
            starts_that_ended_badly=troubles,
            starts_by_cause=resets,
        )
        for start, uptime_s, text in found:
            print_json(start=start, uptime_s=uptime_s, text=text)
    else:
        print(f"start number {starts}, by {telling.CAUSES[cause]}")
        print("  starts: " + ", ".join(f"{count} by {each}" for each, count in resets.items()))
        if troubles:
            print(f"  starts in a row that ended badly: {troubles}")
        for start, uptime_s, text in found:
            print(f"  start {start}, after {hours(uptime_s)}:{uptime_s % 60:02}  {text}")
    node.close()


def repair(
    context: typer.Context,
    name: MaybeBoardName = None,
    board: MaybeBoardUrl = None,
    key_file: KeyFile = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Empty or make anew what is damaged on a board, and nothing else."""
    node, keeper = board_for(context, name, board, key_file)

    async def look() -> tuple[int, bool, str]:
        numbers, said = await keeper.status()
        return numbers[9], bool(numbers[10]), shown(said)

    damage, safe, called = asyncio.run(keeper.linked(look))
    # In safe mode the shelf may be what ends every start.
    wanted = service.SHELF_FOLDER if safe and damage not in _LOST else damage
    if wanted not in _LOST:
        _tell(as_json, f"There is nothing to repair on {called}.", damage, damage)
        node.close()
        return
    if not yes:
        confirm(_LOST[wanted].format(name=called))

    async def mend() -> int:
        result = await keeper.repair(wanted)
        if result == service.NOT_ALLOWED:
            raise errors.NotOwner
        if result in (service.FAILED, service.FIRMWARE_LIES_THERE):
            raise errors.BoardBeyondRepair(name=called)
        return result

    result = asyncio.run(keeper.linked(mend))
    if result == service.NOT_NEEDED:
        raise errors.DamageChanged(name=called)
    left = asyncio.run(_after(node, keeper, look))
    if left in _LOST:
        raise errors.BoardBeyondRepair(name=called)
    _tell(as_json, f"{called} is repaired, and runs again.", damage, left)
    node.close()


def _tell(as_json: bool, sentence: str, before: int, now: int) -> None:
    if as_json:
        print_json(damage_before=before, damage=now)
    else:
        print(sentence)


async def _after(node: Node, keeper: Keeper, look: Callable[[], Awaitable[tuple[int, bool, str]]]) -> int:
    """The damage that a board tells of when it is back."""
    loop = asyncio.get_running_loop()
    until = loop.time() + _RESTART_S
    while True:
        await asyncio.sleep(_AGAIN_S)
        try:
            return (await keeper.linked(look))[0]
        except errors.UserError:
            if loop.time() >= until:
                raise


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    group.app.command(epilog="Example: hedgerow board status --board serial:/dev/ttyUSB0 --json")(status)
    group.app.command(epilog="Example: hedgerow board log mill")(log)
    group.app.command(epilog="Example: hedgerow board repair --board serial:/dev/ttyUSB0")(repair)
    app.add_typer(group.app, name="board")
    seeing.register(app)
