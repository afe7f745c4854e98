"""The demo: two neighbours, three boards in a line, and what travels where; then a search for plain text."""

import json
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from hedgerow.errors import BuildError
from hedgerow.events import Connected, Event, Received
from hedgerow_core import envelope as envelopes
from hedgerow_core.errors import HedgerowError
from hedgerow_lab.clock import RealClock
from hedgerow_lab.courier import key
from hedgerow_lab.folder import Folder, LiveError
from hedgerow_lab.leaks import Leaks
from hedgerow_lab.live import Live
from hedgerow_lab.live_cli import Ending
from hedgerow_lab.person import EPOCH_MS, Person
from hedgerow_lab.scenario import parse
from hedgerow_lab.simulate import Simulation, interpreter_name
from hedgerow_lab.stage import Stage
from hedgerow_lab.world import LabError, find_micropython

SCENARIO = """
title = "Demo"
duration = "1h"
boards = ["mill", "bridge", "school"]
layout = "line"
loss = 0.05
"""
_ALICE = "Alice Ashgrove"
_BOB = "Bob Birchwood"
_PEOPLE = [(_ALICE, "mill"), (_BOB, "school")]
_LETTERS = (
    "Bob, is your well frozen too?",
    "We have a spare pump.",
    "The bakery opens at noon.",
    "Bring a lantern tonight!",
)
_ANSWERS = ("It is, since Sunday.", "The pump would save us.", "I come at six.", "Two lanterns are packed.")
_PATIENCE_MS = 300_000
_STORY_MS = 600_000  # longer than a story takes: kept homes must not hold times that are still to come


class DemoError(HedgerowError):
    """A step of the demo did not come to its end."""


