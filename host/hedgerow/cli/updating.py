"""hedgerow board update: a newer firmware for one board, or for all of a mesh."""

import asyncio
import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from hedgerow.cli.board import app as group
from hedgerow.cli.linking import KeyFile, MaybeBoardUrl, board_for
from hedgerow.cli.terminal import AsJson, now_ms, print_json, shown
from hedgerow.flashing import build
from hedgerow.updates.bringing import Bringing, look
from hedgerow.updates.delivery import Stage, State
from hedgerow.updates.making import files_of

_SLOTS = ("/a", "/b", "nowhere that an update could change")


def update(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="The board, as `hedgerow board list` has it.")
    ] = None,
    board: MaybeBoardUrl = None,
    everybody: Annotated[
        bool, typer.Option("--all", help="All boards of the mesh; the board hands it on.")
    ] = False,
    mesh: Annotated[str | None, typer.Option(help="Whose signer signs, where that is not clear.")] = None,
    downgrade: Annotated[
        bool, typer.Option("--downgrade", help="Also where the same or a newer firmware runs.")
    ] = False,
    trust: Annotated[
        bool, typer.Option("--trust", help="Let the board trust the mesh's signer from now on.")
    ] = False,
    new_signer: Annotated[
        bool, typer.Option("--new-signer", help="Make another signer for the mesh; see `docs/operations.md`.")
    ] = False,
    status: Annotated[bool, typer.Option("--status", help="Only show what runs and what comes.")] = False,
    key_file: KeyFile = None,
    as_json: AsJson = False,
) -> None:
    """Bring the firmware of this hedgerow to a board, or to its mesh, and wait until it runs well."""
    node, keeper = board_for(context, name, board, key_file)
    if status:
        found, called = asyncio.run(keeper.linked(lambda: look(keeper)))
        node.close()
        _tell(called, found, as_json)
        return
    files = files_of(build.firmware())
    bring = Bringing(node, keeper, now_ms, files, build.number(), downgrade, everybody)
    try:
        with _bar(as_json) as show:
            called, found, needed = asyncio.run(bring.run(show, mesh, trust, new_signer))
    finally:
        node.close()
    if as_json:
        print_json(name=called, firmware=found.number, slot=found.slot, trial=found.trial, all=everybody)
        return
    print(f"{shown(called)} runs firmware {found.number}{'' if needed else ' already'}.")
    if everybody:
        print("Its mesh gets it from board to board.")


def _tell(name: str, state: State, as_json: bool) -> None:
    if as_json:
        print_json(
            name=name,
            firmware=state.number,
            slot=state.slot,
            trial=state.trial,
            arriving=state.arriving or None,
            pieces_here=state.here,
            pieces=state.pieces,
            failed=state.failed if state.failure else None,
            reason=state.reason,
        )
        return
    print(f"{shown(name)} runs firmware {state.number}, from {_SLOTS[state.slot]}.")
    if state.trial:
        print("It has still to show that it runs well.")
    if state.arriving:
        print(f"Firmware {state.arriving} is on its way: {state.here} of {state.pieces} pieces are there.")
    if state.failure:
        print(f"Firmware {state.failed} was not installed: {state.reason}.")


@contextlib.contextmanager
def _bar(as_json: bool) -> Iterator[Callable[[Stage, float], None]]:
    """A bar on a terminal, else a line for each stage."""
    told = [Stage.GIVING]
    columns = (TextColumn("{task.description}"), BarColumn(20), TaskProgressColumn())
    quiet = as_json or not sys.stdout.isatty()
    with Progress(*columns, transient=True, disable=quiet) as progress:
        task = progress.add_task(told[0].value, total=1.0)

        def show(stage: Stage, part: float) -> None:
            progress.update(task, description=stage.value, completed=part)
            if stage is not told[0]:
                told[0] = stage
                if as_json:
                    print_json(stage=stage.name.lower())
                elif quiet:
                    print(f"  {stage.value}", flush=True)

        yield show


def register() -> None:
    """Add the command to `hedgerow board`."""
    group.command(epilog="Example: hedgerow board update mill")(update)
