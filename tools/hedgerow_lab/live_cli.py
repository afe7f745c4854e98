"""The commands for a lab in real time: `up`, and those that steer it while it runs."""

import json
import random
import signal
import socket
import sys
from enum import StrEnum
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer

from hedgerow.errors import BuildError
from hedgerow_core.errors import HedgerowError
from hedgerow_lab.clock import RealClock
from hedgerow_lab.control import ask
from hedgerow_lab.folder import Folder
from hedgerow_lab.live import Live, ignored, world
from hedgerow_lab.scenario import Scenario, load
from hedgerow_lab.world import LabError

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

RunDir = Annotated[
    Path | None,
    typer.Option(envvar="HEDGEROW_LAB_RUN_DIR", help="The run folder.", show_default=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")]


class Power(StrEnum):
    """What `power` does."""

    on = "on"
    off = "off"


class Ending:
    """Ctrl-C and its like, as a question instead of an exception in the middle of something."""

    def __init__(self) -> None:
        self.asked = False

    def __enter__(self) -> "Ending":
        self._wake, self._bell = socket.socketpair()
        for end in (self._wake, self._bell):
            end.setblocking(False)
        self._before = [signal.signal(number, self._hear) for number in _SIGNALS]
        self._fd = signal.set_wakeup_fd(self._bell.fileno(), warn_on_full_buffer=False)
        return self

    def _hear(self, _number: int, _frame: FrameType | None) -> None:
        self.asked = True

    def listen(self, clock: RealClock) -> None:
        """A signal ends the clock's waiting."""
        clock.watch(self._wake.fileno(), self._drain)

    def _drain(self) -> None:
        self._wake.recv(64)

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(self._fd)
        for number, handler in zip(_SIGNALS, self._before, strict=True):
            # The second Ctrl-C of somebody impatient is not for the last moments.
            signal.signal(number, signal.SIG_IGN if self.asked else handler)
        self._wake.close()
        self._bell.close()


def _announce(live: Live, scenario: Scenario, folder: Folder, as_json: bool) -> None:
    left = ignored(scenario)
    if left:
        print(
            f"Left out, as `hedgerow` and you do it here: {', '.join(left)}.",
            file=sys.stderr if as_json else sys.stdout,
        )
    if as_json:
        for address in live.addresses:
            print(json.dumps(address.as_json(), ensure_ascii=False))
        print(json.dumps({"ready": True, "control": str(folder.control)}), flush=True)
        return
    for address in live.addresses:
        print(f"{address.board}\n  pty  {address.pty}\n  tcp  {address.tcp}")
        print(f"  key  {address.pairing_key_file}")
    print(f"{scenario.title}: {len(live.addresses)} boards run until Ctrl-C. Steer them from another shell:")
    print("hedgerow-lab status, cut, hear, move, power", flush=True)


def up(
    file: Annotated[Path, typer.Argument(help="A scenario file.")],
    seed: Annotated[
        int | None, typer.Option(help="For the dice of the air and the boards.", show_default="by chance")
    ] = None,
    run_dir: Annotated[
        Path | None, typer.Option(help="Keep ports, keys, logs and flash here.", show_default="a new one")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run the boards of a scenario in real time until Ctrl-C, each with a serial port for `hedgerow`.

    Hosts, contacts, letters and what must hold are left out: people and their commands take their place.
    """
    with Ending() as ending:
        try:
            _up(load(file), seed, run_dir, as_json, ending)
        except (HedgerowError, LabError, BuildError, OSError):
            if not ending.asked:  # what Ctrl-C broke off is no failure
                raise


def _up(scenario: Scenario, seed: int | None, run_dir: Path | None, as_json: bool, ending: Ending) -> None:
    folder = Folder.open(run_dir)
    clock = RealClock()
    try:
        ending.listen(clock)
        chosen = random.SystemRandom().randrange(1 << 32) if seed is None else seed
        lab, keys = world(scenario, chosen, folder, clock)
        live = Live(lab, keys, folder, clock, scenario.title, scenario.loss)
        try:
            live.plan(scenario.events)
            _announce(live, scenario, folder, as_json)
            live.run(lambda: ending.asked)
        finally:
            live.close()
    finally:
        clock.close()
        folder.close()


def cut(
    a: Annotated[str, typer.Argument(help="A board.")],
    b: Annotated[str, typer.Argument(help="Another one.")],
    run_dir: RunDir = None,
) -> None:
    """Take two boards out of each other's range."""
    _steer(run_dir, "cut", a, b)


def hear(
    a: Annotated[str, typer.Argument(help="A board.")],
    b: Annotated[str, typer.Argument(help="Another one.")],
    run_dir: RunDir = None,
) -> None:
    """Let two boards hear each other."""
    _steer(run_dir, "hear", a, b)


def move(
    board: Annotated[str, typer.Argument(help="The board that moves.")],
    neighbours: Annotated[
        list[str] | None, typer.Argument(help="Whom it hears from now on; none: nobody.")
    ] = None,
    run_dir: RunDir = None,
) -> None:
    """Carry a board to another place: it hears exactly these neighbours, and they hear it."""
    _steer(run_dir, "move", board, *(neighbours or []))


def power(
    state: Annotated[Power, typer.Argument(help="on or off.")],
    board: Annotated[str, typer.Argument(help="The board.")],
    run_dir: RunDir = None,
) -> None:
    """Cut a board's power, or give it back; its flash stays."""
    _steer(run_dir, f"power_{state.value}", board)


def status(run_dir: RunDir = None, as_json: AsJson = False) -> None:
    """Show the boards that run, who hears whom, and what crossed the air."""
    found = ask(run_dir, {"do": "status"})
    if as_json:
        print(json.dumps(found, ensure_ascii=False), flush=True)
        return
    print(f"{found['title']}: up for {found['up_ms'] // 1000} s in {found['run_dir']}")
    for board in found["boards"]:
        print(_row(board))
    print(", ".join(f"{name} {count}" for name, count in found["counters"].items()), flush=True)


def _row(board: dict[str, Any]) -> str:
    parts = [f"hears {', '.join(board['hears']) or 'nobody'}"]
    if board["client"] is not None:
        parts.append(f"in use over {board['client']}")
    if board["known"] is not None:
        parts.append(f"knows {board['known']} letters")
    return f"  {board['board']} is {board['power']}: {'; '.join(parts)}"


def _steer(run_dir: Path | None, what: str, *boards: str) -> None:
    print(ask(run_dir, {"do": what, "boards": boards})["said"], flush=True)


def register(app: typer.Typer) -> None:
    """Add the commands to the lab's command line."""
    app.command(epilog="Example: hedgerow-lab up tests/network/scenarios/line3.toml")(up)
    app.command(epilog="Example: hedgerow-lab cut west middle")(cut)
    app.command(epilog="Example: hedgerow-lab hear west middle")(hear)
    app.command(epilog="Example: hedgerow-lab move east west middle")(move)
    app.command(epilog="Example: hedgerow-lab power off middle")(power)
    app.command(epilog="Example: hedgerow-lab status --json")(status)