class Demo:
    """The story on one simulation; ``tell`` prints a line of it."""

    def __init__(
        self,
        simulation: Simulation,
        seed: int,
        tell: Callable[[Text], None],
        stage: Stage | None,
        epoch_ms: int = EPOCH_MS,
    ) -> None:
        self.lab = simulation.lab
        self.leaks = Leaks()
        self.sent = 0
        self.delivered = 0
        self.hops_max = 0
        self._simulation = simulation
        self._tell = tell
        self._stage = stage
        self._connected = 0
        self._origins: dict[bytes, int] = {}
        self._people: dict[str, Person] = {}
        for name, _ in _PEOPLE:
            self.leaks.add(name)
            person = Person(self.lab, name, self.home(name), seed, epoch_ms)
            person.on_event = partial(self._happened, name)
            self._people[name] = person
        for text in _LETTERS + _ANSWERS:
            self.leaks.add(text)
        self.lab.on_air(self.leaks.watch)

    def home(self, name: str) -> Path:
        """The folder of somebody's account."""
        return self.lab.workdir / "hosts" / _first(name)

    def leave(self) -> None:
        """All go home; their laptops know the boards from now on."""
        for name, board in _PEOPLE:
            person = self._people[name]
            person.unplug()
            person.node.remember_key(key("pairing", board), person.unix_ms)
            person.node.close()
        self.lab.air.watchers.remove(self.leaks.watch)

    # Telling

    def _say(self, text: str) -> None:
        if self._stage is not None:
            self._stage.title(text)
        else:
            self._tell(Text("\n" + text, style="bold"))

    def _note(self, text: str, style: str = "") -> None:
        seconds = self.lab.now_ms // 1000
        self._tell(Text.assemble((f"  {seconds // 60:2}:{seconds % 60:02}  ", "dim"), (text, style)))

    def _show_shelves(self) -> None:
        held = [f"{name} {count}" for name, count in self._simulation.known.items()]
        self._note("sealed letters on the boards: " + ", ".join(held), "dim")

    def _happened(self, who: str, event: Event, now_ms: int) -> None:
        if isinstance(event, Connected):
            self._connected += 1
            self._note(f"{_first(who)}'s laptop: {_first(event.name)} is a contact now", "green")
            return
        if not isinstance(event, Received):
            return  # nobody says anything on the street
        self.delivered += 1
        links = event.hops - self._origins[event.envelope]
        self.hops_max = max(self.hops_max, links)
        self._note(f"{_first(who)} reads: “{event.text}” (after {links} links)", "cyan")

    # Steps

    def _advance(self, duration_ms: int, done: Callable[[], bool] = lambda: False) -> None:
        end_ms = self.lab.now_ms + duration_ms
        if self._stage is not None:
            self._stage.advance(lambda ms: self.lab.run_until(ms, done), self.lab.now_ms, end_ms, done)
        else:
            self.lab.run_until(end_ms, done)

    def _plug(self, name: str, board: str | None) -> None:
        if board is None:
            self._people[name].unplug()
        else:
            self._people[name].plug(board, key("pairing", board))
        if self._stage is not None:
            self._stage.plug(name, board is not None)

    def _wait(self, what: str, done: Callable[[], bool]) -> None:
        self._advance(_PATIENCE_MS, done)
        if not done():
            raise DemoError(f"{what} did not happen within {_PATIENCE_MS // 60_000} minutes.")

    def _write(self, sender: str, to: str, texts: tuple[str, ...]) -> None:
        person = self._people[sender]
        for text in texts:
            envelope = person.node.send(to, text, person.unix_ms)
            if envelope is not None:
                self._origins[envelope.id] = envelope.hops
            person.changed()
            self.sent += 1
            self._note(f"{_first(sender)} writes: “{text}”", "cyan")

    def _known(self, board: str) -> int:
        return self._simulation.known.get(board, 0)

    def play(self, canary: bool) -> None:
        """All steps. DemoError where one does not come to its end."""
        lab, alice, bob = self.lab, self._people[_ALICE], self._people[_BOB]
        self._say("Three boards in a line: mill ~ bridge ~ school. Mill and school cannot hear each other.")
        self._advance(3_000)
        self._plug(_ALICE, "mill")
        self._plug(_BOB, "school")
        self._note("Alice plugs her laptop into mill, Bob his into school")
        self._say("Alice gives Bob an invite on paper. Bob's request travels sealed, so does her answer.")
        bob.node.add(alice.node.invite(alice.unix_ms), bob.unix_ms)
        bob.changed()
        self._wait("The introduction", lambda: self._connected == 2)
        self._advance(10_000)
        self._show_shelves()

        self._say("Bob goes away and takes his board along. Alice writes all the same.")
        self._plug(_BOB, None)
        lab.power_off("school")
        before = self._known("bridge")
        self._write(_ALICE, _BOB, _LETTERS)
        if canary:
            self._leak(alice)
        self._wait("The first mile", lambda: self._known("bridge") >= before + len(_LETTERS) + canary)
        self._show_shelves()

        self._say("The board at the bridge loses power. What it acknowledged is on its flash.")
        before = self._known("bridge")
        lab.power_off("bridge")
        self._simulation.known.pop("bridge")
        self._note("bridge is dark", "red")
        self._advance(10_000)
        lab.power_on("bridge")
        self._wait("The restart", lambda: "bridge" in self._simulation.known)
        self._note(f"bridge is back with {self._known('bridge')} of {before} sealed letters", "green")

        self._say("Bob comes back, reads, and answers.")
        lab.power_on("school")
        self._advance(1_000)
        self._plug(_BOB, "school")
        self._wait("The reading", lambda: self.delivered == len(_LETTERS))
        self._write(_BOB, _ALICE, _ANSWERS)
        self._wait("The answer", lambda: self.delivered == len(_LETTERS) + len(_ANSWERS))
        self._advance(10_000)
        self._show_shelves()

    def _leak(self, person: Person) -> None:
        """What must never happen: a letter that is not sealed, and a board that says it aloud."""
        text = _LETTERS[0].encode()
        lock = person.node.shelf.ids()[0] + bytes(4)
        body = text + bytes(envelopes.padded_body_size(len(text)) - len(text))
        person.node.shelf.put(
            envelopes.make(envelopes.NORMAL, envelopes.TTL_DEFAULT, lock, body), person.unix_ms
        )
        person.changed()
        name = text[:24]
        self.lab.shout(bytes((len(name) + 1, 0x09)) + name)


def _first(name: str) -> str:
    return name.split()[0]


def on_stage(simulation: Simulation, console: Console, sleep: Callable[[float], None] = time.sleep) -> Stage:
    """The moving picture for a story on ``simulation``."""
    lab = simulation.lab
    return Stage(
        console,
        list(lab.boards),
        _PEOPLE,
        simulation.known,
        lambda name: lab.boards[name].powered,
        lab.linked,
        sleep,
    )


def _play(
    simulation: Simulation,
    seed: int,
    canary: bool,
    console: Console,
    picture: bool,
    quiet: bool,
    epoch_ms: int,
) -> tuple[Demo, dict[str, object]]:
    if picture:
        with on_stage(simulation, console) as stage:
            demo = Demo(simulation, seed, stage.line, stage, epoch_ms)
            demo.play(canary)
    else:
        demo = Demo(simulation, seed, (lambda text: None) if quiet else console.print, None, epoch_ms)
        demo.play(canary)
    boards = simulation.lab.boards
    on_flash = set().union(*(demo.leaks.search(simulation.lab.flash_image(name)) for name in boards))
    return demo, {
        "sent": demo.sent,
        "delivered": demo.delivered,
        "boards": len(boards),
        "hops_max": demo.hops_max,
        "interpreter": interpreter_name(find_micropython()),
        "aioble": simulation.aioble,
        "plaintext_on_air": demo.leaks.on_air,
        "plaintext_on_flash": len(on_flash),
    }


