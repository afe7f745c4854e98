"""`hedgerow board scan`: which boards are in reach over Bluetooth."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from hedgerow import errors
from hedgerow.boards.paired import Paired
from hedgerow.cli import board
from hedgerow.cli.terminal import AsJson, open_node, print_json, shown
from hedgerow.cli.wording import counted
from hedgerow.links import ble

_ANOTHER = "another board"
_STEP_S = 0.1
Seen = tuple[ble.Sighting, str | None]


def named(sightings: list[ble.Sighting], paired: list[Paired]) -> list[Seen]:
    """Each board once, the nearest first, and its name here where a finding key knows it."""
    found: list[Seen] = []
    for sighting in sightings:
        name = next((one.name for one in paired if one.finding and sighting.of(one.finding)), None)
        # One that took a new address meanwhile was heard under both.
        if name is None or all(other != name for _, other in found):
            found.append((sighting, name))
    return found


@asynccontextmanager
async def _bar(seconds: float, quiet: bool) -> AsyncIterator[None]:
    """A bar on the terminal that is full after ``seconds``."""
    if quiet or not sys.stderr.isatty():
        yield
        return
    columns = (TextColumn("{task.description}"), BarColumn())
    with Progress(*columns, transient=True, console=Console(stderr=True)) as progress:
        task = progress.add_task("Listening", total=seconds)

        async def move() -> None:
            while True:
                await asyncio.sleep(_STEP_S)
                progress.advance(task, _STEP_S)

        moving = asyncio.create_task(move())
        try:
            yield
        finally:
            moving.cancel()


def scan(
    context: typer.Context,
    seconds: Annotated[
        float,
        typer.Option(
            "--seconds", min=1, max=600, help="How long to listen; a quiet board says something every 8 s."
        ),
    ] = ble.LOOK_S,
    as_json: AsJson = False,
) -> None:
    """Show the boards in reach over Bluetooth, the nearest first; paired ones by name."""
    try:
        node = open_node(context)
        paired = node.boards.all()
        node.close()
    except errors.NoHome:
        paired = []

    async def look() -> list[ble.Sighting]:
        async with _bar(seconds, as_json):
            return await ble.radio().look(seconds)

    found = named(asyncio.run(look()), paired)
    for sighting, name in found:
        if as_json:
            print_json(name=name, signal_dbm=sighting.rssi, letters=sighting.count, load=sighting.load)
        else:
            print(f"{sighting.rssi:4} dBm  {shown(name or _ANOTHER)}, {counted(sighting.count, 'letter')}")
    if not found and not as_json:
        print("No board is in reach.")


def register() -> None:
    """Add the command to ``hedgerow board``."""
    board.app.command(epilog="Example: hedgerow board scan --json")(scan)
