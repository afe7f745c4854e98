"""The command line of the lab."""

import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from hedgerow.errors import BuildError
from hedgerow_core.errors import HedgerowError
from hedgerow_lab import live_cli, memory, trace_cli
from hedgerow_lab.bare import cli as bare_cli
from hedgerow_lab.powercut import command as powercut
from hedgerow_lab.scenario import load
from hedgerow_lab.simulate import Simulation
from hedgerow_lab.world import LabError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="A mesh of virtual boards that run the real firmware.",
)


@app.callback()
def options() -> None:
    """Keeps `run` a command of its own."""


live_cli.register(app)
trace_cli.register(app)
powercut.register(app)
memory.register(app)
bare_cli.register(app)


@app.command(epilog="Example: hedgerow-lab run tests/network/scenarios/line3.toml --seed 7 --json")
def run(
    file: Annotated[Path, typer.Argument(help="A scenario file.")],
    seed: Annotated[int, typer.Option(help="The same seed gives the same run, byte for byte.")] = 1,
    trace: Annotated[Path | None, typer.Option(help="Write every event to this file.")] = None,
    keep: Annotated[Path | None, typer.Option(help="Keep flash images and logs in this folder.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="End with one JSON line.")] = False,
) -> None:
    """Run a scenario on virtual time; exit status 1 when what must hold does not."""
    scenario = load(file)
    workdir = keep or Path(tempfile.mkdtemp(prefix="hedgerow-lab-"))
    simulation = Simulation(scenario, seed, workdir, trace)
    quiet = as_json or not sys.stderr.isatty()
    try:
        with Progress(console=Console(stderr=True), transient=True, disable=quiet) as bar:
            task = bar.add_task(scenario.title, total=100)
            result = simulation.run(lambda percent: bar.update(task, completed=percent))
    finally:
        simulation.close()
        if keep is None:
            shutil.rmtree(workdir, ignore_errors=True)
    if as_json:
        print(json.dumps(result.as_json()))
    else:
        print(
            f"{scenario.title}: {result.delivered} of {result.sent} letters delivered,"
            f" {result.duplicates} twice"
        )
        print(f"  latency p50 {result.latency_ms['p50']} ms, p95 {result.latency_ms['p95']} ms")
        print(f"  {result.air['connections']} connections, {result.air['failed']} calls that failed")
        print(
            f"  {result.simulated_s:.0f} s simulated in {result.wall_s} s,"
            f" {result.interpreter}, {result.aioble} aioble"
        )
        print(f"  trace {result.trace_sha256}")
    for sentence in result.failed:
        print(f"hedgerow-lab: {sentence}", file=sys.stderr)
    if result.failed:
        raise typer.Exit(1)


def main() -> None:
    """Run the command line."""
    try:
        app(sys.argv[1:] or ["--help"])
    except (HedgerowError, LabError, BuildError) as error:
        print(f"hedgerow-lab: {error}", file=sys.stderr)
        sys.exit(1)
    except OSError as error:
        print(f"hedgerow-lab: The system refused ({error}): mend that and try again.", file=sys.stderr)
        sys.exit(1)