def _keep(simulation: Simulation, demo: Demo, folder: Folder, clock: RealClock, as_json: bool) -> None:
    """The boards go on, now on the wall clock, until Ctrl-C."""
    keys = {name: key("pairing", name) for name in simulation.lab.boards}
    with Ending() as ending:
        clock.paced = True
        ending.listen(clock)
        live = Live(simulation.lab, keys, folder, clock, simulation.scenario.title, simulation.scenario.loss)
        try:
            urls = {address.board: address.tcp for address in live.addresses}
            if as_json:
                for name, board in _PEOPLE:
                    print(json.dumps({"name": name, "home": str(demo.home(name)), "board": urls[board]}))
            else:
                for line in _how_to_go_on(demo, urls):
                    print(line)
                print(f"\nAll of it is in {folder.path} until Ctrl-C.")
            sys.stdout.flush()
            live.run(lambda: ending.asked)
        finally:
            live.close()
        folder.close()
        if not as_json:
            print(f"\nThe boards are off, and {folder.path} is removed.")


def _how_to_go_on(demo: Demo, urls: dict[str, str]) -> list[str]:
    program = "hedgerow" if shutil.which("hedgerow") else str(Path(sys.argv[0]).resolve())

    def command(who: str, *words: str) -> str:
        return "  " + shlex.join([program, "--home", str(demo.home(who)), *words])

    at_mill, at_school = ("--board", urls["mill"]), ("--board", urls["school"])
    return [
        "\nThe three boards go on in real time. Terminal 1, Alice reads at mill:",
        command(_ALICE, "inbox", "--follow", *at_mill),
        "Terminal 2, Bob writes at school:",
        command(_BOB, "send", _ALICE, "Is your lamp still lit?", *at_school),
        "Alice answers over the link of terminal 1, and Bob looks:",
        command(_ALICE, "send", _BOB, "It is, come over."),
        command(_BOB, "inbox", *at_school),
        "`hedgerow-lab status` shows the boards, `hedgerow-lab power off bridge` cuts the way.",
    ]


def command(
    as_json: Annotated[bool, typer.Option("--json", help="Print only one JSON line.")] = False,
    seed: Annotated[int, typer.Option(help="The same seed gives the same demo.")] = 1,
    plain: Annotated[bool, typer.Option("--plain", help="Lines instead of a moving picture.")] = False,
    keep: Annotated[
        bool, typer.Option("--keep", help="Then leave the boards running for you, in real time.")
    ] = False,
    canary: Annotated[
        bool, typer.Option("--insecure-canary", help="Leak one text on purpose: the search must find it.")
    ] = False,
) -> None:
    """Watch a letter cross three virtual boards that run the real firmware.

    Example: hedgerow demo --json
    """
    console = Console(highlight=False)
    try:
        with ExitStack() as stack:
            _run(stack, as_json, seed, console, console.is_terminal and not (as_json or plain), keep, canary)
    except (DemoError, LabError, LiveError, BuildError) as error:
        print(f"hedgerow: {error}", file=sys.stderr)
        raise typer.Exit(1) from None


def _run(
    stack: ExitStack, as_json: bool, seed: int, console: Console, picture: bool, keep: bool, canary: bool
) -> None:
    folder, clock, epoch_ms = None, None, EPOCH_MS
    if keep:
        folder, clock = Folder.open(None), RealClock()
        clock.paced = False
        stack.callback(clock.close)
        stack.callback(folder.close)
        epoch_ms = time.time_ns() // 1_000_000 - _STORY_MS
        workdir = folder.path
    else:
        workdir = Path(tempfile.mkdtemp(prefix="hedgerow-demo-"))
        stack.callback(shutil.rmtree, workdir, ignore_errors=True)
    simulation = Simulation(parse(SCENARIO), seed, workdir, clock=clock)
    stack.callback(simulation.close)
    demo, found = _play(simulation, seed, canary, console, picture, as_json, epoch_ms)
    leaks = int(str(found["plaintext_on_air"])) + int(str(found["plaintext_on_flash"]))
    if as_json:
        print(json.dumps(found))
    else:
        console.print(
            f"\n{found['delivered']} of {found['sent']} letters delivered over {found['boards']} boards"
            f" that ran the real firmware ({found['interpreter']}, {found['aioble']} aioble).\n"
            "Every byte on the air, on the cables and on the flash was searched for names and texts: "
            + ("none was found." if not leaks else f"[red]{leaks} were found.[/red]")
        )
    demo.leave()
    if leaks or found["sent"] != found["delivered"]:
        raise typer.Exit(1)
    if folder is not None and clock is not None:
        _keep(simulation, demo, folder, clock, as_json)
