"""`hedgerow-lab powercut`."""

import json
import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from hedgerow_lab.powercut.life import Make
from hedgerow_lab.powercut.run import Result, every_cut, random_cuts

_FAULTS = ("", "flush", "drop", "bytes")


def register(app: typer.Typer) -> None:
    """Add the command to the lab's."""
    app.command(epilog="Example: hedgerow-lab powercut --cuts 2000 --seed 1 --json")(powercut)


def powercut(
    cuts: Annotated[int, typer.Option(min=1, help="How often the power goes.")] = 200,
    seed: Annotated[int, typer.Option(help="The same seed gives the same letters and cuts.")] = 1,
    everywhere: Annotated[
        bool, typer.Option("--all", help="Cut at every operation of one cycle of the store, instead.")
    ] = False,
    broken: Annotated[str, typer.Option("--break", hidden=True)] = "",
    as_json: Annotated[bool, typer.Option("--json", help="End with one JSON line.")] = False,
) -> None:
    """Cut a board's power in the middle of flash operations; exit status 1 when anything is lost."""
    if broken not in _FAULTS:
        raise typer.BadParameter(f"there is {', '.join(filter(None, _FAULTS))}", param_hint="--break")
    make = Make(broken=broken)
    quiet = as_json or not sys.stderr.isatty()
    with Progress(console=Console(stderr=True), transient=True, disable=quiet) as bar:
        task = bar.add_task("Cutting the power", total=None)

        def progress(done: int, count: int) -> None:
            bar.update(task, completed=done, total=count)

        result = every_cut(make, seed, progress) if everywhere else random_cuts(make, cuts, seed, progress)
    if as_json:
        print(json.dumps(result.as_json()))
    else:
        _tell(result)
    for sentence in result.failed:
        print(f"hedgerow-lab: {sentence}", file=sys.stderr)
    if result.failed:
        raise typer.Exit(1)


def _tell(result: Result) -> None:
    told = result.as_json()
    tally = result.tally
    print(
        f"{tally.cuts} cuts: {tally.lost_acknowledged} acknowledged letters lost,"
        f" {tally.unmountable} times the board did not start"
    )
    print(
        f"  {tally.strangers} never put, {tally.came_back} dropped and back again,"
        f" {tally.failed_writes} refused writes"
    )
    places = ", ".join(f"{phase} {count}" for phase, count in sorted(tally.cuts_in.items()))
    print(f"  cut in: {places}; {tally.compactions} compactions, which moved {tally.moves} letters")
    print(f"  95 of 100 boots: {told['boot_ms_p95']} ms and {told['boot_reads_p95']} flash reads at most")
